#pragma once
// How the recordings of a set are read from their files, and what is left out of them on the way.
#include <cstdint>
#include <functional>
#include <string>

#include "spikeloom/data/registry.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {

/// A recording on disk.
struct Recording {
  std::string path;
  std::int64_t number = 0;  ///< in its file name, or in its file
  int label = 0;
  std::string piece;  ///< which part of the file it is; "" = all of it
};

/// What a reader has left out of a recording.
struct ReadNotes {
  std::int64_t dropped_events = 0;  ///< outside of the sensor (DataSettings::drop_outside)
  std::int64_t unread_bytes = 0;    ///< after the last whole event of a file cut off (DataSettings::partial)
  std::string columns{};            ///< formats::EventReader::columns_by_value()
};

/// Reads a recording whole. Called from several threads.
using RecordingReader = std::function<events::EventStream(const Recording&, ReadNotes&)>;

/// Reader options of a set whose files have this format and sensor, with what the settings add to them.
/// Throws ConfigError for settings of "folder" that say what is known of this set (format, sensor, chip,
/// ...).
formats::EventReaderOptions options_of_set(const DatasetInfo& info, const DataSettings& settings,
                                           const std::string& format, int sensor_width, int sensor_height);

/// Reader options of the user's own recordings. Throws ConfigError naming the key that is wrong.
formats::EventReaderOptions options_of_folder(const DataSettings& settings);

/// Throws ConfigError where one of the reader's settings (data.format, data.chip, ...) is not at its default,
/// for sets that have no use for it. `also_files`: data.partial too.
void refuse_reader_settings(const DatasetInfo& info, const DataSettings& settings, bool also_files);

/// Reads a file. Throws FormatError also if more than half of its events are outside of the sensor: then the
/// sensor is wrong, and not some events.
events::EventStream read_recording_file(const std::string& path, const formats::EventReaderOptions& options,
                                        ReadNotes& notes);

/// The same of a file that is open; nothing has been read of it yet.
events::EventStream read_opened_recording(const std::string& path, formats::EventReader& reader,
                                          ReadNotes& notes);

/// A reader of recordings that are a file each.
RecordingReader file_reader(formats::EventReaderOptions options);

/// The options as text: all that the events of a file depend on besides its bytes.
std::string options_text(const formats::EventReaderOptions& options);

/// "13 events outside of the sensor left out of 3 recordings; 2 recordings cut off, 5 bytes not read"; "" if
/// nothing was left out.
class ReadTally {
 public:
  void add(const ReadNotes& notes);
  std::string text() const;

 private:
  std::int64_t dropped_events_ = 0, with_dropped_ = 0, unread_bytes_ = 0, with_unread_ = 0;
};

/// Reads each recording; adds one check for the folder, and one for each that is damaged.
void verify_recordings(const std::string& folder, const std::vector<Recording>& recordings,
                       const RecordingReader& reader, std::int64_t expected, const VerifyRequest& request,
                       VerifyReport& report);

}  // namespace spikeloom::data
