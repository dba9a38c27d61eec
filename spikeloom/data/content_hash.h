#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace spikeloom::data {

/// A 128-bit XXH3 hash: tells contents apart, but is no protection against intent.
struct ContentHash {
  std::uint64_t low = 0, high = 0;

  bool operator==(const ContentHash& other) const { return low == other.low && high == other.high; }
  bool operator!=(const ContentHash& other) const { return !(*this == other); }
};

/// For unordered containers.
struct ContentHashHasher {
  std::size_t operator()(const ContentHash& hash) const { return static_cast<std::size_t>(hash.low); }
};

ContentHash hash_bytes(const void* data, std::size_t size);
ContentHash hash_text(const std::string& text);

/// Hash of all bytes of a file, in bounded memory. Throws DataError if it cannot be read.
ContentHash hash_file(const std::string& path);

/// What changes whenever a file's bytes change: inode, size, and the times of the last change of content and
/// of inode, in one number. 0 where that cannot be relied on: the file is not there, or was changed so
/// shortly ago (2 s) that another change need not show in its times.
std::uint64_t file_signature(const std::string& path);

}  // namespace spikeloom::data
