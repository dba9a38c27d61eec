#include "spikeloom/engine/optimizer.h"

#include <algorithm>

namespace spikeloom::engine {

Optimizer::Optimizer(Engine& engine, const UpdateRule& rule, std::vector<SlotUpdate> slots)
    : engine_(engine), rule_(rule), slots_(std::move(slots)) {
  Memory& memory = engine_.backend().memory();
  const auto zeros = [&] {
    Buffer buffer = memory.allocate(engine_.program().flat_size, Type::kFloat);
    memory.fill_zero(buffer);
    return buffer;
  };
  if (rule_.has_first_moment()) moments_.first = zeros();
  if (rule_.has_second_moment()) moments_.second = zeros();
  moments_.step_count = memory.allocate(1, Type::kInt64);
  if (has_average()) {
    moments_.average = engine_.copy_of_values();
    moments_.average_decay = memory.allocate(1, Type::kFloat);
  }
}

void Optimizer::prepare(std::uint64_t iteration, double learning_rate) {
  ++moments_.steps;
  Memory& memory = engine_.backend().memory();
  memory.from_host(&moments_.steps, moments_.step_count);
  if (has_average()) {
    // The first averages would remember the start values for as long as 1 / (1 - decay) updates.
    const auto done = static_cast<double>(moments_.steps);
    const auto decay = static_cast<float>(std::min(rule_.average_decay, (1.0 + done) / (10.0 + done)));
    memory.from_host(&decay, moments_.average_decay);
  }
  engine_.backend().prepare(iteration, learning_rate);
}

}  // namespace spikeloom::engine
