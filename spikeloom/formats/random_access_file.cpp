#include "spikeloom/formats/random_access_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"

namespace spikeloom::formats {
namespace {

DataError system_error(const std::string& path, const char* action) {
  return DataError(fmt::format("{}: cannot {}: {}", path, action, std::strerror(errno)));
}

}  // namespace

RandomAccessFile::RandomAccessFile(const std::string& path) : path_(path) {
  // Non-blocking, so that a named pipe is refused below instead of waited for.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw system_error(path, "open");
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) {
    const DataError error = system_error(path, "read");
    ::close(descriptor);
    throw error;
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(descriptor);
    throw DataError(path + ": cannot read: it is not a regular file");
  }
  descriptor_ = descriptor;
  size_ = info.st_size;
}

RandomAccessFile::~RandomAccessFile() { ::close(descriptor_); }

void RandomAccessFile::read_at(std::int64_t offset, void* destination, std::size_t size) const {
  char* bytes = static_cast<char*>(destination);
  while (size > 0) {
    const ssize_t count = ::pread(descriptor_, bytes, size, offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error(path_, "read");
    if (count == 0) {
      throw FormatError(
          fmt::format("the file ends here, {} too early", counted(static_cast<std::int64_t>(size), "byte")),
          path_, offset);
    }
    bytes += count;
    offset += count;
    size -= static_cast<std::size_t>(count);
  }
}

}  // namespace spikeloom::formats
