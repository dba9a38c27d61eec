#include "app/event_file_options.h"

#include <fmt/format.h>

#include <utility>

#include "app/commands.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader_options.h"

namespace spikeloom::app {
namespace {

/// parse(text), with the option's name before what is wrong with the text.
template <class Parse>
auto parse_option(const char* option, const std::string& text, Parse parse) {
  try {
    return parse(text);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{} {}", option, error.what()));
  }
}

}  // namespace

formats::EventReaderOptions EventFileOptions::reader_options() const {
  formats::EventReaderOptions options;
  options.format = format;
  if (!sensor.empty()) {
    const formats::SensorSize size = parse_option("--sensor", sensor, formats::parse_sensor);
    options.width = size.width;
    options.height = size.height;
  }
  options.chip = chip;
  options.camera = camera;
  options.time_unit = parse_option("--time-unit", time_unit, formats::parse_time_unit);
  options.columns = parse_option("--columns", columns, formats::parse_columns);
  options.drop_outside = drop_outside;
  options.partial = partial;
  return options;
}

void add_event_file_options(CLI::App& command, EventFileOptions& options) {
  command
      .add_option("--format", options.format,
                  "Format of an event recording: auto (by content), " + joined(formats::event_format_names()))
      ->type_name("FORMAT")
      ->capture_default_str();
  command
      .add_option("--sensor", options.sensor,
                  "Size of the sensor in pixels, if the recording does not give it")
      ->type_name("WxH")
      ->check(not_empty());
  command
      .add_option("--chip", options.chip,
                  "Chip of an AEDAT 1.0 or 2.0 recording whose header does not name it: " +
                      joined(formats::event_chip_names()))
      ->type_name("NAME")
      ->check(not_empty());
  command
      .add_option(
          "--camera", options.camera,
          "Which camera of a recording with several (AEDAT 3.1, AEDAT4, EVT 3.0, HDF5), by name or number")
      ->type_name("NAME")
      ->check(not_empty());
  command.add_option("--time-unit", options.time_unit, "Unit of the times in text and arrays: s, ms, us, ns")
      ->type_name("UNIT")
      ->check(not_empty());
  command
      .add_option("--columns", options.columns,
                  "What the columns of text and of arrays without names are, e.g. t,x,y,p,_ (_: not read)")
      ->type_name("LIST")
      ->check(not_empty());
  command.add_flag("--drop-outside", options.drop_outside,
                   "Leave out and count events outside of the sensor instead of stopping at them");
  command.add_flag("--partial", options.partial,
                   "Read all whole events of a recording that was cut off, and say how many bytes are left");
}

std::string left_out_text(const formats::EventReader& reader) {
  std::string text;
  if (const std::int64_t dropped = reader.dropped_events(); dropped > 0) {
    text = fmt::format("{} outside of the sensor dropped", counted(dropped, "event"));
  }
  if (const std::int64_t left = reader.unread_bytes(); left > 0) {
    text += fmt::format("{}cut off: the last {} {} not a whole event", text.empty() ? "" : "; ",
                        counted(left, "byte"), left == 1 ? "is" : "are");
  }
  return text;
}

void print_columns(const std::string& file, const std::string& columns) {
  if (columns.empty()) return;
  print_line(stderr, fmt::format("{}: columns read as {} (from the values; another order: --columns)", file,
                                 columns));
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace spikeloom::app
