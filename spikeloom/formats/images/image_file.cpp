#include "spikeloom/formats/images/image_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/formats/images/decoders.h"

namespace spikeloom::formats {
namespace {

constexpr std::uint8_t kPng[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::uint8_t kJpeg[] = {0xff, 0xd8, 0xff};
constexpr std::int64_t kMostFileBytes = std::int64_t{1} << 30;

template <std::size_t Size>
bool begins_with(Span<const std::uint8_t> bytes, const std::uint8_t (&start)[Size]) {
  return bytes.size() >= Size && std::equal(start, start + Size, bytes.data());
}

}  // namespace

void check_image_size(std::int64_t width, std::int64_t height, std::int64_t decoded_bytes,
                      std::int64_t most_ratio, Span<const std::uint8_t> bytes, const std::string& name) {
  constexpr std::int64_t kMostSide = std::int64_t{1} << 24;
  const bool fits = width >= 1 && height >= 1 && width <= kMostSide && height <= kMostSide &&
                    width * height <= kMostImagePixels;
  if (!fits) {
    throw FormatError(
        fmt::format("an image of {} x {} pixels; at most {} are read", width, height, kMostImagePixels),
        name);
  }
  constexpr std::int64_t kHeaders = 4096;  // small files are mostly headers
  if (decoded_bytes > most_ratio * static_cast<std::int64_t>(bytes.size()) + kHeaders) {
    throw FormatError(
        fmt::format("an image of {} x {} pixels cannot be in {} bytes", width, height, bytes.size()), name);
  }
}

bool is_image(Span<const std::uint8_t> bytes) {
  return begins_with(bytes, kPng) || begins_with(bytes, kJpeg);
}

Image decode_image(Span<const std::uint8_t> bytes, const std::string& name) {
  if (begins_with(bytes, kPng)) return decode_png(bytes, name);
  if (begins_with(bytes, kJpeg)) return decode_jpeg(bytes, name);
  throw FormatError(bytes.empty() ? "the file is empty" : "is neither a PNG nor a JPEG image by its content",
                    name, 0);
}

Image read_image(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path, kMostFileBytes);
  return decode_image(bytes, path);
}

}  // namespace spikeloom::formats
