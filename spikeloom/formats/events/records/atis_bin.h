#pragma once
#include <string>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// The 5-byte events of an ATIS sensor as N-MNIST and N-Caltech101 store them, without a header:
///   byte 0  x      byte 1  y      byte 2  bit 7 polarity (1 = on), bits 6-0 = time bits 22-16
///   byte 3  time bits 15-8        byte 4  time bits 7-0 (microseconds)
/// y = 240 is no pixel but marks an overflow of the sensor's 13-bit clock: it and all later events are 8192
/// us later. The 23-bit time wraps every 8.39 s: a step of more than half of that backwards is taken as a
/// wrap. The sensor's size is not in the file (N-MNIST 34 x 34, N-Caltech101 240 x 180): width() and height()
/// are 0 unless the options say them. Recognised by a size that is a multiple of 5, at least 8 events,
/// coordinates up to 240, times that never go back but at a wrap and, for more than half of them, steps below
/// 65.5 ms: fewer and slower events need their format by name. Source: Orchard et al., "Converting
/// static image datasets to spiking neuromorphic datasets using saccades" (2015), the published readers.
/// Differs: the Matlab reader knows neither overflow nor wrap.
EventFormat atis_bin_format();

/// A whole recording of that format. Throws FormatError if the file is empty, its size is no multiple of 5 or
/// an event lies outside width x height; ShapeError unless width and height are positive; DataError if the
/// file cannot be read.
events::EventStream read_atis_bin(const std::string& path, int width = 34, int height = 34);

}  // namespace spikeloom::formats
