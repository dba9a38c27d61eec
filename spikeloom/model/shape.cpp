#include "spikeloom/model/shape.h"

#include "spikeloom/base/errors.h"
#include "spikeloom/model/structure.h"

namespace spikeloom::model {

std::int64_t Shape::size() const {
  std::int64_t area = 0;
  std::int64_t values = 0;
  if (__builtin_mul_overflow(height, width, &area) || __builtin_mul_overflow(area, channels, &values)) {
    throw ShapeError("shape " + to_string(*this) + " has more than 2^63 - 1 values; make the input smaller");
  }
  return values;
}

Shape parse_shape(const std::string& text) {
  constexpr std::int64_t kMaxExtent = 65536;
  const char* const names[3] = {"the number of channels", "the height", "the width"};
  std::int64_t extents[3] = {};
  std::size_t position = 0;
  for (int part = 0; part < 3; ++part) {
    if (part > 0) {
      if (position == text.size() || text[position] != 'x') {
        throw StructureError("expected 'x' (a shape is CHANNELSxHEIGHTxWIDTH, like 3x32x32)", text, position);
      }
      ++position;
    }
    const std::size_t start = position;
    for (; position < text.size() && text[position] >= '0' && text[position] <= '9'; ++position) {
      extents[part] =
          extents[part] > kMaxExtent ? extents[part] : extents[part] * 10 + (text[position] - '0');
    }
    const bool leading_zero = position > start && text[start] == '0';
    if (position == start || leading_zero || extents[part] > kMaxExtent) {
      throw StructureError(std::string("expected ") + names[part] + " from 1 to " +
                               std::to_string(kMaxExtent) +
                               " without leading zeros (a shape is CHANNELSxHEIGHTxWIDTH, like 3x32x32)",
                           text, start);
    }
  }
  if (position != text.size()) {
    throw StructureError("expected the end (a shape is CHANNELSxHEIGHTxWIDTH, like 3x32x32)", text, position);
  }
  return {extents[0], extents[1], extents[2]};
}

std::string to_string(const Shape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

}  // namespace spikeloom::model
