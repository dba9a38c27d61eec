#include <charconv>
#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/config/node.h"
#include "spikeloom/config/toml.h"

namespace spikeloom::config {

std::string quoted(const std::string& text) {
  static const char* const kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::string key_text(const std::string& key) {
  for (const char c : key) {
    if (!is_bare(c)) return quoted(key);
  }
  return key.empty() ? "\"\"" : key;
}

std::string number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  std::string text(digits, end);
  // TOML tells a float from an integer by its point or exponent.
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string value_text(const Node& node) {
  if (const auto* flag = std::get_if<bool>(&node.value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&node.value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&node.value)) return number(*real);
  if (const auto* text = std::get_if<std::string>(&node.value)) return quoted(*text);
  if (node.is_table()) throw ConfigError("a list of tables cannot be written");
  std::string list = "[";
  for (const Node& item : std::get<List>(node.value)) {
    if (list.size() > 1) list += ", ";
    list += value_text(item);
  }
  return list + "]";
}

void write(const Entries& entries, const std::string& path, std::string& out) {
  for (const Entry& entry : entries) {
    if (!entry.node.is_table()) out += key_text(entry.key) + " = " + value_text(entry.node) + "\n";
  }
  for (const Entry& entry : entries) {
    if (!entry.node.is_table()) continue;
    const std::string section = path.empty() ? key_text(entry.key) : path + "." + key_text(entry.key);
    if (!out.empty()) out += "\n";
    out += "[" + section + "]\n";
    write(std::get<Entries>(entry.node.value), section, out);
  }
}

}  // namespace

std::string to_toml(const Entries& root) {
  std::string out;
  write(root, "", out);
  return out;
}

}  // namespace spikeloom::config
