#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// Prophesee and ATIS .dat: lines of text that start with '%' ("% Version 2", "% Width 304", "% Height 240";
/// files of the first cameras have none), then, if there were such lines, one byte with the type of the
/// events (0x00 or 0x0C) and one with their size (8), then little-endian records:
///   byte  content
///   0-3   uint32 timestamp, microseconds; wraps after 71.6 minutes
///   4-7   version 2: bits 13-0 x, bits 27-14 y, bit 28 polarity (1 = on)
///         before:    bits 8-0 x, bits 16-9 y, bit 17 polarity
/// A header without a version is of version 2 if there are 16 addresses or more in the first 64 KiB, more
/// than half of them have a bit above 17, which the version before does not have, none has a bit above 28 and
/// all are inside of a sensor whose size is known; else the version must be given. "dat" reads all of these,
/// "dat-v1" and "dat-v2" fix the version whatever the file says and are what files without a header need.
/// Width and height are 0 unless header or options say them. Source: Prophesee, DAT file format; the
/// published readers.
EventFormat dat_format();
EventFormat dat_v1_format();
EventFormat dat_v2_format();

}  // namespace spikeloom::formats
