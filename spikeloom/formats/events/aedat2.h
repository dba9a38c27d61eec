#pragma once
#include <string>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// AEDAT 2.0 as jAER writes it. Header: lines that start with '#', the first "#!AER-DAT2.0", ended by LF or
/// CR LF. It ends behind the line "#End Of ASCII Header" or before the first line that is not printable text
/// starting with
/// '#'. Then big-endian records of 8 bytes, a 32-bit address and an int32 timestamp in microseconds.
/// Addresses of a DVS128 (128 x 128: DVS-CIFAR10, MNIST-DVS, POKER-DVS):
///   bits   content
///   31     1 = special event
///   30-16  zero
///   15     1 = external trigger (sync) or other special event
///   14-8   y, as stored (jAER draws y = 0 at the bottom)
///   7-1    127 - x: jAER mirrors the columns
///   0      0 = on (polarity 1), 1 = off (polarity 0): jAER inverts the bit
/// and of a DAVIS:
///   bits   content
///   31     1 = sample of the frame sensor (APS) or of the IMU
///   30-22  y, as stored       21-12  width - 1 - x       11  polarity (1 = on)
///   10     1 = external event        9-0  not used by events
/// APS, IMU and special events are skipped. Which sensor it is, in this order: the header line "AEChip", the
/// line "HardwareInterface", a name like DAVIS640 in another header line, the options' size (128 x 128 is a
/// DVS128), the addresses of the first 64 KiB (a DAVIS is then the smallest of 240 x 180, 346 x 260, 640 x
/// 480 that holds them). The options' size goes before the usual one of a DAVIS. A timestamp more than 2^31
/// us away from the one before, in either direction, is one that wrapped. The first event keeps its
/// timestamp. FormatError for a header cut short and an address outside the sensor. Source: jAER, classes
/// DVS128 and DavisBaseCamera, event extractors; iniVation, AEDAT file formats, version 2.0.
EventFormat aedat2_format();

/// A whole recording of a DVS128. Throws FormatError for another version, no record at all or an address that
/// no DVS128 has; DataError if the file cannot be read.
events::EventStream read_aedat2(const std::string& path);

}  // namespace spikeloom::formats
