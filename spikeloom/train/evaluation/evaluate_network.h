#pragma once
// Internal to train: the evaluation of a network in memory.
#include <atomic>
#include <functional>
#include <memory>

#include "spikeloom/data/dataset.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "spikeloom/train/machine/ranks.h"
#include "spikeloom/train/network/network.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

struct NetworkEvaluation {
  std::int64_t batch_size = 100;
  int workers = 1;
  std::int64_t limit = 0;
  bool keep_predictions = false;
  LossSettings loss;
  Ranks ranks;  ///< each evaluates a part; the result is that of all, but for limit
  const std::atomic<bool>* stop =
      nullptr;  ///< ends early (the result is then incomplete) when it becomes true
  std::function<void(std::int64_t, std::int64_t)> progress;
};

EvaluationResult evaluate_network(Network& network, const std::shared_ptr<const data::Dataset>& dataset,
                                  const NetworkEvaluation& settings);

}  // namespace spikeloom::train
