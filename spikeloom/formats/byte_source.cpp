#include "spikeloom/formats/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

DataError system_error(const std::string& path, const char* action) {
  return DataError(fmt::format("{}: cannot {}: {}", path, action, std::strerror(errno)));
}

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : path_(path) {
    // Non-blocking, so that a named pipe is refused below instead of waited for.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) throw system_error(path, "open");
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0) {
      const DataError error = system_error(path, "read");
      ::close(descriptor_);
      throw error;
    }
    if (!S_ISREG(info.st_mode)) {
      ::close(descriptor_);
      throw DataError(path + ": cannot read: it is not a regular file");
    }
    size_ = info.st_size;
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);  // only advice: its failure changes nothing
  }
  ~FileSource() override { ::close(descriptor_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  const std::string& name() const override { return path_; }
  std::int64_t position() const override { return position_; }
  std::int64_t size() const override { return size_; }
  std::unique_ptr<ByteSource> reopen() const override { return open_file_source(path_); }

  std::size_t read(void* destination, std::size_t size) override {
    char* bytes = static_cast<char*>(destination);
    std::size_t total = 0;
    while (total < size) {
      const ssize_t count = ::pread(descriptor_, bytes + total, size - total, position_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(path_, "read");
      if (count == 0) break;
      total += static_cast<std::size_t>(count);
      position_ += count;
    }
    return total;
  }

 private:
  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0, position_ = 0;
};

class MemorySource : public ByteSource {
 public:
  MemorySource(const void* data, std::size_t size, std::string name)
      : data_(static_cast<const char*>(data)), size_(size), name_(std::move(name)) {}

  const std::string& name() const override { return name_; }
  std::int64_t position() const override { return static_cast<std::int64_t>(position_); }
  std::int64_t size() const override { return static_cast<std::int64_t>(size_); }
  std::unique_ptr<ByteSource> reopen() const override { return memory_source(data_, size_, name_); }

  std::size_t read(void* destination, std::size_t size) override {
    const std::size_t count = std::min(size, size_ - position_);
    if (count > 0) std::memcpy(destination, data_ + position_, count);
    position_ += count;
    return count;
  }

 private:
  const char* data_;
  std::size_t size_, position_ = 0;
  std::string name_;
};

}  // namespace

std::unique_ptr<ByteSource> open_file_source(const std::string& path) {
  return std::make_unique<FileSource>(path);
}

std::unique_ptr<ByteSource> memory_source(const void* data, std::size_t size, std::string name) {
  return std::make_unique<MemorySource>(data, size, std::move(name));
}

}  // namespace spikeloom::formats
