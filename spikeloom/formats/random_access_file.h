#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace spikeloom::formats {

/// A regular file open for reading at any place, for formats that are not read whole. Thread-safe.
/// The constructor throws DataError if the file cannot be opened or is no regular file.
class RandomAccessFile {
 public:
  explicit RandomAccessFile(const std::string& path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  const std::string& path() const { return path_; }
  /// Bytes in the file when it was opened.
  std::int64_t size() const { return size_; }
  /// Copies size bytes from offset on. Throws FormatError if the file ends before, DataError on a read error.
  void read_at(std::int64_t offset, void* destination, std::size_t size) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace spikeloom::formats
