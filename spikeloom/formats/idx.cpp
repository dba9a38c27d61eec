#include "spikeloom/formats/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/inflate.h"

namespace spikeloom::formats {
namespace {

constexpr std::uint8_t kUnsignedByte = 0x08;
constexpr std::int64_t kMaxValues = std::int64_t{1} << 40;

/// The file's content, inflated as far as it was asked for.
class IdxContent {
 public:
  explicit IdxContent(const std::string& path) : path_(path), file_(read_file(path)) {
    if (is_gzip(file_)) gzip_.emplace(Span<const std::uint8_t>(file_), path);
  }

  /// Makes bytes()[0, size) available if there are so many; returns how many there are.
  std::size_t provide(std::size_t size) {
    if (gzip_ && inflated_.size() < size) gzip_->append(size - inflated_.size(), inflated_);
    return bytes().size();
  }
  const std::vector<std::uint8_t>& bytes() const { return gzip_ ? inflated_ : file_; }
  std::vector<std::uint8_t> take() { return std::move(gzip_ ? inflated_ : file_); }

  [[noreturn]] void fail(const std::string& message, std::size_t offset) const {
    throw FormatError(gzip_ ? message + " (offset in the inflated content)" : message, path_,
                      static_cast<std::int64_t>(offset));
  }
  void require(std::size_t size, const char* what) {
    const std::size_t available = provide(size);
    if (available >= size) return;
    fail(fmt::format("the file ends within its {}: {} of {} bytes are there; fetch it again", what, available,
                     size),
         available);
  }

 private:
  std::string path_;
  std::vector<std::uint8_t> file_;
  std::vector<std::uint8_t> inflated_;
  std::optional<GzipReader> gzip_;
};

}  // namespace

IdxArray read_idx(const std::string& path) {
  IdxContent content(path);
  content.require(4, "header");
  const std::size_t num_dimensions = content.bytes()[3];
  if (content.bytes()[0] != 0 || content.bytes()[1] != 0) {
    content.fail(fmt::format("not an IDX file: it starts with bytes {:#04x} {:#04x} instead of two zeros",
                             content.bytes()[0], content.bytes()[1]),
                 content.bytes()[0] != 0 ? 0 : 1);
  }
  if (content.bytes()[2] != kUnsignedByte) {
    content.fail(
        fmt::format("IDX element type {:#04x}: only 0x08 (unsigned byte) is read", content.bytes()[2]), 2);
  }
  if (num_dimensions == 0) content.fail("an IDX array of 0 dimensions: at least 1 is needed", 3);

  const std::size_t header_size = 4 + 4 * num_dimensions;
  content.require(header_size, "header");
  IdxArray array;
  std::int64_t nonzero_product = 1;
  bool is_empty = false;
  for (std::size_t i = 0; i < num_dimensions; ++i) {
    const std::int64_t size = load_big_endian_u32(content.bytes().data() + 4 + 4 * i);
    array.shape.push_back(size);
    is_empty = is_empty || size == 0;
    if (size > 0 && nonzero_product > kMaxValues / size) {
      content.fail(fmt::format("dimension {} of {} makes the array larger than 2^40 values", i, size),
                   4 + 4 * i);
    }
    nonzero_product *= std::max<std::int64_t>(size, 1);
  }

  const std::size_t total = header_size + (is_empty ? 0 : static_cast<std::size_t>(nonzero_product));
  const bool has_more = content.provide(total + 1) > total;  // also verifies the checksum of compressed data
  content.require(total, "values");
  if (has_more) {
    content.fail(fmt::format("the header announces {} bytes, but more follow", total), total);
  }
  array.values = content.take();
  array.values.erase(array.values.begin(), array.values.begin() + static_cast<std::ptrdiff_t>(header_size));
  return array;
}

}  // namespace spikeloom::formats
