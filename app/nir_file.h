#pragma once
// What the program does with graphs of NIR: `info FILE.nir`, `eval FILE.nir`.
#include <cstdint>
#include <string>

#include "app/nir_options.h"

namespace spikeloom::app {

/// Prints nodes, shapes, parameters and edges of a graph. Throws what formats::read_nir throws.
int info_nir(const std::string& path, bool json);

struct NirEvalRequest {
  std::string path, dataset, folder, split, data_dir;
  int steps = 0, threads = 0;
  std::int64_t limit = 0;
  NirStepOptions options;
  bool json = false;
};

/// Runs a graph over a data set and prints accuracy and spikes. Throws as exchange::evaluate_nir and
/// data::open_dataset do, ConfigError without a data set.
int eval_nir(const NirEvalRequest& request);

}  // namespace spikeloom::app
