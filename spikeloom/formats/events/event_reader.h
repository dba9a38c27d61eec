#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"
#include "spikeloom/formats/byte_source.h"

namespace spikeloom::formats {

/// A recording read in order, a piece at a time: memory does not grow with the file. Not thread-safe.
class EventReader {
 public:
  virtual ~EventReader() = default;
  /// "ATIS bin", "AEDAT 1.0", "AEDAT 2.0", "AEDAT 3.1", "AEDAT4", "DAT", "EVT 2.0", "EVT 2.1", "EVT 3.0",
  /// "HDF5 spikes", "npy", "npz", "csv", "Event Stream", "packed events".
  virtual const char* format() const = 0;
  /// Size of the sensor in pixels, from the header, the options or the format; 0 if none of them says it
  /// (then one more than the largest coordinate is what read_events() reports).
  virtual int width() const = 0;
  virtual int height() const = 0;
  /// How many recordings the file holds, of which this is one (EventReaderOptions::recording).
  virtual std::int64_t num_recordings() const { return 1; }
  /// The cameras of a file that may hold several (AEDAT4), by number from 0 on: their names, "" where it has
  /// none. One of them is read (EventReaderOptions::camera). Empty where the format has one camera.
  virtual std::vector<std::string> cameras() const { return {}; }
  /// Writes up to `capacity` > 0 events; fewer are no sign of the end, only 0 is. Times are in microseconds
  /// and unwrapped; coordinates lie inside width() x height() where those are known. Throws FormatError with
  /// file and byte offset if the file is damaged or cut short, after the events before the damage have been
  /// given; DataError if it cannot be read.
  virtual std::size_t read(events::Event* events, std::size_t capacity) = 0;
  /// Events outside of the sensor that read() has left out so far (EventReaderOptions::drop_outside).
  virtual std::int64_t dropped_events() const { return 0; }
  /// Bytes after the last whole event of a recording that was cut off, once read() has returned 0
  /// (EventReaderOptions::partial).
  virtual std::int64_t unread_bytes() const { return 0; }
  /// The order of columns that nothing names, as their values show it: "t,x,y,p"; "" if there is no such.
  virtual std::string columns_by_value() const { return ""; }
};

/// What the coordinates of events hold.
constexpr int kLargestSensorSide = 1 << 16;

/// What a column of times counts.
enum class TimeUnit {
  kFile,  ///< what the file says, or the format's usual unit
  kSeconds,
  kMilliseconds,
  kMicroseconds,
  kNanoseconds,
};

struct EventReaderOptions {
  EventReaderOptions(std::string format_name = "auto", int sensor_width = 0, int sensor_height = 0)  // NOLINT
      : format(std::move(format_name)), width(sensor_width), height(sensor_height) {}
  /// "auto": by content. Else one of event_format_names(): needed for old .dat files without a header and
  /// other files whose content does not tell.
  std::string format;
  /// Of the sensor, where the file does not say; both 0: the format's usual one; else both from 1 to
  /// kLargestSensorSide.
  int width = 0, height = 0;
  /// Which recording of a file that holds several, from 0 on: HDF5 spike files. 0 of a file of one.
  std::int64_t recording = 0;
  /// The chip of an AEDAT 1.0 or 2.0 file whose header does not name a known one: "dvs128", "davis346", ...
  /// (event_chip_names()); it takes precedence over what the header says. "": what the header says.
  std::string chip;
  /// Which camera of a file that holds several: its name in the file, or its number, from 0 on (AEDAT4, HDF5)
  /// or that of the source (AEDAT 3.1); "0" or "master", "1" or "slave" (EVT 3.0). "": the only one.
  std::string camera;
  /// Unit of the times in text and arrays.
  TimeUnit time_unit = TimeUnit::kFile;
  /// What the columns of text and of arrays without names are: "t", "x", "y", "p", and "_" for one that is
  /// not read; empty: what the file says.
  std::vector<std::string> columns;
  /// Events outside of the sensor are left out and counted instead of being an error; the others keep their
  /// places.
  bool drop_outside = false;
  /// A recording that was cut off ends with its last whole event instead of an error.
  bool partial = false;
  /// chip, camera, time_unit and columns are passed over where the format has no use for them, instead of
  /// being a ConfigError: for options that were not said of this very recording.
  bool pass_over_unused = false;
};

/// What EventReaderOptions::format and --format take besides "auto": "atis-bin", "aedat2", "evt3", ... Names
/// as EventReader::format() gives them are taken too.
std::vector<std::string> event_format_names();

/// Opens a recording: a file, "ARCHIVE:MEMBER" in a zip or tar archive (formats/archive.h; an archive of one
/// file needs no member), or "FILE:NUMBER" for one recording of an HDF5 file. Throws ConfigError for an
/// unknown format name, for an option that the format has no use for (chip, camera, time_unit, columns), for
/// half a size of the sensor and for a recording that the file does not hold (DataError if the path says it),
/// FormatError if the content is of no known event format or the header is damaged,
/// DataError if the file cannot be read.
std::unique_ptr<EventReader> open_events(const std::string& path, const EventReaderOptions& options = {});
/// The same from any source of bytes. HDF5 needs a file and is refused here with FormatError.
std::unique_ptr<EventReader> open_events(std::unique_ptr<ByteSource> source,
                                         const EventReaderOptions& options = {});

/// The sensor that a recording says itself, in its header or by its format, whatever size the options give; 0
/// x 0 where nothing says it, or the file can only be opened with a size. Throws as open_events() for a file
/// that cannot be read or gives two sizes.
events::SensorSize stated_sensor(const std::string& path, EventReaderOptions options);

/// All events that a reader still has, in memory; its width and height. Throws as EventReader::read().
events::EventStream read_events(EventReader& reader);

/// A whole recording in memory. Throws as open_events() and EventReader::read().
events::EventStream read_events(const std::string& path, const EventReaderOptions& options = {});

}  // namespace spikeloom::formats
