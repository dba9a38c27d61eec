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
  std::string source;  ///< of "info": the camera, e.g. "DAVIS346_00000499"; "" if it is not said
};

/// Reads the XML of an AEDAT4 header: the nodes below "outInfo". Whatever it does not understand it passes
/// over: a header that lists nothing gives nothing.
std::vector<Aedat4Stream> parse_aedat4_streams(const std::string& xml);

/// The streams of events among them: a camera each.
std::vector<Aedat4Stream> event_streams(const std::vector<Aedat4Stream>& streams);

/// The camera that EventReaderOptions::camera asks for: by its source, else by its number; "" is the only
/// one. Throws ConfigError, which lists the cameras, if there is none such, FormatError if it is "" and there
/// are several. `cameras` must not be empty.
std::size_t choose_camera(const std::vector<Aedat4Stream>& cameras, const std::string& camera,
                          const std::string& file);

}  // namespace spikeloom::formats
