#include "spikeloom/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"

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

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), part_path_(path_ + ".part") {
  descriptor_ = ::open(part_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(part_path_.c_str());
}

void AtomicFile::write(const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = ::write(descriptor_, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write");
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
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
  if (::fsync(descriptor_) != 0) fail("write");
  const int closing = std::exchange(descriptor_, -1);
  if (::close(closing) != 0 || std::rename(part_path_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(part_path_.c_str());
    errno = reason;
    fail("write");
  }
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

}  // namespace spikeloom
