#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"

namespace spikeloom::formats {

/// True if the bytes start as a gzip file does.
bool is_gzip(Span<const std::uint8_t> bytes);

/// Inflates gzip data from memory piece by piece, so that the reader decides how much it is willing to hold.
/// Every member's checksum is verified. `file` is named in errors.
class GzipReader {
 public:
  GzipReader(Span<const std::uint8_t> compressed, std::string file);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  /// Inflates the next bytes, at most max_size, and appends them; fewer only at the end of the data. Memory
  /// grows with what really is inflated, not with max_size. Throws FormatError (offset in the compressed
  /// file) if the data is damaged or cut short, or if something else follows it.
  void append(std::size_t max_size, std::vector<std::uint8_t>& output);

 private:
  struct State;
  [[noreturn]] void fail(const std::string& reason) const;
  std::unique_ptr<State> state_;
  Span<const std::uint8_t> compressed_;
  std::string file_;
};

}  // namespace spikeloom::formats
