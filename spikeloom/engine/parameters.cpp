// The parameters of an engine as files have them: row-major.
#include <algorithm>

#include "spikeloom/base/errors.h"
#include "spikeloom/engine/engine.h"

namespace spikeloom::engine {
namespace {

// Calls function(place row-major, place in memory) for each value. Memory has the first extent outermost of a
// convolution's weights, [F, k, k, C] for [F, C, k, k], and [H, W, C] for a U of [C, H, W].
template <class Function>
void for_each_place(const model::Slot& slot, const Function& function) {
  if (!slot.channels_last()) {
    for (std::int64_t i = 0; i < slot.size; ++i) function(i, i);
    return;
  }
  const std::size_t channel_axis = slot.shape.size() - 3;
  const std::int64_t channels = slot.shape[channel_axis];
  const std::int64_t pixels = slot.shape[channel_axis + 1] * slot.shape[channel_axis + 2];
  const std::int64_t block = channels * pixels;
  for (std::int64_t start = 0; start < slot.size; start += block) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) function(start + c * pixels + p, start + p * channels + c);
    }
  }
}

Buffer part_of(const Buffer& flat, const model::Slot& slot) {
  return {flat.owner, flat.floats() + slot.offset, slot.size, Type::kFloat};
}

std::vector<float> reordered(const model::Slot& slot, const std::vector<float>& memory) {
  std::vector<float> values(memory.size());
  for_each_place(slot, [&](std::int64_t row_major, std::int64_t in_memory) {
    values[static_cast<std::size_t>(row_major)] = memory[static_cast<std::size_t>(in_memory)];
  });
  return values;
}

}  // namespace

std::vector<float> Engine::row_major(int slot, const Buffer& flat) const {
  const model::Slot& what = program_.slot(slot);
  std::vector<float> memory(static_cast<std::size_t>(what.size));
  backend_->memory().to_host(part_of(flat, what), memory.data());
  return reordered(what, memory);
}

void Engine::from_row_major(int slot, Span<const float> values, const Buffer& flat) {
  const model::Slot& what = program_.slot(slot);
  if (static_cast<std::int64_t>(values.size()) != what.size) {
    throw ShapeError(what.name + " has " + std::to_string(what.size) + " values, not " +
                     std::to_string(values.size()));
  }
  std::vector<float> memory(values.size());
  for_each_place(what, [&](std::int64_t row_major, std::int64_t in_memory) {
    memory[static_cast<std::size_t>(in_memory)] = values[static_cast<std::size_t>(row_major)];
  });
  backend_->memory().from_host(memory.data(), part_of(flat, what));
}

Buffer Engine::copy_of_values() const {
  Memory& memory = backend_->memory();
  std::vector<float> values(static_cast<std::size_t>(program_.flat_size));
  memory.to_host(parameters_.values, values.data());
  Buffer copy = memory.allocate(program_.flat_size, Type::kFloat);
  memory.from_host(values.data(), copy);
  return copy;
}

void Engine::exchange(Buffer& flat) {
  std::swap(parameters_.values, flat);
  ++parameters_.version;
}

void Engine::set_class_of(const std::vector<std::int32_t>& class_of) {
  if (class_of.size() != program_.class_of.size()) {
    throw ShapeError("there are " + std::to_string(program_.class_of.size()) + " voting neurons, not " +
                     std::to_string(class_of.size()));
  }
  program_.class_of = class_of;
  backend_->take_class_of();
}

std::vector<float> Engine::read(int slot) const { return row_major(slot, parameters_.values); }

void Engine::write(int slot, Span<const float> values) {
  from_row_major(slot, values, parameters_.values);
  ++parameters_.version;
}

void Engine::write_in_memory_order(int slot, Span<const float> values) {
  backend_->memory().from_host(values.data(), part_of(parameters_.values, program_.slot(slot)));
  ++parameters_.version;
}

std::vector<float> Engine::gradient(int slot) const {
  const Buffer& gradient = parameters_.gradients[static_cast<std::size_t>(slot)];
  if (!gradient) return {};
  std::vector<float> memory(static_cast<std::size_t>(gradient.count));
  if (gradient.type == Type::kBFloat16) {
    std::vector<kernels::BFloat16> rounded(memory.size());
    backend_->memory().to_host(gradient, rounded.data());
    std::transform(rounded.begin(), rounded.end(), memory.begin(),
                   [](kernels::BFloat16 value) { return kernels::to_float(value); });
  } else {
    backend_->memory().to_host(gradient, memory.data());
  }
  return reordered(program_.slot(slot), memory);
}

}  // namespace spikeloom::engine
