// Neurons of a stage and their gradient.
#include <algorithm>

#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/avg_pool.h"
#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::OutputGradient;
using engine::Type;
using kernels::BFloat16;
using model::Stage;

std::int64_t rows_of(const Activation& own) {
  return (own.static_input ? 1 : own.images.num_steps) * own.images.neurons();
}

Buffer unpacked(const Activation& own) {
  Buffer values = allocate_host(own.images.num_steps * own.images.neurons(), Type::kFloat);
  kernels::cpu::unpack_spikes(own.images, own.spikes.octets(), values.floats());
  return values;
}

// The gradient of the output itself, float.
Buffer spread(const Activation& own, const OutputGradient& gradient) {
  const Buffer values = converted(gradient.values, Type::kFloat);
  if (gradient.pool.kind == model::Pool::kNone) return values;
  Buffer result = allocate_host(own.images.num_steps * own.images.neurons(), Type::kFloat);
  kernels::cpu::avg_pool_backward(pool_size(own.images, gradient.pool.factor), values.floats(),
                                  result.floats());
  return result;
}

// What neurons that do not fire hand on, float: of a readout at each step, of a mere current nothing.
Buffer outputs_of(const Stage& stage, Buffer current, const Activation& own) {
  if (stage.neuron.kind == model::Neuron::kNone) return {};
  Buffer values = converted(current, Type::kFloat);
  if (stage.neuron.kind == model::Neuron::kRelu) {
    if (values.data == current.data && own.current) {  // somebody adds the current as it was
      values = allocate_host(current.count, Type::kFloat);
      std::copy_n(current.floats(), current.count, values.floats());
    }
    float* const to = values.floats();
#pragma omp parallel for simd schedule(static) num_threads(num_threads()) if (values.count >= 1 << 15)
    for (std::int64_t i = 0; i < values.count; ++i) to[i] = std::max(to[i], 0.0f);
  }
  if (own.static_input) {
    const Buffer every = allocate_host(own.images.num_steps * values.count, Type::kFloat);
    for (std::int64_t t = 0; t < own.images.num_steps; ++t) {
      std::copy_n(values.floats(), values.count, every.floats() + t * values.count);
    }
    return every;
  }
  return values;
}

}  // namespace

std::int64_t CpuBackend::fire_compact(const Stage& stage, const Buffer& current, Activation& own,
                                      const engine::Pass& pass) const {
  const auto size = lif_size(own);
  auto state = std::make_unique<NeuronState>();
  state->params = neuron_of(stage);
  own.spikes = allocate_host(size.num_steps * kernels::packed_bytes(size.neurons), Type::kByte);
  if (pass.keep) {
    const auto kind = kernels::compact_state(state->params);
    if (kind == kernels::CompactState::kTailCode) {
      state->all_codes = allocate_host(size.num_steps * size.neurons * 2, Type::kByte);
    } else {
      state->open = allocate_host(size.num_steps * kernels::packed_bytes(size.neurons), Type::kByte);
      if (kind == kernels::CompactState::kOpenCode) {
        state->codes = std::make_unique<kernels::cpu::CodeStore>(size.neurons, size.num_steps);
      }
    }
  }
  const kernels::cpu::CompactLifState view = state->view();
  std::int64_t spikes = 0;
  with_pointer(current, [&](const auto* values) {
    const auto counts = kernels::cpu::compact_lif_forward(size, state->params, values, own.spikes.octets(),
                                                          pass.keep ? &view : nullptr);
    spikes = counts.spikes;
    state->open_count = counts.open_windows;
  });
  if (pass.keep) own.neurons = std::move(state);
  return spikes;
}

std::int64_t CpuBackend::fire_exact(const Stage& stage, const Buffer& current, Activation& own,
                                    const engine::Pass& pass) const {
  const auto size = lif_size(own);
  auto state = std::make_unique<NeuronState>();
  state->params = neuron_of(stage);
  const Buffer spikes = allocate_host(size.num_steps * size.neurons, Type::kFloat);
  if (pass.keep) state->v_pre = allocate_host(size.num_steps * size.neurons, Type::kFloat);
  const std::int64_t count = kernels::cpu::lif_forward(size, state->params, current.floats(),
                                                       state->v_pre.floats(), spikes.floats());
  own.spikes = allocate_host(size.num_steps * kernels::packed_bytes(size.neurons), Type::kByte);
  kernels::cuda::pack_spikes({}, size.num_steps, size.neurons, spikes.floats(), own.spikes.octets());
  if (pass.keep) own.neurons = std::move(state);
  return count;
}

void CpuBackend::fire(int index, Buffer current, engine::Samples& samples, const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  Activation& own = samples.stages[at(index)];
  if (!stage.neuron.fires()) {
    own.values = outputs_of(stage, std::move(current), own);
    return;
  }
  own.spike_count = stage.recurrent != model::kNoSlot ? fire_recurrent(stage, current, own, pass)
                    : compact()                       ? fire_compact(stage, current, own, pass)
                                                      : fire_exact(stage, current, own, pass);
  *spike_sum(index) += static_cast<unsigned long long>(own.spike_count);
  if (pass.costs != nullptr && pass.keep) {
    const auto& state = static_cast<const NeuronState&>(*own.neurons);
    (*pass.costs)[at(index)].saved_bytes += own.spikes.bytes() + state.bytes();
    (*pass.costs)[at(index)].saved_bytes += static_cast<const ProductState&>(*own.product).bytes();
  }
}

