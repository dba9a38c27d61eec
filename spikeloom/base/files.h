#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom {

/// Writes a file whole or not at all: to `path` + ".part" beside it, flushed to disk, then renamed over
/// `path`. A full disk, a kill or a power cut leaves the old file as it was. Usage: write() any number of
/// times, then commit(). Without commit() the destructor removes the part file. Throws DataError naming the
/// path and the system's reason.
///
/// Links are followed: the file that they lead to is replaced, the link stays. A file that is replaced hands
/// its permissions on and, where the system allows it, its owner and group. Into a pipe or a character device
/// ("/dev/stdout", "/dev/fd/3") the bytes are copied by commit(), from a temporary file; until then it gets
/// nothing. Folders, disks, sockets and files without write permission are refused (DataError).
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  /// Replaces bytes that were written, for headers that say how much follows; write() continues at the end.
  void write_at(std::int64_t offset, const void* data, std::size_t size);
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;
  void open_stream(const std::string& target, int descriptor);
  void open_part(const std::string& target);
  void copy_to_stream();
  std::string path_;
  std::string target_, part_path_;  ///< "" for a stream
  int descriptor_ = -1;             ///< of the part, or of a stream's temporary file
  int stream_ = -1;
};

/// Writes `text` as the whole of `path`, atomically (see AtomicFile).
void write_text_file(const std::string& path, const std::string& text);

/// The bytes of a file. Throws DataError if it cannot be opened or read, or is larger than `max_bytes`.
std::vector<std::uint8_t> read_file(const std::string& path, std::int64_t max_bytes = std::int64_t{1} << 34);

/// The same as text.
std::string read_text_file(const std::string& path, std::int64_t max_bytes = std::int64_t{1} << 26);

/// "run" of "run/" and "run//": the path as names can be added to it after a "/"; "/" stays.
std::string without_end_slashes(const std::string& path);

}  // namespace spikeloom
