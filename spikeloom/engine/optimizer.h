#pragma once
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/engine/engine.h"

namespace spikeloom::engine {

/// One optimiser over the flat parameters, whatever the backend.
class Optimizer {
 public:
  /// slots: those that are trained, with their parts of rate and decay. The engine must outlive it; an
  /// average begins with the values that it has now.
  Optimizer(Engine& engine, const UpdateRule& rule, std::vector<SlotUpdate> slots);

  /// Sets what the next step() reads: outside of a captured sequence, before each of its replays.
  void prepare(std::uint64_t iteration, double learning_rate);
  /// One update from the engine's gradients.
  void step() { engine_.update(rule_, slots_, moments_); }

  std::int64_t steps() const { return moments_.steps; }

  /// What a slot's moment holds, row-major. Only where the rule has it.
  std::vector<float> first_moment(int slot) const { return engine_.row_major(slot, moments_.first); }
  std::vector<float> second_moment(int slot) const { return engine_.row_major(slot, moments_.second); }
  void set_first_moment(int slot, Span<const float> values) {
    engine_.from_row_major(slot, values, moments_.first);
  }
  void set_second_moment(int slot, Span<const float> values) {
    engine_.from_row_major(slot, values, moments_.second);
  }
  void set_steps(std::int64_t steps) { moments_.steps = steps; }

  /// The moving average of a slot, trained or not. Only where the rule has one.
  std::vector<float> average(int slot) const { return engine_.row_major(slot, moments_.average); }
  void set_average(int slot, Span<const float> values) {
    engine_.from_row_major(slot, values, moments_.average);
  }
  bool has_average() const { return rule_.average_decay > 0.0; }
  /// The engine's values become the average and the average the engine's values; a second call undoes it. No
  /// step between the two.
  void exchange_average() { engine_.exchange(moments_.average); }
  const UpdateRule& rule() const { return rule_; }
  const std::vector<SlotUpdate>& slots() const { return slots_; }

 private:
  Engine& engine_;
  UpdateRule rule_;
  std::vector<SlotUpdate> slots_;
  Moments moments_;
};

}  // namespace spikeloom::engine
