#include "spikeloom/base/errors.h"

#include <utility>

namespace spikeloom {
namespace {

// Appended piece by piece: g++ 12 in C++20 warns wrongly (-Wrestrict) about chains of operator+ on
// temporaries.
std::string config_message(const std::string& message, const std::string& file, int line,
                           const std::string& key) {
  std::string text;
  if (!file.empty()) {
    text.append(file);
    if (line > 0) text.append(":").append(std::to_string(line));
    text.append(": ");
  }
  if (!key.empty()) text.append("key '").append(key).append("': ");
  return text.append(message);
}

std::string format_message(const std::string& message, const std::string& file, std::int64_t byte_offset) {
  std::string text = file;
  if (byte_offset >= 0) text.append(": byte ").append(std::to_string(byte_offset));
  return text.append(": ").append(message);
}

}  // namespace

ConfigError::ConfigError(const std::string& message, std::string file, int line, std::string key)
    : Error(config_message(message, file, line, key)),
      file_(std::move(file)),
      line_(line),
      key_(std::move(key)) {}

FormatError::FormatError(const std::string& message, std::string file, std::int64_t byte_offset)
    : Error(format_message(message, file, byte_offset)), file_(std::move(file)), byte_offset_(byte_offset) {}

}  // namespace spikeloom
