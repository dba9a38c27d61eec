#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// Prophesee EVT 3.0: the text header of prophesee_header.h, then 16-bit words (little-endian unless the
/// header says "endianness=big") that change a state. Bits 15-12 are the type:
///   0x0  row:       bits 10-0 y of the events that follow, bit 11 their camera: 0 the master, 1 the slave
///   0x2  event:     bits 10-0 x, bit 11 polarity (1 = on)
///   0x3  base:      bits 10-0 x of the next vector, bit 11 its polarity
///   0x4  vector 12: an event at base x + k for each bit k of bits 11-0 that is set; base x grows by 12
///   0x5  vector 8:  the same of bits 7-0; base x grows by 8
///   0x6  time bits 11-0
///   0x8  time bits 23-12; if they change, bits 11-0 are 0 until they come
///   others (0x7 and 0xF continued, 0xA external trigger, 0xE others): skipped
/// Time is in microseconds; its 24 bits wrap every 16.8 s: a step of more than half of that back is a wrap.
/// Events before the first time word of type 0x8 are dropped. One camera is read: EventReaderOptions::camera,
/// "0" or "master", "1" or "slave", else the only one; FormatError where rows of both come and it is not
/// said, ConfigError at the end of a file without a row of the one asked for. Source: Prophesee, EVT 3.0
/// format.
EventFormat evt3_format();

/// The same with the times that the Python library expelliarmus (and tonic through it) gives, to compare with
/// arrays that were made by it; chosen by name only. It takes every step back of bits 11-0 for a wrap that is
/// worth 4096 us more, for ever. Prophesee says that these bits may step back (several sources share them,
/// all in the same bits 23-12), and where they do wrap bits 23-12 have grown as well, so that these times run
/// ahead of the camera's.
EventFormat evt3_expelliarmus_format();

}  // namespace spikeloom::formats
