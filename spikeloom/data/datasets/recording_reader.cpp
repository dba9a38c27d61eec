#include "spikeloom/data/datasets/recording_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/splits.h"
#include "spikeloom/formats/events/event_reader_options.h"

namespace spikeloom::data {
namespace {

/// parse() of a text of the settings, with the key's name on its errors.
template <class Parse>
auto parsed(const Parse& parse, const std::string& text, const char* key) {
  try {
    return parse(text);
  } catch (const ConfigError& error) {
    throw ConfigError(error.what(), "", 0, key);
  }
}

}  // namespace

formats::EventReaderOptions options_of_set(const DatasetInfo& info, const DataSettings& settings,
                                           const std::string& format, int sensor_width, int sensor_height) {
  refuse_reader_settings(info, settings, false);
  formats::EventReaderOptions options;
  options.format = format;
  options.width = sensor_width;
  options.height = sensor_height;
  options.drop_outside = settings.drop_outside;
  options.partial = settings.partial;
  return options;
}

formats::EventReaderOptions options_of_folder(const DataSettings& settings) {
  formats::EventReaderOptions options;
  options.format = settings.format;
  const std::vector<std::string> names = formats::event_format_names();
  if (options.format != "auto" && std::find(names.begin(), names.end(), options.format) == names.end()) {
    throw ConfigError(fmt::format("there is no event format '{}'; choose auto or one of: {}", options.format,
                                  fmt::join(names, ", ")),
                      "", 0, "data.format");
  }
  options.width = settings.sensor_width;
  options.height = settings.sensor_height;
  if (!settings.sensor.empty()) {
    const auto sensor = parsed(formats::parse_sensor, settings.sensor, "data.sensor");
    const bool differs = (options.width > 0 && options.width != sensor.width) ||
                         (options.height > 0 && options.height != sensor.height);
    if (differs) {
      throw ConfigError(
          fmt::format("is {}, but data.sensor_width and data.sensor_height are {} and {}; keep one",
                      settings.sensor, options.width, options.height),
          "", 0, "data.sensor");
    }
    options.width = sensor.width;
    options.height = sensor.height;
  }
  options.chip = settings.chip;
  options.camera = settings.camera;
  options.time_unit = parsed(formats::parse_time_unit, settings.time_unit, "data.time_unit");
  options.columns = parsed(formats::parse_columns, settings.columns, "data.columns");
  options.drop_outside = settings.drop_outside;
  options.partial = settings.partial;
  return options;
}

void refuse_reader_settings(const DatasetInfo& info, const DataSettings& settings, bool also_files) {
  const DataSettings defaults;
  const std::pair<bool, const char*> changed[] = {
      {settings.format != defaults.format, "data.format"},
      {settings.sensor != defaults.sensor, "data.sensor"},
      {settings.sensor_width != 0, "data.sensor_width"},
      {settings.sensor_height != 0, "data.sensor_height"},
      {settings.chip != defaults.chip, "data.chip"},
      {settings.camera != defaults.camera, "data.camera"},
      {settings.time_unit != defaults.time_unit, "data.time_unit"},
      {settings.columns != defaults.columns, "data.columns"},
      {also_files && settings.partial, "data.partial"}};
  for (const auto& [is_changed, key] : changed) {
    if (!is_changed) continue;
    throw ConfigError(
        fmt::format("is for the set 'folder' only: how {} is read is fixed; remove it", info.name), "", 0,
        key);
  }
}

events::EventStream read_recording_file(const std::string& path, const formats::EventReaderOptions& options,
                                        ReadNotes& notes) {
  return read_opened_recording(path, *formats::open_events(path, options), notes);
}

events::EventStream read_opened_recording(const std::string& path, formats::EventReader& reader,
                                          ReadNotes& notes) {
  events::EventStream stream = formats::read_events(reader);
  notes.dropped_events += reader.dropped_events();
  notes.unread_bytes += reader.unread_bytes();
  notes.columns = reader.columns_by_value();
  const auto kept = static_cast<std::int64_t>(stream.events.size());
  if (reader.dropped_events() > kept) {
    throw FormatError(
        fmt::format("{} of {} events lie outside of the sensor of {} x {} pixels, which is too many to leave "
                    "out as strays: set the right sensor (data.sensor) and format (data.format)",
                    with_separators(reader.dropped_events()), with_separators(reader.dropped_events() + kept),
                    stream.width, stream.height),
        path);
  }
  return stream;
}

RecordingReader file_reader(formats::EventReaderOptions options) {
  return [options = std::move(options)](const Recording& recording, ReadNotes& notes) {
    return read_recording_file(recording.path, options, notes);
  };
}

std::string options_text(const formats::EventReaderOptions& options) {
  return fmt::format(
      "format {}, sensor {} x {}, recording {}, chip '{}', camera '{}', unit {}, columns {}, drop {}, "
      "partial {}",
      options.format, options.width, options.height, options.recording, options.chip, options.camera,
      static_cast<int>(options.time_unit), fmt::join(options.columns, ","), options.drop_outside,
      options.partial);
}

void ReadTally::add(const ReadNotes& notes) {
  dropped_events_ += notes.dropped_events;
  with_dropped_ += notes.dropped_events > 0 ? 1 : 0;
  unread_bytes_ += notes.unread_bytes;
  with_unread_ += notes.unread_bytes > 0 ? 1 : 0;
}

std::string ReadTally::text() const {
  std::string text;
  if (dropped_events_ > 0) {
    text = fmt::format("{} outside of the sensor left out of {} (data.drop_outside)",
                       counted(dropped_events_, "event"), counted(with_dropped_, "recording"));
  }
  if (unread_bytes_ > 0) {
    text += fmt::format("{}{} cut off, {} after the last whole event not read (data.partial)",
                        text.empty() ? "" : "; ", counted(with_unread_, "recording"),
                        counted(unread_bytes_, "byte"));
  }
  return text;
}

void verify_recordings(const std::string& folder, const std::vector<Recording>& recordings,
                       const RecordingReader& reader, std::int64_t expected, const VerifyRequest& request,
                       VerifyReport& report) {
  const auto found = static_cast<std::int64_t>(recordings.size());
  std::int64_t damaged = 0, done = 0;
  ReadTally tally;
  for (const Recording& recording : recordings) {
    if (report.depth == VerifyDepth::kQuick) break;
    try {
      ReadNotes notes;
      reader(recording, notes);
      tally.add(notes);
    } catch (const Error& error) {
      report.checks.push_back({recording.path, false, error.what()});
      ++damaged;
    }
    if (request.progress) request.progress(folder, ++done, found);
  }
  const std::string of = found == expected ? counted(found, "recording")
                                           : fmt::format("{} of {} recordings", with_separators(found),
                                                         with_separators(expected));
  std::string message = report.depth == VerifyDepth::kQuick
                            ? of + ", not read"
                            : fmt::format("{}, {} damaged", of, with_separators(damaged));
  if (!tally.text().empty()) message += "; " + tally.text();
  FileCheck check{folder, damaged == 0 && found == expected, message};
  check.missing = damaged == 0 && found < expected;
  report.checks.push_back(check);
}

}  // namespace spikeloom::data
