#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/files.h"
#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/writing/event_encoder.h"

namespace spikeloom::formats {

/// Writes a recording of any length with the memory of one buffer: beside the file, renamed over it by
/// commit() (see AtomicFile). Throws DataError if it cannot be written or the format cannot hold an event;
/// ConfigError for a format that is not written (writable_event_formats()).
class EventFileWriter {
 public:
  EventFileWriter(const std::string& path, const std::string& format, int width, int height);
  void write(const events::Event* events, std::size_t count);
  void commit();

 private:
  void flush();

  std::unique_ptr<EventEncoder> encoder_;
  AtomicFile file_;
  std::vector<std::uint8_t> bytes_;
  std::int64_t num_events_ = 0;
};

/// A whole recording.
void write_events(const std::string& path, const std::string& format, const events::EventStream& stream);

/// The format that a file name's suffix means: .raw evt3, .dat dat, .aedat aedat2, .bin atis-bin, .npy npy,
/// .csv csv;
/// "" for any other.
std::string event_format_of_suffix(const std::string& path);

}  // namespace spikeloom::formats
