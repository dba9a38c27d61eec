#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// Prophesee EVT 2.0: the text header of prophesee_header.h, then 32-bit words (little-endian unless the
/// header says "endianness=big"). Bits 31-28 are the type:
///   0x0  off event, 0x1 on event: bits 27-22 time bits 5-0, bits 21-11 x, bits 10-0 y
///   0x8  time: bits 27-0 = time bits 33-6 of the events that follow
///   others (0xA external trigger, 0xE others, 0xF continued): skipped
/// Time is in microseconds; its 34 bits wrap after 4.8 hours: a step of more than half of that back is a
/// wrap. Events before the first time word are dropped. Source: Prophesee, EVT 2.0 format.
EventFormat evt2_format();

/// Prophesee EVT 2.1: 64-bit words, each up to 32 events of one row. Bits 63-60 are the type:
///   0x0  off events, 0x1 on events: bits 59-54 time bits 5-0, bits 53-43 x, bits 42-32 y, and for each bit k
///   set of
///        bits 31-0 an event at x + k
///   0x8  time: bits 59-32 = time bits 33-6 of the events that follow
///   others (0xA external trigger, 0xE others, 0xF continued): skipped
/// The words are little-endian; "endianness=legacy" in the header means that their two 32-bit halves are
/// swapped, "endianness=big" that all bytes are. A header that does not say it: swapped if more of the first
/// words make sense as time words that way. Time as in EVT 2.0. Source: Prophesee, EVT 2.1 format.
EventFormat evt21_format();

}  // namespace spikeloom::formats
