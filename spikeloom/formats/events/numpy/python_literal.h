#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// A value written in Python: what the headers of .npy files consist of.
struct PythonLiteral {
  enum Kind { kString, kInteger, kBoolean, kNone, kList, kTuple, kDictionary };
  Kind kind = kNone;
  std::string text;                  ///< of a string
  std::int64_t number = 0;           ///< of an integer or boolean
  std::vector<PythonLiteral> items;  ///< of a list or tuple; of a dictionary key, value, key, value, ...
};

/// Nullopt if the text is not one such value with white space around it, or is nested deeper than 16.
std::optional<PythonLiteral> parse_python_literal(const std::string& text);

}  // namespace spikeloom::formats
