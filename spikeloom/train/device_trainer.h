#pragma once
// Internal to train: training steps on a device that nobody waits for.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/nn/device_chain.h"
#include "spikeloom/nn/network.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/device_optimizer.h"
#include "spikeloom/train/recipe.h"

namespace spikeloom::train {

/// Where a batch lies on the device.
struct DeviceBatch {
  at::Tensor inputs;  ///< [T or 1, N, C, H, W] float, channels last
  at::Tensor labels;  ///< [N] int64
};

/// Trains a spiking network step by step: forward, loss, backward and update, asked of the device and not
/// waited for. Full batches are captured as a CUDA graph after the first steps, and replayed from then on; a
/// smaller last batch runs as it is. On the CPU (for tests) every step runs as it is.
class DeviceTrainer {
 public:
  /// network: a spiking one, on its device. input_steps: T, or 1 for still images. Throws ConfigError as
  /// Network::to and Optimizer do.
  DeviceTrainer(nn::Network& network, const OptimizerSettings& optimizer, const LossSettings& loss,
                std::uint64_t seed, std::int64_t input_steps, std::int64_t batch_size);

  /// Where to write the next batch; the same memory for every full one, so nothing may be written that an
  /// earlier step still reads: use the current stream.
  const DeviceBatch& buffers(std::int64_t samples);
  /// One step on what was written into buffers(samples).
  void step(std::int64_t samples, std::int64_t iteration, double learning_rate);
  /// The same, each layer waited for and timed.
  void timed_step(std::int64_t iteration, double learning_rate, std::vector<nn::LayerCost>& costs);

  /// What the steps since the last call added up. Waits for the device.
  struct Sums {
    double loss = 0.0;  ///< of samples
    std::int64_t correct = 0;
    bool finite = true;
    std::vector<nn::LayerActivity> activity;
  };
  Sums collect(std::int64_t samples);

  OptimizerState optimizer_state() const { return optimizer_.state(); }
  void load_optimizer_state(const OptimizerState& state) { optimizer_.load_state(state); }
  const at::Device& device() const { return chain_.device(); }
  const nn::DeviceChain& chain() const { return chain_; }
  bool is_captured() const { return graph_.is_captured(); }

 private:
  void run(const DeviceBatch& batch, std::vector<nn::LayerCost>* costs);

  nn::Network& network_;
  std::unique_ptr<nn::DeviceChain> own_chain_;  ///< on the CPU
  nn::DeviceChain& chain_;
  DeviceOptimizer optimizer_;
  kernels::cuda::VotingLossParams loss_;
  std::uint64_t seed_;
  std::int64_t input_steps_, batch_size_;
  nn::DeviceSums sums_;
  at::Tensor iteration_;  ///< int64 scalar on the device
  DeviceBatch full_, rest_;
  ops::StepGraph graph_;
  int eager_steps_ = 0;
};

/// What the kernels of the loss take for a recipe's.
kernels::cuda::VotingLossParams loss_params(const LossSettings& settings);

}  // namespace spikeloom::train
