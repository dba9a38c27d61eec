#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "app/nir_options.h"
#include "spikeloom/train/evaluation/evaluate.h"

namespace spikeloom::app {

/// What `spikeloom eval` was told.
struct EvalOptions {
  train::EvaluationRequest request;
  std::string dataset, folder, predictions, confusion, vote_shares;
  int steps = 0, threads = 0;
  bool json = false;
  NirStepOptions nir;
  std::vector<const CLI::Option*> of_nir, of_models;  ///< what does not apply to the other kind
};

}  // namespace spikeloom::app
