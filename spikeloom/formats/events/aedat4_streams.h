#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// What the header of an AEDAT4 file says about one stream.
struct Aedat4Stream {
  std::int64_t number = -1;
  std::string type;  ///< "EVTS", "FRME", "IMUS", "TRIG", ...
  int width = 0, height = 0;
};

/// Reads the XML of an AEDAT4 header: the nodes below "outInfo". Whatever it does not understand it passes
/// over: a header that lists nothing gives nothing.
std::vector<Aedat4Stream> parse_aedat4_streams(const std::string& xml);

}  // namespace spikeloom::formats
