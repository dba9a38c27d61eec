// Neurons of a stage and their gradient.
#include <type_traits>

#include "spikeloom/backends/device/states.h"
#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/kernels/cuda/relu.h"
#include "spikeloom/kernels/cuda/value_pool.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::OutputGradient;
using engine::Type;
using kernels::BFloat16;
using model::Stage;

}  // namespace

bool DeviceBackend::writes_pooled(int index, const engine::Pass& pass) const {
  const Reader& reader = readers_[at(index)];
  if (reader.stage == model::kNoStage || !reader.edge.is_plain()) return false;
  if (reader.edge.pool.gives_spikes()) return false;
  const Stage& behind = stage(reader.stage);
  return type_of(behind) == type_of(stage(index)) && draw_of(behind, pass).rate <= 0.0;
}

void DeviceBackend::fire_spikes(int index, const Buffer& current, engine::Samples& samples,
                                const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  const model::Edge& reading = readers_[at(index)].edge;
  Activation& own = samples.stages[at(index)];
  const auto size = lif_size(own);
  const kernels::PackedImages images = images_read(index, samples);
  auto state = std::make_unique<NeuronState>();
  own.spikes = allocate(size.num_steps * kernels::packed_bytes(size.neurons), Type::kByte);
  if (pass.keep) {
    state->state =
        allocate(size.num_steps * kernels::state_bytes(stage.neuron.params, size.neurons), Type::kByte);
  }
  if (writes_pooled(index, pass)) {
    state->pooled = allocate(images.num_steps * images.pooled_neurons(), current.type);
  }
  with_pointer(current, [&](auto* values) {
    using T = std::remove_pointer_t<decltype(values)>;
    kernels::cuda::CompactLifOutput<T> output;
    output.spikes = own.spikes.octets();
    output.state = state->state.octets();
    output.pooled = static_cast<T*>(state->pooled.data);
    output.spike_count = spike_sum(index);
    kernels::cuda::compact_lif_forward(queue(), size, stage.neuron.params, images,
                                       static_cast<const T*>(values),
                                       slot_values(stage.product.bias).floats(), output);
  });
  if (!reading.is_plain()) {
    const std::int64_t positions = reading.neunorm_after_pool ? images.pooled_height() * images.pooled_width()
                                                              : images.height * images.width;
    state->neunorm_x = allocate(images.num_steps * images.batch * positions, Type::kFloat);
    kernels::cuda::neunorm_scan(queue(), images, stage.neunorm, reading.neunorm_after_pool,
                                own.spikes.octets(), state->neunorm_x.floats());
  }
  if (pass.costs != nullptr && pass.keep) {
    (*pass.costs)[at(index)].saved_bytes = own.spikes.bytes() + state->bytes();
  }
  own.neurons = std::move(state);
}

void DeviceBackend::fire(int index, Buffer current, engine::Samples& samples, const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  if (stage.neuron.fires()) return fire_spikes(index, current, samples, pass);
  if (stage.neuron.kind == model::Neuron::kRelu) {
    kernels::cuda::relu_forward(queue(), current.count, current.floats());
  }
  samples.stages[at(index)].values = std::move(current);
}

Buffer DeviceBackend::values_backward(const Stage& stage, const Activation& own,
                                      const OutputGradient& gradient) {
  Buffer result = gradient.values;
  if (gradient.pool.kind != model::Pool::kNone) {
    result = allocate(own.values.count, Type::kFloat);
    kernels::cuda::value_pool_backward(queue(), pool_size(own.images, gradient.pool.factor),
                                       gradient.values.floats(), result.floats());
  }
  if (stage.neuron.kind == model::Neuron::kRelu) {
    kernels::cuda::relu_backward(queue(), result.count, own.values.floats(), result.floats(),
                                 result.floats());
  }
  return result;
}

Buffer DeviceBackend::fire_backward(int index, engine::Samples& samples,
                                    std::vector<OutputGradient> gradients, const engine::Pass&) {
  const Stage& stage = this->stage(index);
  Activation& own = samples.stages[at(index)];
  const OutputGradient& gradient = gradients.front();  // of its one reader, or of the loss
  Buffer grad_current;
  if (!stage.neuron.fires()) {
    grad_current = values_backward(stage, own, gradient);
  } else {
    const auto size = lif_size(own);
    const kernels::PackedImages images = images_read(index, samples);
    const kernels::cuda::NeuNormGradient neunorm{gradient.neunorm_dx.floats(), gradient.neunorm_coefficient,
                                                 gradient.neunorm_after_pool};
    grad_current = allocate((own.static_input ? 1 : size.num_steps) * size.neurons, type_of(stage));
    const std::uint8_t* const state = static_cast<const NeuronState&>(*own.neurons).state.octets();
    const auto run = [&](const auto* from, auto* to) {
      kernels::cuda::compact_lif_backward(queue(), size, stage.neuron.params, images, from, neunorm,
                                          own.spikes.octets(), state, to);
    };
    if (gradient.values.type == Type::kFloat) {
      run(gradient.values.floats(), grad_current.floats());
    } else {
      with_pointer(grad_current,
                   [&](auto* to) { run(static_cast<const BFloat16*>(gradient.values.data), to); });
    }
  }
  // Whoever reads this stage has been here before.
  own.spikes.reset();
  own.values.reset();
  own.neurons.reset();
  return grad_current;
}

// Neurons of currents that are `scale` times as large fire as those whose threshold is that much smaller, and
// so they do with the bias, which is scaled as well.
double DeviceBackend::firing_rate(int index, const Buffer& current, const engine::Samples& samples,
                                  double scale) {
  const Stage& stage = this->stage(index);
  const Activation& own = samples.stages[at(index)];
  const auto size = lif_size(own);
  kernels::NeuronParams params = stage.neuron.params;
  params.v_threshold /= scale;
  const Buffer spikes = allocate(size.num_steps * kernels::packed_bytes(size.neurons), Type::kByte);
  const Buffer count = allocate(1, Type::kInt64);
  memory().fill_zero(count);
  with_pointer(current, [&](auto* values) {
    using T = std::remove_pointer_t<decltype(values)>;
    kernels::cuda::CompactLifOutput<T> output;
    output.spikes = spikes.octets();
    output.spike_count = static_cast<unsigned long long*>(count.data);
    kernels::cuda::compact_lif_forward(queue(), size, params, own.images, static_cast<const T*>(values),
                                       slot_values(stage.product.bias).floats(), output);
  });
  std::int64_t fired = 0;
  memory().to_host(count, &fired);
  return static_cast<double>(fired) / static_cast<double>(size.num_steps * size.neurons);
}

}  // namespace spikeloom::backends
