#include "spikeloom/formats/safetensors_checksum.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <set>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kDigits = 16;

// Quotes inside a JSON text are escaped: these bytes are a key wherever they stand.
const std::string& header_checksum_marker() {
  static const std::string marker = fmt::format("\"{}\":\"", kHeaderChecksumKey);
  return marker;
}

bool has_prefix(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

}  // namespace

std::string checksum_of(const void* data, std::size_t size) {
  return fmt::format("{:016x}", static_cast<std::uint64_t>(XXH3_64bits(data, size)));
}

std::string empty_checksum() { return std::string(kDigits, '0'); }

void seal_header(std::string* header) {
  const std::size_t place = header->find(header_checksum_marker()) + header_checksum_marker().size();
  header->replace(place, kDigits, checksum_of(header->data(), header->size()));
}

bool has_checksums(const SafetensorsHeader& header) {
  const auto entry = header.metadata.lower_bound(kChecksumPrefix);
  return entry != header.metadata.end() && has_prefix(entry->first, kChecksumPrefix);
}

std::map<std::string, std::string> take_checksums(SafetensorsHeader* header, Span<const char> json,
                                                  std::int64_t json_offset, const std::string& file) {
  std::map<std::string, std::string> checksums;
  if (!has_checksums(*header)) return checksums;
  std::string of_header;
  bool is_sealed = false;
  for (auto entry = header->metadata.lower_bound(kChecksumPrefix);
       entry != header->metadata.end() && has_prefix(entry->first, kChecksumPrefix);
       entry = header->metadata.erase(entry)) {
    if (entry->first == kHeaderChecksumKey) {
      of_header = entry->second;
      is_sealed = true;
    } else if (has_prefix(entry->first, kTensorChecksumPrefix)) {
      checksums[entry->first.substr(std::string(kTensorChecksumPrefix).size())] = entry->second;
    } else {
      throw FormatError(fmt::format("metadata key {} is not a checksum known here: damaged, or of a "
                                    "newer version",
                                    in_quotes(entry->first)),
                        file, json_offset);
    }
  }
  std::string text(json.begin(), json.end());
  const std::size_t marker = text.find(header_checksum_marker());
  const std::size_t digits = marker + header_checksum_marker().size();
  if (!is_sealed || marker == std::string::npos || text.size() - digits < kDigits) {
    throw FormatError(
        "its arrays have checksums and the header has none: damaged, or written anew by "
        "another program, which has to leave the checksums out",
        file, json_offset);
  }
  text.replace(digits, kDigits, empty_checksum());
  if (checksum_of(text.data(), text.size()) != of_header) {
    throw FormatError(
        "the header does not match its checksum: damaged, or written anew by another program, which has to "
        "leave the checksums out",
        file, json_offset);
  }
  std::set<std::string> names;
  for (const TensorInfo& tensor : header->tensors) {
    names.insert(tensor.name);
    if (checksums.count(tensor.name) != 0) continue;
    throw FormatError(fmt::format("array {} has no checksum and others have one", in_quotes(tensor.name)),
                      file, json_offset);
  }
  for (const auto& [name, checksum] : checksums) {
    if (names.count(name) != 0) continue;
    throw FormatError(fmt::format("there is a checksum of array {}, which is not there", in_quotes(name)),
                      file, json_offset);
  }
  return checksums;
}

}  // namespace spikeloom::formats
