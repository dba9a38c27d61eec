#pragma once
// Checksums that a safetensors file carries in its own metadata, as texts, so that every other reader can
// read the file:
//   "xxh3_64.header": "0123456789abcdef"       of the whole header, blanks included, with these 16 digits as
//   '0' "xxh3_64.tensor.NAME": "0123456789abcdef"  of the bytes of the array NAME
// Each is the 64-bit XXH3 hash (seed 0), lower-case, the most significant digit first.
// Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "spikeloom/base/span.h"
#include "spikeloom/formats/safetensors_header.h"

namespace spikeloom::formats {

constexpr char kChecksumPrefix[] = "xxh3_64.";
constexpr char kHeaderChecksumKey[] = "xxh3_64.header";
constexpr char kTensorChecksumPrefix[] = "xxh3_64.tensor.";

/// The XXH3 hash of bytes as 16 digits.
std::string checksum_of(const void* data, std::size_t size);

/// The value of kHeaderChecksumKey in a header that is not finished.
std::string empty_checksum();

/// Puts the header's own checksum into its text, where empty_checksum() stands.
void seal_header(std::string* header);

/// Whether the metadata hold any checksum.
bool has_checksums(const SafetensorsHeader& header);

/// Takes the checksums out of the metadata of a header that was parsed from `json`: array name -> digits.
/// Empty if the file has none. Throws FormatError if the header does not match its checksum, or if checksums
/// are there for a part of the file only.
std::map<std::string, std::string> take_checksums(SafetensorsHeader* header, Span<const char> json,
                                                  std::int64_t json_offset, const std::string& file);

}  // namespace spikeloom::formats
