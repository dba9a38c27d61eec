#include "spikeloom/engine/optimizer.h"

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
}

void Optimizer::prepare(std::uint64_t iteration, double learning_rate) {
  ++moments_.steps;
  engine_.backend().memory().from_host(&moments_.steps, moments_.step_count);
  engine_.backend().prepare(iteration, learning_rate);
}

}  // namespace spikeloom::engine
