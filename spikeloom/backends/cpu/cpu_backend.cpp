#include "spikeloom/backends/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/dropout_params.h"

namespace spikeloom::backends {

using engine::Buffer;
using engine::Type;
using model::Stage;

CpuBackend::CpuBackend(const model::ComputeSettings& compute, std::unique_ptr<DenseProducts> products)
    : compute_(compute),
      products_(std::move(products)),
      bfloat16_(compute.precision == model::Precision::kBf16 && compute.state == model::StateMode::kCompact) {
}

CpuBackend::~CpuBackend() = default;

std::string CpuBackend::refusal(const model::Program&, const Stage& stage) const {
  const model::Neuron& neuron = stage.neuron;
  if (neuron.params.smooth) return "smooth spikes are for tests of the reference";
  if (stage.recurrent != model::kNoSlot && !neuron.fires())
    return "a recurrent layer without neurons that fire";
  return "";
}

std::string CpuBackend::path(const model::Program& program, const Stage& stage) const {
  std::string text =
      QueueBackend::type_of(program, stage, bfloat16_) == Type::kBFloat16 ? "bf16 products" : "fp32 products";
  if (!stage.neuron.fires()) return text;
  text = (compact() ? "compact state, " : "exact state, ") + text;
  if (compact() && compute_.path != model::Path::kDense && stage.reads_spikes() && stage.dropout <= 0.0) {
    const auto& edge = stage.inputs.front();
    const auto& before = program.stages[static_cast<std::size_t>(edge.stage)].product.output;
    const kernels::PackedImages images{program.num_steps,   1, before.height, before.width, before.channels,
                                       edge.pool.averaged()};
    if (event_layer(images, stage.product)) {
      text += compute_.path == model::Path::kEvent ? ", event-driven" : ", event-driven where spikes are few";
    }
  }
  return text;
}

void CpuBackend::attach(const model::Program& program, engine::ParameterStore& parameters) {
  QueueBackend::attach(program, parameters);
  converted_.resize(program.stages.size());
  for (const Stage& stage : program.stages) {
    const bool pooled = !stage.inputs.empty() && stage.inputs.front().pool.kind != model::Pool::kNone;
    const bool is_fixed = stage.product.is_convolution() || !pooled;
    limits_.push_back(is_fixed ? fixed_limits(compute_, stage.product.output.channels)
                               : engine::EventLimits());
  }
}

Type CpuBackend::output_gradient_type() const {
  const Stage& last = program_->stages.back();
  return last.neuron.fires() ? type_of(last) : Type::kFloat;
}

kernels::NeuronParams CpuBackend::neuron_of(const Stage& stage) const {
  return stage.neuron.params_now([&](int slot) { return slot_values(slot).floats()[0]; });
}

engine::Backend::Slicing CpuBackend::slicing(std::int64_t batch, bool static_input, bool training) const {
  const auto& stages = program_->stages;
  const Slicing whole{0, batch};
  if (!compact() || !program_->spiking || compute_.working_set_mb <= 0.0) return whole;
  int convolutions = 0;
  while (convolutions < static_cast<int>(stages.size()) && stage(convolutions).product.is_convolution()) {
    ++convolutions;
  }
  if (convolutions == 0) return whole;
  // What follows may read the last of them only, and its spikes.
  for (const Stage& here : stages) {
    if (training && here.number < convolutions && here.needs_whole_batch()) return whole;
    if (here.number < convolutions) continue;
    for (const model::Edge& edge : here.inputs) {
      if (edge.stage < convolutions - 1) return whole;
    }
    for (const int source : here.shortcuts) {
      if (source < convolutions) return whole;
    }
  }
  if (!stage(convolutions - 1).neuron.fires()) return whole;
  // Slices are put together as bytes, and dropout's random numbers are made for kPart at a time.
  if (stage(convolutions - 1).product.output.size() % 64 != 0) return whole;
  double most = 0.0;
  for (int s = 0; s < convolutions; ++s) {
    const Stage& here = stage(s);
    if (training && here.dropout > 0.0 && here.product.input.size() % kernels::DropoutSize::kPart != 0) {
      return whole;
    }
    const auto steps = static_cast<double>(s == 0 && static_input ? 1 : program_->num_steps);
    most = std::max(most, steps * static_cast<double>(here.product.output.size()) *
                              static_cast<double>(engine::bytes_of(type_of(here))));
  }
  // Slices cost some percent: not for the sake of one or two.
  if (static_cast<double>(batch) * most <= 2.0 * compute_.working_set_mb * 1e6) return whole;
  const auto fit = static_cast<std::int64_t>(compute_.working_set_mb * 1e6 / most);
  const std::int64_t slices = (batch - 1) / std::max<std::int64_t>(fit, 1) + 1;
  return {convolutions, (batch - 1) / slices + 1};  // all slices but the last of one size
}

Buffer CpuBackend::slice(const Buffer& values, std::int64_t steps, std::int64_t batch, std::int64_t first,
                         std::int64_t count) {
  const std::int64_t rows =
      values.count / (steps * batch) * engine::bytes_of(values.type);  // bytes of a sample
  if (steps == 1) {
    Buffer part = values;
    part.data = values.octets() + first * rows;
    part.count = values.count / batch * count;
    return part;
  }
  Buffer part = allocate(values.count / batch * count, values.type);
  for (std::int64_t t = 0; t < steps; ++t) {
    std::memcpy(part.octets() + t * count * rows, values.octets() + (t * batch + first) * rows,
                static_cast<std::size_t>(count * rows));
  }
  return part;
}

engine::Activation CpuBackend::join(const std::vector<engine::Samples>& slices, int stage) {
  const auto index = static_cast<std::size_t>(stage);
  engine::Activation whole;
  whole.images = slices.front().stages[index].images;
  whole.images.batch = whole.spike_count = 0;
  for (const engine::Samples& slice : slices) {
    whole.images.batch += slice.stages[index].images.batch;
    whole.spike_count += slice.stages[index].spike_count;
  }
  const std::int64_t bytes = kernels::packed_bytes(whole.images.neurons());
  whole.spikes = allocate(whole.images.num_steps * bytes, Type::kByte);
  std::int64_t at = 0;
  for (const engine::Samples& slice : slices) {
    const engine::Activation& part = slice.stages[index];
    const std::int64_t length = kernels::packed_bytes(part.images.neurons());
    for (std::int64_t t = 0; t < whole.images.num_steps; ++t) {
      std::memcpy(whole.spikes.octets() + t * bytes + at, part.spikes.octets() + t * length,
                  static_cast<std::size_t>(length));
    }
    at += length;
  }
  return whole;
}

void CpuBackend::add_gradient(int slot, Buffer gradient) {
  Buffer& sum = parameters_->gradients[static_cast<std::size_t>(slot)];
  const std::int64_t count = gradient.count;
  if (sum) {
    float* const to = sum.floats();
    with_pointer(gradient, [&](const auto* from) {
#pragma omp parallel for simd schedule(static) num_threads(num_threads()) if (count >= 1 << 15)
      for (std::int64_t i = 0; i < count; ++i) to[i] += kernels::to_float(from[i]);
    });
  } else {
    sum = converted(gradient, Type::kFloat);
  }
}

void CpuBackend::update(const engine::UpdateRule& rule, const std::vector<engine::SlotUpdate>& slots,
                        engine::Moments& moments) {
  QueueBackend::update(rule, slots, moments);
  for (const model::Slot& slot : program_->slots) {
    if (std::isinf(slot.lowest) && std::isinf(slot.highest)) continue;
    float* const values = parameters_->of(slot);
    for (std::int64_t i = 0; i < slot.size; ++i) values[i] = std::clamp(values[i], slot.lowest, slot.highest);
  }
}

void CpuBackend::set_crossovers(const std::vector<Crossover>& crossovers) {
  for (const Crossover& crossover : crossovers) {
    const auto found = std::find_if(program_->stages.begin(), program_->stages.end(),
                                    [&](const Stage& stage) { return stage.name == crossover.stage; });
    if (found == program_->stages.end()) {
      throw ConfigError("the network has no layer '" + crossover.stage + "' to choose a path for");
    }
    limits_[static_cast<std::size_t>(found - program_->stages.begin())] = crossover.limits;
  }
}

}  // namespace spikeloom::backends
