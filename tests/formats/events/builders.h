#pragma once
// Files of formats that have no writer, made for the tests.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/formats/events/recordings.h"

namespace spikeloom::formats::testing {

/// A packet of AEDAT 3.1 with all events valid, or as many as `valid` says.
Bytes aedat3_packet(const Events& events, int source = 1, int overflows = 0, int valid = -1);
Bytes aedat3_header(const std::string& source_line = "#Source 1: DVS128");

/// Compression numbers of AEDAT4.
constexpr int kRaw = 0, kLz4 = 1, kZstd = 3;
/// One frame, as AEDAT4's packets are compressed.
Bytes compressed(const Bytes& contents, int compression);
/// The contents of a packet of events: size, FlatBuffer.
Bytes event_packet(const Events& events);
Bytes aedat4_packet(int stream, const Bytes& contents, int compression);
/// A file of packets; with a data table behind them unless the recorder was "interrupted".
Bytes aedat4_file(const std::vector<Bytes>& packets, int compression, bool interrupted = false,
                  int width = 64, int height = 48);

/// A .npy file with a header of this text.
Bytes npy_file(const std::string& descr, const std::string& shape, const Bytes& data, bool fortran = false);

/// An AEDAT4 file that lists streams 1 and 2 as those of two cameras of 64 x 48, with these sources ("": not
/// said).
Bytes aedat4_stereo_file(const std::vector<Bytes>& packets, const std::string& left,
                         const std::string& right);

/// An archive: format "zip" (deflated), "zip-stored" or "tar", filter "", "gzip" or "xz".
Bytes archive_of(const std::vector<std::pair<std::string, Bytes>>& files, const std::string& format,
                 const std::string& filter = "");

/// Little-endian numbers of `size` bytes each.
Bytes little_endian(const std::vector<std::int64_t>& numbers, int size);

}  // namespace spikeloom::formats::testing
