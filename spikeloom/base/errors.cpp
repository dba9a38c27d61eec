#include "spikeloom/base/errors.h"

#include <utility>

namespace spikeloom {
namespace {

std::string config_message(const std::string& message, const std::string& file, int line,
                           const std::string& key) {
  std::string text;
  if (!file.empty()) text += file + (line > 0 ? ":" + std::to_string(line) : "") + ": ";
  if (!key.empty()) text += "key '" + key + "': ";
  return text + message;
}

std::string format_message(const std::string& message, const std::string& file, std::int64_t byte_offset) {
  std::string text = file;
  if (byte_offset >= 0) text += ": byte " + std::to_string(byte_offset);
  return text + ": " + message;
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
