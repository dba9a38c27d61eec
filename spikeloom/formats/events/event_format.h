#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/span.h"
#include "spikeloom/formats/byte_source.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// What a format is recognised by: the first bytes (up to kRecordingStartBytes) and the size of the whole, -1
/// if the source does not know it.
struct RecordingStart {
  Span<const std::uint8_t> bytes;
  std::int64_t size = -1;
};
constexpr std::size_t kRecordingStartBytes = std::size_t{1} << 16;

/// One format of event recordings: a row of the table in open.cpp.
struct EventFormat {
  const char* key;   ///< what EventReaderOptions::format and --format call it: "evt3"
  const char* name;  ///< what EventReader::format() returns: "EVT 3.0"
  /// Whether the bytes are of this format; a sound header before damaged data counts. Does not throw.
  bool (*recognizes)(const RecordingStart& start);
  /// Opens a source that stands at its first byte. `start` is valid during the call only; it helps where the
  /// size of the sensor must be guessed. Null if the format needs a file (see open_file).
  std::unique_ptr<EventReader> (*open)(std::unique_ptr<ByteSource> source, const RecordingStart& start,
                                       const EventReaderOptions& options);
  /// Set only for formats that cannot be read in order (HDF5): called with the path instead of open.
  std::unique_ptr<EventReader> (*open_file)(const std::string& path,
                                            const EventReaderOptions& options) = nullptr;
};

/// All formats, in the order in which they are tried: those with a signature before those known by their
/// content.
const std::vector<EventFormat>& event_formats();

/// The format whose key or name this is, or null.
const EventFormat* find_event_format(const std::string& key_or_name);

/// The format of a recording by its first bytes, or null.
const EventFormat* recognize_event_format(const RecordingStart& start);

/// A recording that a file does not hold (EventReaderOptions::recording).
class NoSuchRecording : public ConfigError {
 public:
  using ConfigError::ConfigError;
};
/// With the line that says so. count: the file's recordings.
NoSuchRecording no_such_recording(const std::string& file, std::int64_t count, std::int64_t number);

/// Never sees a byte: for formats that are only chosen by --format.
bool never_recognized(const RecordingStart& start);

}  // namespace spikeloom::formats
