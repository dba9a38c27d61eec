#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// Event Stream (.es), major versions 1 and 2; all numbers begin with their lowest bit. Header: "Event
/// Stream" (12 bytes), major and minor version; version 1: byte 14 kind of stream (0 DVS, 1 ATIS, others
/// refused); version 2: byte 14 patch version, byte 15 kind (1 DVS, 2 ATIS, others refused), bytes 16-17
/// uint16 width, 18-19 uint16 height. Then events, and before them bytes of a step in time that is too long
/// for an event:
///            version 2 DVS      version 2 ATIS     version 1 DVS       version 1 ATIS
///   byte 0   bit 0 on           bit 0 crossing     bits 3-0 time       bits 4-0 time
///            bits 7-1 time      bit 1 on           bits 7-4 x 3-0      bits 7-5 x 2-0
///                               bits 7-2 time
///   byte 1   x 7-0              x 7-0              bits 5-0 x 9-4      bits 5-0 x 8-3
///                                                  bits 7-6 y 1-0      bits 7-6 y 1-0
///   byte 2   x 15-8             x 15-8             bits 6-0 y 8-2      bits 5-0 y 7-2
///                                                  bit 7 on            bit 6 crossing, bit 7 on
///   byte 3   y 7-0              y 7-0
///   byte 4   y 15-8             y 15-8
///   or alone 0xff: 127 us;      0xfc | n: 63 n us  0x0f | n << 4:      0x1f | n << 5:
///            0xfe: nothing      (n = 0: nothing)   15 n us             31 n us
/// Time is the microseconds since the event before, the first since 0; what "alone" bytes say is added. A
/// threshold crossing (ATIS, half of a measurement of grey) is no change: its time counts, it is not given.
/// Version 1 does not say the size: that of the options, else 0. Source: Event Stream, file format
/// specification, versions 1.0 and 2.0.
EventFormat es_format();

}  // namespace spikeloom::formats
