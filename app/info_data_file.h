#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace spikeloom::app {

/// What a data file holds, found by content: format and, for recordings, "width", "height", "events", "on",
/// "off", "t_first_us", "t_last_us"; for arrays and images their shape and labels; for safetensors its
/// tensors. Throws FormatError, DataError.
nlohmann::ordered_json describe_data_file(const std::string& path);

}  // namespace spikeloom::app
