#pragma once
// Internal to train: the optimisers of optimizer.h as kernels on a device.
#include <ATen/core/Tensor.h>

#include <vector>

#include "spikeloom/nn/device_chain.h"
#include "spikeloom/train/optimizer.h"

namespace spikeloom::train {

/// SGD with momentum or Adam, as Optimizer, in one pass over weights, gradients and moments a tensor, which
/// writes the weights' rounded copies as well. Learning rate and step number are read from the device's
/// memory, so that a captured step() can be replayed. State and names are those of Optimizer: a run may be
/// resumed on the other device.
class DeviceOptimizer {
 public:
  /// The chain's parameters, which must be those of `parameters` in the same order, and its gradients. Throws
  /// as check_optimizer does.
  DeviceOptimizer(const std::vector<nn::Parameter>& parameters, nn::DeviceChain& chain,
                  const OptimizerSettings& settings);

  /// Sets what the next step() reads: outside of a captured sequence, before each of its replays.
  void prepare(double learning_rate);
  /// One update from chain.gradients().
  void step();
  /// The updates that were prepared count, those of a replayed step too.
  OptimizerState state() const;
  void load_state(const OptimizerState& state);

 private:
  template <class G>
  void update(std::size_t i, const at::Tensor& gradient);

  std::vector<nn::Parameter> parameters_;
  nn::DeviceChain& chain_;
  OptimizerSettings settings_;
  std::int64_t steps_ = 0;
  at::Tensor rate_;        ///< float scalar
  at::Tensor step_count_;  ///< int64 scalar: of the step that is about to be made
  at::Tensor correction_;  ///< float [2]: kernels::cuda::AdamCorrection
  at::Tensor squares_, clip_;
  std::vector<at::Tensor> first_, second_;  ///< momentum, or Adam's moments
};

}  // namespace spikeloom::train
