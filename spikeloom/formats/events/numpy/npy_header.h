#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// A number type of NumPy ('i' signed, 'u' unsigned, 'b' boolean, 'f' floating-point) or anything else ('V',
/// 'S', ...). Times that count from a date ('M') or a beginning ('m') are integers with a unit.
struct NpyType {
  char kind = 'V';
  bool big_endian = false;
  std::int64_t bytes = 0;
  TimeUnit time_unit = TimeUnit::kFile;  ///< of 'm' and 'M' where it is s, ms, us or ns

  /// Whether load() can read it: i and u of 1, 2, 4 and 8 bytes, b of 1, m and M of 8 with a unit.
  bool is_integer() const;
  /// Whether load_real() can read it as a floating-point number: f of 2, 4 and 8 bytes.
  bool is_real() const;
  /// Whether load() may give a negative number for one from 2^63 on.
  bool is_unsigned_64() const { return kind == 'u' && bytes == 8; }
  /// What -1 becomes in such a type, where that is no negative number; else -1.
  std::int64_t wrapped_minus_one() const;
  /// The integer at `data`; unsigned numbers from 2^63 on read as negative.
  std::int64_t load(const std::uint8_t* data) const;
  /// `count` of them, one every `stride` bytes.
  void load_many(const std::uint8_t* data, std::int64_t stride, std::size_t count,
                 std::int64_t* numbers) const;
  /// The number at `data`, of either kind.
  double load_real(const std::uint8_t* data) const;
  /// `count` of them, one every `stride` bytes.
  void load_many_real(const std::uint8_t* data, std::int64_t stride, std::size_t count,
                      double* numbers) const;
};

struct NpyField {
  std::string name;
  NpyType type;
  std::int64_t place = 0;  ///< of its first byte in a row
};

/// The header of a .npy file: "\x93NUMPY", major and minor version (1.0, 2.0, 3.0), little-endian uint16
/// (uint32 from 2.0 on) bytes of text, and the text: a Python dictionary with descr, fortran_order and shape.
struct NpyHeader {
  std::vector<NpyField> fields;  ///< empty unless the array is structured
  NpyType type;                  ///< of an element (structured: its size)
  std::vector<std::int64_t>
      shape;  ///< not negative; their product with the size of an element fits in 63 bits
  bool fortran_order = false;

  std::int64_t num_elements() const;
};

/// Takes the header off the window. Throws FormatError if it is damaged, or of an array of Python objects.
NpyHeader read_npy_header(ByteWindow& window);

/// The texts of an array of them ('U' or 'S', of up to one dimension): up to 16 of up to 1024 bytes, in UTF-8
/// as far as they are ASCII, '?' for other characters. Nullopt for another array. Throws as
/// read_npy_header(), and FormatError if it is cut short.
std::optional<std::vector<std::string>> read_npy_texts(ByteWindow& window);

/// Whether the bytes begin as a .npy file does.
bool is_npy(const std::uint8_t* bytes, std::size_t size);

}  // namespace spikeloom::formats