OutputGradient CpuBackend::combine(const Activation& own, std::vector<OutputGradient> gradients) const {
  if (gradients.size() == 1) return std::move(gradients.front());
  OutputGradient sum;
  sum.values = spread(own, gradients.front());
  if (sum.values.data == gradients.front().values.data) {  // somebody else's
    const Buffer copy = allocate_host(sum.values.count, Type::kFloat);
    std::copy_n(sum.values.floats(), sum.values.count, copy.floats());
    sum.values = copy;
  }
  float* const to = sum.values.floats();
  for (std::size_t i = 1; i < gradients.size(); ++i) {
    const Buffer values = spread(own, gradients[i]);
    const float* const from = values.floats();
#pragma omp parallel for simd schedule(static) num_threads(num_threads())
    for (std::int64_t j = 0; j < sum.values.count; ++j) to[j] += from[j];
  }
  return sum;
}

Buffer CpuBackend::fire_backward(int index, engine::Samples& samples, std::vector<OutputGradient> gradients,
                                 const engine::Pass&) {
  const Stage& stage = this->stage(index);
  Activation& own = samples.stages[at(index)];
  if (gradients.empty()) return {};
  const OutputGradient gradient = combine(own, std::move(gradients));
  if (!stage.neuron.fires()) {
    Buffer result = sum_steps(spread(own, gradient), rows_of(own));
    if (stage.neuron.kind == model::Neuron::kRelu) {
      const bool shared = result.data == gradient.values.data;
      const Buffer masked = shared ? allocate(result.count, Type::kFloat) : result;
      const float *const from = result.floats(), *const values = own.values.floats();
      float* const to = masked.floats();
#pragma omp parallel for simd schedule(static) num_threads(num_threads()) if (result.count >= 1 << 15)
      for (std::int64_t i = 0; i < result.count; ++i) to[i] = values[i] > 0.0f ? from[i] : 0.0f;
      result = masked;
    }
    return converted(result, type_of(stage));
  }
  if (stage.recurrent != model::kNoSlot) return fire_recurrent_backward(stage, own, spread(own, gradient));
  const auto size = lif_size(own);
  const auto& state = static_cast<const NeuronState&>(*own.neurons);
  Buffer grad_current = allocate(rows_of(own), type_of(stage));
  kernels::LifParameterGradients parameters;
  if (state.v_pre) {
    const Buffer spikes = unpacked(own), grad_spikes = spread(own, gradient);
    kernels::cpu::lif_backward(size, state.params, grad_spikes.floats(), state.v_pre.floats(),
                               spikes.floats(), grad_current.floats(), &parameters);
  } else {
    kernels::PackedImages images = own.images;
    images.pool = gradient.pool.factor;
    const auto view = state.view();
    const auto run = [&](const auto* from, auto* to) {
      kernels::cpu::compact_lif_backward(size, state.params, images, from, own.spikes.octets(), view, to,
                                         state.params.learnable ? &parameters : nullptr);
    };
    const Buffer values =
        grad_current.type == Type::kBFloat16 ? converted(gradient.values, Type::kBFloat16) : gradient.values;
    if (values.type == Type::kFloat) {
      run(values.floats(), grad_current.floats());
    } else {
      with_pointer(grad_current, [&](auto* to) { run(static_cast<const BFloat16*>(values.data), to); });
    }
  }
  add_neuron_gradients(stage, parameters);
  return grad_current;
}

void CpuBackend::add_neuron_gradients(const Stage& stage, const kernels::LifParameterGradients& gradients) {
  stage.neuron.for_each_learnt([&](int slot, auto, auto gradient) {
    Buffer scalar = allocate(1, Type::kFloat);
    scalar.floats()[0] = static_cast<float>(gradients.*gradient);
    add_gradient(slot, scalar);
  });
}

double CpuBackend::firing_rate(int index, const Buffer& current, const engine::Samples& samples,
                               double scale) {
  const Stage& stage = this->stage(index);
  const Activation& own = samples.stages[at(index)];
  const auto size = lif_size(own);
  const Buffer scaled = allocate(current.count, Type::kFloat);
  with_pointer(current, [&](const auto* values) {
    for (std::int64_t i = 0; i < current.count; ++i) {
      scaled.floats()[i] = static_cast<float>(scale) * kernels::to_float(values[i]);
    }
  });
  const Buffer spikes = allocate(size.num_steps * kernels::packed_bytes(size.neurons), Type::kByte);
  const auto counts = kernels::cpu::compact_lif_forward<float>(size, neuron_of(stage), scaled.floats(),
                                                               spikes.octets(), nullptr);
  return static_cast<double>(counts.spikes) / static_cast<double>(size.num_steps * size.neurons);
}

}  // namespace spikeloom::backends
