#pragma once
#include <cstdint>
#include <string>

#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::exchange {

/// What the metadata of a graph says of how it is run, as `spikeloom export` writes it. Keys with another
/// meaning, or values out of range, count as missing.
struct NirMetadata {
  std::string reset;         ///< "zero" or "subtract"; "": not said
  std::int64_t step_us = 0;  ///< "dt", microseconds; 0: not said
  int steps = 0;             ///< of a sample in the training; 0: not said
  std::string input;         ///< "events" or "image"; "": not said
};

NirMetadata metadata_of(const formats::NirGraph& graph);

}  // namespace spikeloom::exchange
