#include "spikeloom/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/output_target.h"

namespace spikeloom {
namespace {

struct Descriptor {
  int value = -1;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

template <class Bytes>
Bytes read_whole(const std::string& path, std::int64_t max_bytes) {
  const auto fail = [&](const std::string& action, const std::string& reason) -> DataError {
    return DataError(path + ": cannot " + action + ": " + reason);
  };
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) throw fail("open", std::strerror(errno));
  struct stat info {};
  if (::fstat(file.value, &info) != 0) throw fail("read", std::strerror(errno));
  if (!S_ISREG(info.st_mode)) throw fail("read", "it is not a regular file");
  if (info.st_size > max_bytes) {
    throw fail("read", std::to_string(info.st_size) + " bytes are more than the " +
                           std::to_string(max_bytes) + " allowed here");
  }
  Bytes bytes;
  bytes.resize(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.value, &bytes[done], bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw fail("read", std::strerror(errno));
    if (count == 0) break;  // it shrank meanwhile: the readers see a truncated file
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

/// False, with errno, where not all of it could be written.
bool write_all(int descriptor, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(descriptor, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

/// A file without a name, or -1 with errno.
int open_temporary_file() {
  std::error_code error;
  const std::string folder = std::filesystem::temp_directory_path(error).string();
  std::string name = (error ? "/tmp" : folder) + "/spikeloom.XXXXXX";
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor >= 0) ::unlink(name.c_str());
  return descriptor;
}

/// Gives the new file what the old one had. Who is not root may not give files away: the group's permissions
/// then must not fall to another group.
void keep_owner_and_mode(int descriptor, const struct stat& old) {
  mode_t mode = old.st_mode & 0777;
  const bool kept = ::fchown(descriptor, old.st_uid, old.st_gid) == 0 ||
                    ::fchown(descriptor, static_cast<uid_t>(-1), old.st_gid) == 0;
  if (!kept) mode = (mode & ~mode_t{070}) | ((mode & 07) << 3);
  if (::fchmod(descriptor, mode) != 0) errno = 0;  // a file system without permissions
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  const OutputTarget target = resolve_output(path_);
  if (target.kind == OutputTarget::Kind::kStream) {
    open_stream(target.path, target.descriptor);
    return;
  }
  open_part(target.path);
  if (target.kind == OutputTarget::Kind::kRegularFile) keep_owner_and_mode(descriptor_, target.status);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    if (!part_path_.empty()) ::unlink(part_path_.c_str());
  }
  if (stream_ >= 0) ::close(stream_);
}

void AtomicFile::open_stream(const std::string& target, int descriptor) {
  stream_ = descriptor >= 0 ? ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
                            : ::open(target.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (stream_ < 0) fail("open");
  descriptor_ = open_temporary_file();
  if (descriptor_ < 0) {
    const int reason = errno;
    ::close(stream_);
    throw DataError(path_ + ": cannot create a temporary file for it: " + std::strerror(reason));
  }
}

void AtomicFile::open_part(const std::string& target) {
  target_ = target;
  part_path_ = target + ".part";
  // Without O_TRUNC, and never through a link: what stands under this name is looked at first.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  descriptor_ = ::open(part_path_.c_str(), kFlags, 0666);
  struct stat info {};
  const bool in_the_way =
      descriptor_ >= 0 ? ::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink > 1
                       : errno == ELOOP || errno == ENXIO || errno == EISDIR;
  if (in_the_way) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw DataError(path_ + ": cannot write: " + part_path_ +
                    " is in the way (a link, a folder or a device); move it away");
  }
  if (descriptor_ < 0) fail("create");
  if (::ftruncate(descriptor_, 0) != 0) {
    const int reason = errno;
    ::close(descriptor_);
    errno = reason;
    fail("create");
  }
}

void AtomicFile::write(const void* data, std::size_t size) {
  if (!write_all(descriptor_, static_cast<const char*>(data), size)) fail("write");
}

void AtomicFile::write_at(std::int64_t offset, const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = ::pwrite(descriptor_, bytes, size, offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write");
    bytes += count;
    offset += count;
    size -= static_cast<std::size_t>(count);
  }
}

void AtomicFile::commit() {
  if (stream_ >= 0) return copy_to_stream();
  if (::fsync(descriptor_) != 0) fail("write");
  const int closing = std::exchange(descriptor_, -1);
  if (::close(closing) != 0 || std::rename(part_path_.c_str(), target_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(part_path_.c_str());
    errno = reason;
    fail("write");
  }
}

void AtomicFile::copy_to_stream() {
  std::vector<char> block(std::size_t{1} << 16);
  if (::lseek(descriptor_, 0, SEEK_SET) != 0) fail("write");
  while (true) {
    const ssize_t count = ::read(descriptor_, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write");
    if (count == 0) break;
    if (!write_all(stream_, block.data(), static_cast<std::size_t>(count))) fail("write");
  }
  ::close(std::exchange(descriptor_, -1));
  if (::close(std::exchange(stream_, -1)) != 0) fail("write");
}

void AtomicFile::fail(const char* action) const {
  throw DataError(path_ + ": cannot " + action + ": " + std::strerror(errno));
}

void write_text_file(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

std::vector<std::uint8_t> read_file(const std::string& path, std::int64_t max_bytes) {
  return read_whole<std::vector<std::uint8_t>>(path, max_bytes);
}

std::string read_text_file(const std::string& path, std::int64_t max_bytes) {
  return read_whole<std::string>(path, max_bytes);
}

std::string without_end_slashes(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  return last == std::string::npos ? path.substr(0, 1) : path.substr(0, last + 1);
}

}  // namespace spikeloom
