#pragma once
#include <cstdint>
#include <string>

#include "app/nir_options.h"

namespace spikeloom::app {

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
