#include "spikeloom/formats/images/image_array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/numpy/npy_header.h"

namespace spikeloom::formats {
namespace {

std::string type_text(const NpyHeader& header) {
  return header.fields.empty() ? fmt::format("{}{}", header.type.kind, header.type.bytes) : "a structure";
}

[[noreturn]] void refuse(const ByteWindow& window, const std::string& message) {
  throw FormatError(message, window.name(), 0);
}

/// Gives the rest of the array piece by piece to take(data, bytes).
template <class Take>
void read_all(ByteWindow& window, std::int64_t bytes, std::size_t multiple, const Take& take) {
  while (bytes > 0) {
    if (!window.ensure(multiple)) {
      throw FormatError(fmt::format("the file ends {} before its array does",
                                    counted(bytes - static_cast<std::int64_t>(window.size()), "byte")),
                        window.name(), window.offset() + static_cast<std::int64_t>(window.size()));
    }
    std::size_t now = window.size() - window.size() % multiple;
    if (static_cast<std::int64_t>(now) > bytes) now = static_cast<std::size_t>(bytes);
    take(window.data(), now);
    window.consume(now);
    bytes -= static_cast<std::int64_t>(now);
  }
}

}  // namespace

ImageArray read_image_array(std::unique_ptr<ByteSource> source) {
  ByteWindow window(std::move(source));
  const NpyHeader header = read_npy_header(window);
  const std::vector<std::int64_t>& shape = header.shape;
  if (!header.fields.empty() || header.type.kind != 'u' || header.type.bytes != 1) {
    refuse(window, fmt::format("images are unsigned bytes (u1), 0 to 255, not {}: save them as uint8",
                               type_text(header)));
  }
  const bool axes = shape.size() == 3 || (shape.size() == 4 && (shape[3] == 1 || shape[3] == 3));
  if (!axes) {
    const bool planes = shape.size() == 4 && (shape[1] == 1 || shape[1] == 3);
    refuse(window,
           fmt::format("images are [N, H, W] or [N, H, W, C] with C = 1 or 3, not [{}]{}",
                       fmt::join(shape, ", "), planes ? ": save it as numpy.moveaxis(images, 1, 3)" : ""));
  }
  if (header.fortran_order) refuse(window, "is in Fortran order: save it as numpy.ascontiguousarray(images)");
  ImageArray images{shape[0], shape[1], shape[2], shape.size() == 4 ? shape[3] : 1, {}};
  constexpr std::int64_t kMostSide = 65536;
  if (images.height < 1 || images.width < 1 || images.height > kMostSide || images.width > kMostSide) {
    refuse(window, fmt::format("images of {} x {} pixels: each side must be from 1 to {}", images.width,
                               images.height, kMostSide));
  }
  if (images.count < 1) refuse(window, "holds no image");
  read_all(window, header.num_elements(), 1, [&](const std::uint8_t* data, std::size_t bytes) {
    images.pixels.insert(images.pixels.end(), data, data + bytes);
  });
  return images;
}

std::vector<std::int64_t> read_label_array(std::unique_ptr<ByteSource> source) {
  ByteWindow window(std::move(source));
  const NpyHeader header = read_npy_header(window);
  const bool axes = header.shape.size() == 1 || (header.shape.size() == 2 && header.shape[1] == 1);
  if (!axes || !header.fields.empty() || !header.type.is_integer()) {
    refuse(window, fmt::format("labels are integers [N], not {} [{}]", type_text(header),
                               fmt::join(header.shape, ", ")));
  }
  std::vector<std::int64_t> labels;
  const auto bytes = static_cast<std::size_t>(header.type.bytes);
  read_all(window, header.num_elements() * header.type.bytes, bytes,
           [&](const std::uint8_t* data, std::size_t size) {
             for (std::size_t i = 0; i < size; i += bytes) labels.push_back(header.type.load(data + i));
           });
  return labels;
}

}  // namespace spikeloom::formats
