#pragma once
// The numbers of a .npy array, behind its header.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/byte_source.h"
#include "spikeloom/formats/byte_window.h"

namespace spikeloom::formats {

/// Gives the rest of an array piece by piece, in multiples of `multiple` bytes, to take(data, bytes). Throws
/// FormatError if the file ends before.
template <class Take>
void read_npy_values(ByteWindow& window, std::int64_t bytes, std::size_t multiple, const Take& take) {
  while (bytes > 0) {
    if (!window.ensure(multiple)) {
      const auto held = static_cast<std::int64_t>(window.size());
      throw FormatError("the file ends " + counted(bytes - held, "byte") + " before its array does",
                        window.name(), window.offset() + held);
    }
    std::size_t now = window.size() - window.size() % multiple;
    if (static_cast<std::int64_t>(now) > bytes) now = static_cast<std::size_t>(bytes);
    take(window.data(), now);
    window.consume(now);
    bytes -= static_cast<std::int64_t>(now);
  }
}

/// Numbers of any shape, row-major.
struct NumberArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// The shape that the header of a .npy array says; nullopt for another file, one that cannot be read, and a
/// structured array, as recordings are stored.
std::optional<std::vector<std::int64_t>> plain_array_shape(const std::string& path);

/// A .npy array of integers, booleans or floating-point numbers. Memory grows with what the source really
/// gives. Throws FormatError for another type, Fortran order, or, with byte offset, if it is damaged or cut
/// short; DataError where it cannot be read.
NumberArray read_number_array(std::unique_ptr<ByteSource> source);

}  // namespace spikeloom::formats
