#pragma once
// How a graph is stepped: what its metadata says of it, and what was taken where they say nothing.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::exchange {

/// What the metadata of a graph says of how it is run, as `spikeloom export` writes it.
struct NirMetadata {
  std::string reset;  ///< "zero" or "subtract"; "": not said
  double dt = 0.0;    ///< seconds a step; 0: not said
  std::int64_t step_us =
      0;              ///< the same in whole microseconds, the nearest; 0: not said, or not to be said so
  int steps = 0;      ///< of a sample in the training; 0: not said
  std::string input;  ///< "events" or "image"; "": not said
  /// What the keys "dt" and "reset" say where it is none of the above, one line each: "dt = '-1' is no time
  /// above 0 in seconds". "": nothing odd. Whoever runs the graph has to be told otherwise.
  std::string odd_dt, odd_reset;
  /// Other things said of it that are not taken, one line each: a number of steps that is none; dt and reset
  /// in the metadata of a node.
  std::vector<std::string> passed_over;
};

NirMetadata metadata_of(const formats::NirGraph& graph);

/// What a graph leaves open, as lines for a user: what was assumed about dt, reset and method.
std::vector<std::string> assumptions(const formats::NirGraph& graph, const NirOptions& options);

}  // namespace spikeloom::exchange
