#pragma once
#include <cstdint>
#include <string>

namespace spikeloom::model {

/// Size of one sample at one time step.
struct Shape {
  std::int64_t channels = 0, height = 0, width = 0;

  /// channels * height * width. Throws ShapeError if that exceeds 2^63 - 1.
  std::int64_t size() const;
};
inline bool operator==(const Shape& a, const Shape& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}
inline bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }

/// "CHANNELSxHEIGHTxWIDTH", for example "3x32x32"; each 1..65536. Throws StructureError naming the column.
Shape parse_shape(const std::string& text);

/// "3x32x32".
std::string to_string(const Shape& shape);

}  // namespace spikeloom::model
