#pragma once
// JSON values as text and back. nlohmann's parser and serialiser are templates that every file which calls
// them compiles anew (a file with both takes four times as long under the sanitizers); here they are compiled
// once.
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace spikeloom {

/// The value of a JSON text. Throws nlohmann::json::parse_error, which says where it is none.
nlohmann::json parse_json(const std::string& text);
nlohmann::ordered_json parse_ordered_json(const std::string& text);

/// The value of a JSON text, or one whose is_discarded() is true.
nlohmann::json try_parse_json(const std::string& text);
nlohmann::ordered_json try_parse_ordered_json(const std::string& text);

enum class BadText { kThrow, kReplace };  ///< bytes that are no UTF-8: type_error, or U+FFFD in their place

/// indent: spaces of each level; -1: all in one line.
std::string json_text(const nlohmann::json& value, int indent = -1, BadText bad_text = BadText::kThrow);
std::string json_text(const nlohmann::ordered_json& value, int indent = -1,
                      BadText bad_text = BadText::kThrow);

}  // namespace spikeloom
