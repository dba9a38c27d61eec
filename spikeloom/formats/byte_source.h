#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace spikeloom::formats {

/// Bytes in order, from wherever they are: a file, a member of an archive, memory. Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// What errors call it: the path, or "ARCHIVE:MEMBER".
  virtual const std::string& name() const = 0;
  /// Copies up to `size` bytes to `destination`; fewer only at the end, 0 when there is nothing left. Throws
  /// DataError on a read error.
  virtual std::size_t read(void* destination, std::size_t size) = 0;
  /// Bytes that read() has given so far.
  virtual std::int64_t position() const = 0;
  /// All bytes, if known without reading them, else -1.
  virtual std::int64_t size() const = 0;
  /// The same bytes once more, from the first on, for formats that are read at several places at a time; null
  /// if the source cannot be read again.
  virtual std::unique_ptr<ByteSource> reopen() const { return nullptr; }
};

/// A regular file, read ahead by the system. Throws DataError if it cannot be opened or is no regular file.
std::unique_ptr<ByteSource> open_file_source(const std::string& path);

/// Bytes in memory, which must live as long as the source.
std::unique_ptr<ByteSource> memory_source(const void* data, std::size_t size, std::string name);

}  // namespace spikeloom::formats
