#pragma once
// The JSON header of a safetensors file and the table of element types, shared by reader and writer.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/formats/safetensors.h"

namespace spikeloom::formats {

constexpr std::int64_t kMaxSafetensorsHeader = 100'000'000;
constexpr std::size_t kMaxSafetensorsRank = 64;
constexpr char kSafetensorsMetadataKey[] = "__metadata__";

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorInfo> tensors;  ///< offsets still count from the first data byte
};

/// Parses the JSON without building a document, so that memory stays in proportion to the text whatever it
/// nests. Checks the grammar, names, types and shapes of every entry and that size_bytes is what type and
/// shape demand; not where the data lies. json_offset is the place of the text in the file, for errors.
/// Throws FormatError.
SafetensorsHeader parse_safetensors_header(Span<const char> json, std::int64_t json_offset,
                                           const std::string& file);

/// The bytes of an array, or -1 if a dimension is negative or the product exceeds 2^62.
std::int64_t tensor_bytes(DType dtype, const std::vector<std::int64_t>& shape);

/// Text from a file as it is shown in a message: in quotes, at most 60 bytes, on one line.
std::string in_quotes(const std::string& text);

}  // namespace spikeloom::formats
