#pragma once
// The texts by which options and recipe keys say what a recording's file does not.
#include <string>
#include <vector>

#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// Size of a sensor, pixels.
struct SensorSize {
  int width = 0, height = 0;
};

/// "346x260", both from 1 to 65536. Throws ConfigError, which names no option: the caller adds its name.
SensorSize parse_sensor(const std::string& text);

/// "s", "ms", "us" or "ns"; "" is TimeUnit::kFile. Throws ConfigError as parse_sensor().
TimeUnit parse_time_unit(const std::string& text);

/// "t,x,y,p,_": what each column is, "_" one that is not read; spaces are passed over. t and x must be there,
/// none but "_" twice. "" gives none. Throws ConfigError as parse_sensor().
std::vector<std::string> parse_columns(const std::string& text);

/// What EventReaderOptions::chip takes: "dvs128", "davis346", "dvs640", ... in upper or lower case.
std::vector<std::string> event_chip_names();

}  // namespace spikeloom::formats
