#pragma once
#include <string>

#include "spikeloom/events/event.h"

namespace spikeloom::formats {

/// Reads an AEDAT 2.0 recording of a DVS128 (128 x 128 pixels): DVS-CIFAR10, MNIST-DVS, POKER-DVS.
/// Header: lines that start with '#', the first "#!AER-DAT2.0", ended by LF or CR LF. It ends behind the line
/// "#End Of ASCII Header" or before the first line that is not printable text starting with '#'.
/// Then big-endian records of 8 bytes:
///   byte  bits  content
///   0-1   all   zero; bit 7 of byte 0 marks a special event
///   2     7     external trigger (sync) or other special event
///   2     6-0   y, as stored (jAER draws y = 0 at the bottom)
///   3     7-1   127 - x: jAER mirrors the columns of this sensor
///   3     0     0 = on (polarity 1), 1 = off (polarity 0): jAER inverts the bit
///   4-7   all   int32 timestamp, microseconds
/// Special events are skipped. A timestamp more than 2^31 us away from the one before, in either direction,
/// is one that wrapped. The first event keeps its timestamp. Throws FormatError for another version, a header
/// or record cut short, no record at all, or an address that no DVS128 has (another sensor); DataError if the
/// file cannot be read. Source: jAER, class DVS128, event extractor; iniVation, AEDAT file formats,
/// version 2.0.
events::EventStream read_aedat2(const std::string& path);

}  // namespace spikeloom::formats
