#include "spikeloom/formats/npy_values.h"

#include <fmt/format.h>

#include <utility>

#include "spikeloom/formats/events/numpy/npy_header.h"

namespace spikeloom::formats {

std::optional<std::vector<std::int64_t>> plain_array_shape(const std::string& path) {
  try {
    ByteWindow window(open_file_source(path));
    constexpr std::size_t kMagicBytes = 8;
    if (!window.ensure(kMagicBytes) || !is_npy(window.data(), window.size())) return std::nullopt;
    const NpyHeader header = read_npy_header(window);
    if (header.fields.empty()) return header.shape;
  } catch (const Error&) {  // whoever reads it says what is wrong
  }
  return std::nullopt;
}

NumberArray read_number_array(std::unique_ptr<ByteSource> source) {
  ByteWindow window(std::move(source));
  const NpyHeader header = read_npy_header(window);
  const bool is_real = header.type.is_real();
  if (!header.fields.empty() || (!is_real && !header.type.is_integer())) {
    throw FormatError(fmt::format("is not an array of numbers ({})",
                                  header.fields.empty()
                                      ? fmt::format("its type is {}{}", header.type.kind, header.type.bytes)
                                      : "it is a structured one"),
                      window.name(), 0);
  }
  if (header.fortran_order && header.shape.size() > 1) {
    throw FormatError("is in Fortran order: save it as numpy.ascontiguousarray(array)", window.name(), 0);
  }
  NumberArray array;
  array.shape = header.shape;
  const auto bytes = static_cast<std::size_t>(header.type.bytes);
  read_npy_values(window, header.num_elements() * header.type.bytes, bytes,
                  [&](const std::uint8_t* data, std::size_t size) {
                    for (std::size_t i = 0; i < size; i += bytes) {
                      array.values.push_back(static_cast<float>(is_real ? header.type.load_real(data + i)
                                                                        : header.type.load(data + i)));
                    }
                  });
  return array;
}

}  // namespace spikeloom::formats
