#pragma once
// Spikeloom's packed events: what live sources send through pipes and in datagrams, and recordings of it.
// Little-endian records of 16 bytes: t_us int64, x uint16, y uint16, polarity uint8 (0 or 1), three bytes 0.
// A stream has a header of 16 bytes before them: kPackedMagic, width uint16, height uint16 (0: not said),
// four bytes 0. docs/stream.md.
#include <cstddef>
#include <cstdint>
#include <string>

#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

constexpr std::size_t kPackedEventBytes = 16, kPackedHeaderBytes = 16;
constexpr char kPackedMagic[] = "SPKEVT1\n";  ///< 8 bytes, without the 0

/// The sensor that a header says; 0 x 0: none. Throws FormatError, with the place in the stream `name`, for
/// bytes that are not a header.
events::SensorSize packed_sensor(const std::uint8_t* header, const std::string& name);
/// What is wrong with a record ("its polarity is neither 0 nor 1"), or null.
const char* packed_fault(const std::uint8_t* record);
/// The event of a sound record.
events::Event packed_event(const std::uint8_t* record);

/// Recordings: such a stream as a file.
EventFormat packed_format();

}  // namespace spikeloom::formats
