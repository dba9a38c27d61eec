#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/events/event.h"

namespace spikeloom::formats {

/// Makes the bytes of one format from events, a piece at a time. How the pieces are cut changes at most which
/// events share a vector of EVT 3.0, never what is decoded.
class EventEncoder {
 public:
  virtual ~EventEncoder() = default;
  /// The bytes before the events, of the same length for every number of events.
  virtual std::vector<std::uint8_t> header(std::int64_t num_events) const = 0;
  /// Appends the bytes of events, which go on from those before. Throws DataError for an event that the
  /// format cannot hold; nothing is appended then.
  virtual void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) = 0;
};

/// Formats that are written: "evt3", "dat", "aedat2", "atis-bin", "npy", "csv", "packed".
const std::vector<std::string>& writable_event_formats();

/// The encoder of a format for a sensor of width x height pixels, 0 x 0 if unknown. What each format can
/// hold:
///   evt3      coordinates below 2048; times may go back less than 8.3 s, not over a wrap of the clock (16.8
///   s) dat       coordinates below 16384; steps in time of up to 2^31 us aedat2    sensors of up to 640 x
///   480, written with the addresses of a DVS128 if they fit, else of the smallest of
///             DAVIS240, DAVIS346 and DAVIS640 that they fit; steps in time of up to 2^31 us
///   atis-bin  coordinates below 256 x 240; steps in time of up to 2^22 us (4.2 s)
///   npy       structured array (t <i8, x <u2, y <u2, p |u1), csv "t,x,y,p" (with the sensor in a
///             comment "# geometry: W,H" before it), packed (docs/stream.md): everything
/// The times read back are those written, but from the first event on shifted by a multiple of 2^32 us (evt3,
/// dat, aedat2; 2^23 us for atis-bin) if they are not within that range. Throws ConfigError for a format that
/// is not written, DataError for a sensor that the format does not know.
std::unique_ptr<EventEncoder> make_event_encoder(const std::string& format, int width, int height);

}  // namespace spikeloom::formats
