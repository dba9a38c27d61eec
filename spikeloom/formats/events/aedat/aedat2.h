#pragma once
#include <string>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// AEDAT 2.0 as jAER writes it. Header: lines that start with '#', the first "#!AER-DAT2.0", ended by LF or
/// CR LF. It ends after the line "#End Of ASCII Header" or before the first line that is not printable text
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
/// of a DAVIS:
///   31     1 = sample of the frame sensor (APS) or of the IMU
///   30-22  y, as stored       21-12  width - 1 - x       11  polarity (1 = on)
///   10     1 = external event        9-0  not used by events
/// and of a Samsung SecDvs640Gen2 (640 x 480):
///   31     1 = special event         30-20  zero
///   19-11  y, as stored       10-1   639 - x             0   polarity (1 = on)
/// APS, IMU and special events are skipped. Which chip it is, in this order: the options' chip; the header
/// line "AEChip", whose class must be known by its whole name (aedat2_chips.cpp), the line
/// "HardwareInterface", the line of a converter; the only chip, of the options' size if there is one, that
/// all addresses of the first 64 KiB fit (aedat2_chips.h). A line "AEChip" with a chip that is not known, two
/// lines of different chips, addresses that fit several chips and addresses that fit none are FormatErrors,
/// which list what may be given: nothing is guessed, since x is counted from the other side by each width.
/// Columns are mirrored by the chip's width; the options' size is that of the sensor's part that is kept. A
/// header without records is a recording without events. A timestamp more than 2^31 us away from the one
/// before, in either direction, is one that wrapped. The first event keeps its timestamp. FormatError for a
/// header cut short and an address outside the sensor. Source: jAER, classes DVS128, DavisBaseCamera and
/// SecDvs640Gen2, event extractors; iniVation, AEDAT file formats, version 2.0.
EventFormat aedat2_format();

/// AEDAT 1.0: as AEDAT 2.0, but the first line is "#!AER-DAT1.0" and records have 6 bytes, a 16-bit address
/// of a DVS128 (its bits 15-0 above) and an int32 timestamp. Another chip in the header is a FormatError
/// unless the options' chip is dvs128. Source: jAER, AEFileInputStream; iniVation, AEDAT file formats,
/// version 1.0.
EventFormat aedat1_format();

/// A whole recording of a DVS128. Throws FormatError for another version or an address that no DVS128 has;
/// DataError if the file cannot be read.
events::EventStream read_aedat2(const std::string& path);

}  // namespace spikeloom::formats
