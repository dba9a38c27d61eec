#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "spikeloom/base/span.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {

/// The root table of a FlatBuffer of which the first bytes are in memory. Every place is checked against
/// those bytes; what lies outside reads as absent (nullopt). FlatBuffers: uint32 place of the root table,
/// optional four-letter identifier, ...; a table begins with the int32 distance back to its vtable: uint16
/// bytes of the vtable, uint16 bytes of the table, then the place in the table of each field, 0 if it is
/// absent. Places of strings and vectors are uint32, relative to where they stand. Source: flatbuffers.dev,
/// internals.
class FlatTable {
 public:
  /// `bytes` begin with the place of the root, not with a size.
  explicit FlatTable(Span<const std::uint8_t> bytes) : bytes_(bytes) {
    const std::optional<std::uint32_t> root = number(0);
    const std::optional<std::uint32_t> distance = root ? number(*root) : std::nullopt;
    if (!distance) return;
    const std::int64_t vtable = std::int64_t{*root} - static_cast<std::int32_t>(*distance);
    if (vtable < 0 || vtable + 4 > size()) return;
    const std::int64_t vtable_bytes = load_little_endian_u16(bytes_.data() + vtable);
    const std::int64_t table_bytes = load_little_endian_u16(bytes_.data() + vtable + 2);
    if (vtable_bytes < 4 || vtable + vtable_bytes > size() || *root + table_bytes > size()) return;
    table_ = *root;
    table_bytes_ = table_bytes;
    vtable_ = vtable;
    fields_ = (vtable_bytes - 4) / 2;
  }

  /// Whether there is a table at all.
  bool valid() const { return table_ >= 0; }
  /// Place of a field of `width` bytes; nullopt if it is absent. `*damaged` becomes true if it lies outside.
  std::optional<std::int64_t> field(int index, int width, bool* damaged) const {
    if (!valid() || index >= fields_) return std::nullopt;
    const std::int64_t place = load_little_endian_u16(bytes_.data() + vtable_ + 4 + 2 * index);
    if (place == 0) return std::nullopt;
    if (place < 4 || place + width > table_bytes_) {
      *damaged = true;
      return std::nullopt;
    }
    return table_ + place;
  }
  /// Where the string or vector lies that a field refers to: at its uint32 length. It may lie outside the
  /// bytes.
  std::optional<std::int64_t> reference(int index, bool* damaged) const {
    const std::optional<std::int64_t> place = field(index, 4, damaged);
    if (!place) return std::nullopt;
    return *place + load_little_endian_u32(bytes_.data() + *place);
  }
  std::optional<std::uint32_t> number(std::int64_t place) const {
    if (place < 0 || place + 4 > size()) return std::nullopt;
    return load_little_endian_u32(bytes_.data() + place);
  }

 private:
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }

  Span<const std::uint8_t> bytes_;
  std::int64_t table_ = -1, table_bytes_ = 0, vtable_ = 0, fields_ = 0;
};

}  // namespace spikeloom::formats
