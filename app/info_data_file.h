#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::app {

/// What a data file holds, found by content: format and, for recordings, "width", "height", "events", "on",
/// "off", "t_first_us", "t_last_us", "columns" (EventReader::columns_by_value()), and with those options
/// "dropped_outside" (events) and "unread_bytes";
/// for arrays and images their shape and labels; for safetensors its tensors. The options say what a
/// recording's content does not; with another format than "auto" it is one. Throws FormatError, DataError,
/// ConfigError.
nlohmann::ordered_json describe_data_file(const std::string& path,
                                          const formats::EventReaderOptions& options);

}  // namespace spikeloom::app
