#include "spikeloom/base/json_text.h"

#include <nlohmann/json.hpp>

namespace spikeloom {
namespace {

template <typename Json>
std::string text_of(const Json& value, int indent, BadText bad_text) {
  using Handler = typename Json::error_handler_t;
  return value.dump(indent, ' ', false, bad_text == BadText::kReplace ? Handler::replace : Handler::strict);
}

}  // namespace

nlohmann::json parse_json(const std::string& text) { return nlohmann::json::parse(text); }
nlohmann::ordered_json parse_ordered_json(const std::string& text) {
  return nlohmann::ordered_json::parse(text);
}
nlohmann::json try_parse_json(const std::string& text) { return nlohmann::json::parse(text, nullptr, false); }
nlohmann::ordered_json try_parse_ordered_json(const std::string& text) {
  return nlohmann::ordered_json::parse(text, nullptr, false);
}

std::string json_text(const nlohmann::json& value, int indent, BadText bad_text) {
  return text_of(value, indent, bad_text);
}
std::string json_text(const nlohmann::ordered_json& value, int indent, BadText bad_text) {
  return text_of(value, indent, bad_text);
}

}  // namespace spikeloom
