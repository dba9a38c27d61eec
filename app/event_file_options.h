#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::app {

/// What a user may say about a recording whose file does not, and how faults of it are treated: --format,
/// --sensor, --chip, --camera, --time-unit, --columns, --drop-outside, --partial.
struct EventFileOptions {
  std::string format = "auto";
  std::string sensor;     ///< "WIDTHxHEIGHT" or ""
  std::string chip;       ///< one of event_chip_names() or ""
  std::string camera;     ///< name or number, or ""
  std::string time_unit;  ///< "s", "ms", "us", "ns" or ""
  std::string columns;    ///< "t,x,y,p,_" or ""
  bool drop_outside = false;
  bool partial = false;

  /// Throws ConfigError, naming the option, for a text that is none of what the option takes.
  formats::EventReaderOptions reader_options() const;
};

/// Declares the options.
void add_event_file_options(CLI::App& command, EventFileOptions& options);

/// What was left out of a recording that has been read: "3 events outside of the sensor were dropped", "the
/// recording was cut off: the last 5 bytes are not a whole event"; "" if nothing was.
std::string left_out_text(const formats::EventReader& reader);

/// Prints on standard error which order of columns the values of a file show
/// (EventReader::columns_by_value()), unless that is "".
void print_columns(const std::string& file, const std::string& columns);

/// The names of a list with commas between.
std::string joined(const std::vector<std::string>& names);

}  // namespace spikeloom::app
