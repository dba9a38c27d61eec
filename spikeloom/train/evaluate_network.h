#pragma once
// Internal to train: the evaluation of a network in memory.
#include <ATen/core/Tensor.h>

#include <atomic>
#include <memory>

#include "spikeloom/nn/network.h"
#include "spikeloom/train/batch_tensors.h"
#include "spikeloom/train/evaluate.h"
#include "spikeloom/train/recipe.h"

namespace spikeloom::train {

/// The recipe's loss on votes [N, K].
at::Tensor recipe_loss(const at::Tensor& votes, const at::Tensor& labels, const LossSettings& settings);

struct NetworkEvaluation {
  std::int64_t batch_size = 100;
  int workers = 1;
  std::int64_t limit = 0;
  LossSettings loss;
  const std::atomic<bool>* stop =
      nullptr;  ///< ends early (the result is then incomplete) when it becomes true
  std::function<void(std::int64_t, std::int64_t)> progress;
};

EvaluationResult evaluate_network(nn::Network& network, const std::shared_ptr<const data::Dataset>& dataset,
                                  const NetworkEvaluation& settings);

/// Sums of spikes over batches -> firing rates.
class FiringRates {
 public:
  void add(const std::vector<nn::LayerActivity>& activity);
  std::vector<std::pair<std::string, double>> rates() const;
  void clear() { layers.clear(); }

  struct Layer {
    std::string name;
    double spikes = 0.0;  ///< whole numbers, exact up to 2^53
    double neuron_steps = 0.0;
  };
  std::vector<Layer> layers;  ///< public: part of a checkpoint
};

}  // namespace spikeloom::train
