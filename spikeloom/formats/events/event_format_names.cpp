// Apart from the formats themselves, so that whoever asks for the names needs none of their libraries.
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

std::vector<std::string> event_format_names() {
  // In the order of event_formats().
  return {"evt3", "evt2", "evt2.1", "dat",    "aedat2", "aedat1",   "aedat3", "aedat4", "es",
          "hdf5", "npy",  "npz",    "packed", "csv",    "atis-bin", "dat-v1", "dat-v2", "evt3-expelliarmus"};
}

}  // namespace spikeloom::formats
