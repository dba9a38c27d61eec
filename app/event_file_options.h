#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::app {

/// What a user may say about a recording whose file does not: --format and --sensor.
struct EventFileOptions {
  std::string format = "auto";
  std::string sensor;  ///< "WIDTHxHEIGHT" or ""

  /// Throws ConfigError if the sensor is no such size.
  formats::EventReaderOptions reader_options() const;
};

/// Declares --format and --sensor.
void add_event_file_options(CLI::App& command, EventFileOptions& options);

/// The names of a list with commas between.
std::string joined(const std::vector<std::string>& names);

}  // namespace spikeloom::app
