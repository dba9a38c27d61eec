#pragma once
// Internal to train: training steps on whatever device, one after the other.
#include <cstdint>
#include <memory>

#include "spikeloom/parallel/gradient_exchange.h"
#include "spikeloom/train/machine/ranks.h"
#include "spikeloom/train/network/network.h"
#include "spikeloom/train/recipe/recipe.h"
#include "spikeloom/train/steps/optimizer.h"

namespace spikeloom::train {

/// Trains a network step by step: forward, loss, backward and update. A device is not waited for: full
/// batches are captured as a CUDA graph after the first steps, and replayed from then on; a smaller last
/// batch runs as it is. With other processes, each runs its part of a batch, as it is, waits for the
/// gradients of all, and all take the same step.
class StepRunner {
 public:
  /// network: on its device. input_steps: of the batches, T or 1. Throws ConfigError as make_optimizer does.
  StepRunner(Network& network, const OptimizerSettings& optimizer, const LossSettings& loss,
             std::uint64_t seed, std::int64_t input_steps, std::int64_t batch_size);
  ~StepRunner();

  /// Before the first step. ranks: with whom a step's gradients are added up. accumulate: in how many pieces
  /// a batch runs, one after the other, whose gradients are added up, on the CPU only. cuda_device: the
  /// number of the CUDA device that has the gradients, or -1.
  void divide_steps(const Ranks& ranks, parallel::GradientFormat format, int accumulate, int cuda_device);

  /// Where a device's next batch is to be written; the same memory for every full one, so nothing may be
  /// written that an earlier step still reads: use the current stream.
  const engine::Batch& buffers(std::int64_t samples);

  /// One step. On a device: of what was written into buffers(batch.samples).
  void step(const engine::Batch& batch, std::int64_t iteration, double learning_rate);
  /// The same, each stage waited for and timed; laps of it too where there is a timeline.
  void timed_step(const engine::Batch& batch, std::int64_t iteration, double learning_rate,
                  std::vector<engine::StageCost>& costs, bool densities,
                  engine::Timeline* timeline = nullptr);

  /// What one process wants, and all then do, after a step.
  struct Wishes {
    bool stop = false, checkpoint = false;
  };
  /// Of this process, for the next step.
  void wish(const Wishes& wishes) { wishes_ = wishes; }
  /// What any process wished for the last step.
  const Wishes& agreed() const { return agreed_; }
  /// What the steps since the last call added up to, over all processes.
  engine::Sums collect();

  /// Whether step() returns when the step is done.
  bool is_synchronous() const { return network_.cpu() != nullptr; }
  bool is_captured() const;
  engine::Optimizer& optimizer() { return optimizer_; }
  const engine::Optimizer& optimizer() const { return optimizer_; }
  Network& network() { return network_; }

 private:
  class Graph;
  class Statistics;
  engine::Sums own_sums();
  void take_sums(const std::vector<double>& sums);
  void run_pieces(const engine::Batch& batch, engine::Pass pass);
  void run(const engine::Batch& batch, const engine::Pass& pass);
  engine::Pass pass_of(std::int64_t iteration) const;
  engine::Batch allocate(std::int64_t samples);

  Network& network_;
  engine::Optimizer optimizer_;
  engine::LossSpec loss_;
  std::uint64_t seed_;
  std::int64_t input_steps_, batch_size_;
  engine::Batch full_, rest_;
  std::unique_ptr<Graph> graph_;  ///< of a device that captures
  int eager_steps_ = 0;
  int accumulate_ = 1;
  Wishes wishes_, agreed_;
  bool spare_ = false;  ///< the batch that runs
  engine::Sums sums_;   ///< of all processes
  std::unique_ptr<Statistics> statistics_;
  std::unique_ptr<parallel::StepExchange> exchange_;
};

}  // namespace spikeloom::train
