#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// AEDAT4 (iniVation DV), little-endian:
///   bytes      content
///   0-13       "#!AER-DAT4.0" CR LF
///   14-17      uint32 bytes of the header
///   18-        header, FlatBuffer "IOHE": field 0 int32 compression (0 none, 1 and 2 LZ4, 3 and 4 ZSTD),
///              field 1 int64 place of the data table (-1 or 0: none, the recorder was interrupted), field 2
///              string, XML that lists the streams: a node for each, named with its number, with the
///              attribute typeIdentifier ("EVTS": events) and a node "info" with sizeX and sizeY
///   then packets up to the data table:
///   0-3        int32 number of the stream
///   4-7        int32 bytes that follow
///   8-         packet, compressed as the header says (frames). Decompressed: uint32 bytes that follow, then
///              a FlatBuffer, of a stream of events "EVTS": field 0 is a vector of events:
///     0-7      int64 time, microseconds
///     8-9      int16 x
///     10-11    int16 y
///     12       polarity, 1 = on
///     13-15    padding
///   then the data table (FlatBuffer "FTAB"), compressed in the same way, to the end of the file.
/// Events of the first stream of events are read; other streams are skipped, the data table is only checked
/// to be whole. Packets are decompressed as they are read. Source: iniVation, AEDAT file formats,
/// version 4.0.
EventFormat aedat4_format();

}  // namespace spikeloom::formats
