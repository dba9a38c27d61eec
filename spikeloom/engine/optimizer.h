#pragma once
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/engine/engine.h"

namespace spikeloom::engine {

/// One optimiser over the flat parameters, whatever the backend.
class Optimizer {
 public:
  /// slots: those that are trained, with their parts of rate and decay. The engine must outlive it.
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
  const UpdateRule& rule() const { return rule_; }
  const std::vector<SlotUpdate>& slots() const { return slots_; }

 private:
  Engine& engine_;
  UpdateRule rule_;
  std::vector<SlotUpdate> slots_;
  Moments moments_;
};

}  // namespace spikeloom::engine
