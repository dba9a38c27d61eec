// Recurrent stages: spikes of the step before come in through weights of their own, so that steps follow each
// other. With R the recurrent weights and c[t] the current from outside,
//   input[t] = c[t] + R spikes[t-1]
// and backward, du[t] the gradient of input[t] as the neurons' recursion (kernels/reference/lif.h) has it,
//   grad_spikes[t] += R^T du[t+1],   grad_R = sum_t du[t+1] spikes[t]^T,   grad_c = du
// What is kept is v_pre in full, float; products of the recurrent weights are float.
#include <algorithm>
#include <cmath>

#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/reference/surrogate.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::Type;
using kernels::NeuronParams;
using kernels::Reset;
using model::Stage;

// The product of the recurrent weights.
model::Product recurrent_product(const Stage& stage) {
  model::Product product;
  product.kind = model::Product::kFullyConnected;
  product.input = product.output = stage.product.output;
  product.weight = stage.recurrent;
  return product;
}

Buffer step_of(const Buffer& values, std::int64_t t, std::int64_t count) {
  return engine::view_of(values.floats() + t * count, count, Type::kFloat);
}

float potential_after(const NeuronParams& params, float v_pre, bool fires) {
  if (!fires || params.reset == Reset::kNone) return v_pre;
  return params.reset == Reset::kZero ? static_cast<float>(params.v_reset)
                                      : v_pre - static_cast<float>(params.v_threshold);
}

}  // namespace

std::int64_t CpuBackend::fire_recurrent(const Stage& stage, const Buffer& given, Activation& own,
                                        const engine::Pass& pass) {
  const Buffer current = converted(given, Type::kFloat);
  const std::int64_t steps = own.images.num_steps, count = own.images.neurons();
  auto state = std::make_unique<NeuronState>();
  state->params = neuron_of(stage);
  const NeuronParams& params = state->params;
  const auto decay = static_cast<float>(params.decay), v_threshold = static_cast<float>(params.v_threshold),
             current_decay = static_cast<float>(params.current_decay);
  const model::Product product = recurrent_product(stage);
  const Buffer weight = slot_values(stage.recurrent);
  const Buffer spikes = allocate(steps * count, Type::kFloat), v_pre = allocate(steps * count, Type::kFloat);
  Buffer synapse = allocate(count, Type::kFloat), v_post = allocate(count, Type::kFloat);
  std::fill_n(synapse.floats(), count, 0.0f);
  std::fill_n(v_post.floats(), count, 0.0f);
  std::int64_t fired = 0;
  for (std::int64_t t = 0; t < steps; ++t) {
    Buffer recurrent;
    if (t > 0) {
      recurrent = products_->forward(product, own.images.batch, step_of(spikes, t - 1, count), weight, {},
                                     !pass.keep);
    }
    const float* const outside = current.floats() + (own.static_input ? 0 : t * count);
    for (std::int64_t i = 0; i < count; ++i) {
      const float input = outside[i] + (t > 0 ? recurrent.floats()[i] : 0.0f);
      synapse.floats()[i] = current_decay * synapse.floats()[i] + input;
      const float v = decay * v_post.floats()[i] + synapse.floats()[i];
      const bool fires = v >= v_threshold;
      v_pre.floats()[t * count + i] = v;
      spikes.floats()[t * count + i] = fires ? 1.0f : 0.0f;
      v_post.floats()[i] = potential_after(params, v, fires);
      fired += fires ? 1 : 0;
    }
  }
  own.spikes = allocate(steps * kernels::packed_bytes(count), Type::kByte);
  kernels::cuda::pack_spikes({}, steps, count, spikes.floats(), own.spikes.octets());
  if (pass.keep) {
    state->v_pre = v_pre;
    own.neurons = std::move(state);
  }
  return fired;
}

Buffer CpuBackend::fire_recurrent_backward(const Stage& stage, const Activation& own,
                                           const Buffer& gradient) {
  const auto& state = static_cast<const NeuronState&>(*own.neurons);
  const NeuronParams& params = state.params;
  const std::int64_t steps = own.images.num_steps, count = own.images.neurons();
  const auto decay = static_cast<float>(params.decay), v_threshold = static_cast<float>(params.v_threshold),
             width = static_cast<float>(params.surrogate_width),
             current_decay = static_cast<float>(params.current_decay),
             v_reset = static_cast<float>(params.v_reset), reset_path = params.detach_reset ? 0.0f : 1.0f;
  const model::Product product = recurrent_product(stage);
  const Buffer weight = slot_values(stage.recurrent);
  const Buffer grad_input = allocate(steps * count, Type::kFloat);
  const Buffer next = allocate(count, Type::kFloat), grad_synapse = allocate(count, Type::kFloat);
  std::fill_n(next.floats(), count, 0.0f);
  std::fill_n(grad_synapse.floats(), count, 0.0f);
  kernels::LifParameterGradients parameters;
  for (std::int64_t t = steps - 1; t >= 0; --t) {
    const float* const v_pre = state.v_pre.floats() + t * count;
    const Buffer spikes = allocate(count, Type::kFloat);
    for (std::int64_t i = 0; i < count; ++i) spikes.floats()[i] = v_pre[i] >= v_threshold ? 1.0f : 0.0f;
    DenseProducts::Gradients through;
    if (t + 1 < steps) {
      through = products_->backward(product, own.images.batch, step_of(grad_input, t + 1, count), spikes,
                                    weight, {true, true, false});
      add_gradient(stage.recurrent, through.weight);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const bool fired = spikes.floats()[i] != 0.0f;
      const float g = decay * next.floats()[i];
      float spike_gradient = gradient.floats()[t * count + i];
      if (through.x) spike_gradient += through.x.floats()[i];
      const float moved = params.reset == Reset::kZero       ? v_pre[i] - v_reset
                          : params.reset == Reset::kSubtract ? v_threshold
                                                             : 0.0f;
      spike_gradient -= reset_path * g * moved;
      const float through_spike = spike_gradient * kernels::reference::surrogate_derivative(
                                                       params.surrogate, v_pre[i] - v_threshold, width);
      const float du = through_spike + (params.reset == Reset::kZero && fired ? 0.0f : g);
      if (t > 0) {
        const float before = state.v_pre.floats()[(t - 1) * count + i];
        parameters.decay += static_cast<double>(du) *
                            static_cast<double>(potential_after(params, before, before >= v_threshold));
      }
      parameters.v_threshold -= static_cast<double>(through_spike);
      if (params.reset == Reset::kSubtract && fired) parameters.v_threshold -= static_cast<double>(g);
      next.floats()[i] = du;
      grad_synapse.floats()[i] = du + current_decay * grad_synapse.floats()[i];
      grad_input.floats()[t * count + i] = grad_synapse.floats()[i];
    }
  }
  add_neuron_gradients(stage, parameters);
  return converted(sum_steps(grad_input, (own.static_input ? 1 : steps) * count), type_of(stage));
}

}  // namespace spikeloom::backends
