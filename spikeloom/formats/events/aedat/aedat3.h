#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// AEDAT 3.1 (cAER; DVS128 Gesture): lines that start with '#', the first "#!AER-DAT3.1", the last
/// "#!END-HEADER", then packets of a 28-byte little-endian header and `capacity` events:
///   byte   type   header
///   0-1    int16  event type: 1 = polarity; packets of other types are skipped
///   2-3    int16  source
///   4-7    int32  bytes an event: 8 for polarity
///   8-11   int32  place of the timestamp in an event: 4 for polarity
///   12-15  int32  how often the 31-bit timestamps have overflowed
///   16-19  int32  capacity: events that the packet has room for, all of them in the file
///   20-23  int32  number of events, at most the capacity
///   24-27  int32  number of valid events, at most the number
///   bits   polarity event, first word       second word
///   0      valid                            int32 timestamp, microseconds, not negative
///   1      polarity, 1 = on
///   2-16   y
///   17-31  x
/// t_us = overflows * 2^31 + timestamp. Where the header says that all events are valid, bit 0 is not looked
/// at: there are writers that leave it 0. One source is read: EventReaderOptions::camera, the name in a line
/// "#Source N: NAME" or the number N; else the only one. FormatError where it is not said and the header
/// lists several sources or polarity packets come from several; ConfigError for a camera that is not there.
/// The sensor's size is that of its name (DVS128, DAVIS240C, DAVIS346, ...), or unknown. Source: iniVation,
/// AEDAT file formats, version 3.1; libcaer, events/common.h and polarity.h.
EventFormat aedat3_format();

}  // namespace spikeloom::formats
