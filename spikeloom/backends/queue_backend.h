#pragma once
// What all backends share: votes, loss, updates and sums are few values or one pass over the parameters, and
// run as kernels of kernels/cuda on a queue, be it a device's or the host's.
#include <cstdint>
#include <vector>

#include "spikeloom/engine/backend.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/dropout_params.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::backends {

inline std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// What a stage's neurons run over.
inline kernels::LifSize lif_size(const engine::Activation& own) {
  return {own.images.num_steps, own.images.neurons(), own.static_input};
}

/// A pooling of values by `factor`.
inline kernels::PoolSize pool_size(const kernels::PackedImages& images, std::int64_t factor) {
  return {images.num_steps * images.batch, images.height, images.width, images.channels, factor};
}

/// What dropout of `count` values over `steps` steps runs over.
inline kernels::DropoutSize dropout_size(const engine::Samples& samples, std::int64_t steps,
                                         std::int64_t count, bool same_mask_each_step) {
  kernels::DropoutSize size{steps, count / steps, same_mask_each_step};
  if (samples.count == samples.whole) return size;
  const std::int64_t sample = size.elements / samples.count;
  size.whole = sample * samples.whole;
  size.first = sample * samples.whole_first;
  return size;
}

class QueueBackend : public engine::Backend {
 public:
  void attach(const model::Program& program, engine::ParameterStore& parameters) override;
  void take_class_of() override;
  void prepare(std::uint64_t iteration, double learning_rate) override;
  engine::Buffer votes(const engine::Activation& last) override;
  engine::OutputGradient loss(const engine::Activation& last, const engine::Buffer& labels,
                              const engine::LossSpec& spec) override;
  void count(std::int64_t samples) override { samples_ += samples; }
  void update(const engine::UpdateRule& rule, const std::vector<engine::SlotUpdate>& slots,
              engine::Moments& moments) override;
  engine::Sums collect() override;

 protected:
  virtual kernels::cuda::Queue queue() const = 0;
  /// Of the gradient of the last stage's output.
  virtual engine::Type output_gradient_type() const = 0;
  /// Where a slot's rounded weights lie, which an update writes as well; empty: nowhere.
  virtual engine::Buffer rounded(int /*slot*/) const { return {}; }

  const model::Stage& stage(int index) const { return program_->stages[static_cast<std::size_t>(index)]; }
  engine::Buffer allocate(std::int64_t count, engine::Type type) { return memory().allocate(count, type); }
  /// Of a stage's currents and of what its product takes: the first is always float, its input is no spikes;
  /// so are values of an artificial network.
  static engine::Type type_of(const model::Program& program, const model::Stage& stage, bool bfloat16) {
    return bfloat16 && program.spiking && !stage.reads_input() ? engine::Type::kBFloat16
                                                               : engine::Type::kFloat;
  }
  /// The values of a slot where they lie; empty for kNoSlot.
  engine::Buffer slot_values(int slot) const;
  /// Share of values that are not 0; waits for them.
  double density_of(const engine::Buffer& x);
  /// Where a stage's spikes are counted, in the queue's memory.
  unsigned long long* spike_sum(int stage) const;
  const std::uint64_t* iteration() const { return static_cast<const std::uint64_t*>(iteration_.data); }

  const model::Program* program_ = nullptr;
  engine::ParameterStore* parameters_ = nullptr;

 private:
  kernels::VotingSize voting_size(const engine::Activation& last) const;
  void clear_sums();

  engine::Buffer class_of_, iteration_, learning_rate_, steps_, correction_, clip_, squares_;
  engine::Buffer loss_sum_, correct_, not_finite_, spikes_;
  std::int64_t samples_ = 0;
};

}  // namespace spikeloom::backends
