#include "spikeloom/base/text.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace spikeloom {

std::string with_separators(std::int64_t value) {
  std::string digits = std::to_string(value);
  const std::ptrdiff_t start = value < 0 ? 1 : 0;
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > start; i -= 3) {
    digits.insert(static_cast<std::size_t>(i), ",");
  }
  return digits;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

std::string shell_quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::strchr("-_./+=:,@%", c) != nullptr);
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string trimmed(const std::string& text) {
  constexpr const char* kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

std::string counted(std::int64_t count, const std::string& noun, const std::string& plural) {
  return with_separators(count) + " " + noun_for(count, noun, plural);
}

std::string noun_for(std::int64_t count, const std::string& noun, const std::string& plural) {
  if (count == 1) return noun;
  return plural.empty() ? noun + "s" : plural;
}

}  // namespace spikeloom
