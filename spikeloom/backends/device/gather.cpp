// From the output of one stage to what the next one's product takes, and the gradient's way back.
#include <type_traits>

#include "spikeloom/backends/device/states.h"
#include "spikeloom/base/random.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/max_pool.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/kernels/cuda/value_pool.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::OutputGradient;
using engine::Type;
using model::Edge;
using model::Stage;

bool is_shared(const model::Slot& u) { return u.shape.front() == 1; }

}  // namespace

kernels::cuda::DropoutDraw DeviceBackend::draw_of(const Stage& stage, const engine::Pass& pass) const {
  kernels::cuda::DropoutDraw draw;
  if (!pass.training) return draw;
  // The iteration is read when the kernel runs, not that of the pass: a replayed step draws anew.
  draw.iteration = iteration();
  draw.layer = static_cast<std::uint64_t>(stage.number);
  draw.key = stream_key(pass.seed, RandomPurpose::kDropout);
  draw.rate = stage.dropout;
  draw.same_mask_each_step = stage.same_mask_each_step;
  return draw;
}

void DeviceBackend::drop(const kernels::cuda::DropoutDraw& draw, const engine::Samples& samples,
                         std::int64_t steps, const Buffer& from, const Buffer& to) const {
  const auto size = dropout_size(samples, steps, from.count, draw.same_mask_each_step);
  with_pointer(from, [&](auto* values) {
    using T = std::remove_pointer_t<decltype(values)>;
    kernels::cuda::apply_dropout(queue(), size, draw, static_cast<const T*>(values),
                                 static_cast<T*>(to.data));
  });
}

kernels::PackedImages DeviceBackend::images_read(int stage, const engine::Samples& samples) const {
  kernels::PackedImages images = samples.stages[at(stage)].images;
  images.pool = readers_[at(stage)].edge.pool.averaged();
  return images;
}

Buffer DeviceBackend::values_of_spikes(const Stage& stage, const Activation& from,
                                       const kernels::cuda::DropoutDraw& draw) {
  const Edge& edge = stage.inputs.front();
  auto& state = static_cast<NeuronState&>(*from.neurons);
  // Written by the neurons, which do so only where nothing is dropped; the backward pass finds it gone.
  if (state.pooled) {
    Buffer pooled = state.pooled;
    state.pooled.reset();
    return pooled;
  }
  kernels::PackedImages images = from.images;
  images.pool = edge.pool.averaged();
  Buffer spikes = from.spikes;
  if (edge.pool.gives_spikes()) {
    images = kernels::max_pooled(from.images, edge.pool.factor);
    spikes = allocate(images.num_steps * kernels::packed_bytes(images.neurons()), Type::kByte);
    kernels::cuda::max_pool_spikes(queue(), from.images, edge.pool.factor, from.spikes.octets(),
                                   spikes.octets());
  }
  kernels::cuda::NeuNormInput neunorm;
  if (!edge.is_plain()) {
    const model::Slot& u = program_->slot(edge.neunorm_u);
    neunorm = {state.neunorm_x.floats(), parameters_->of(u), is_shared(u), edge.neunorm_after_pool};
  }
  Buffer values = allocate(images.num_steps * images.pooled_neurons(), type_of(stage));
  with_pointer(values, [&](auto* to) {
    kernels::cuda::layer_input(queue(), images, spikes.octets(), edge.is_plain() ? nullptr : &neunorm,
                               draw.rate > 0.0 ? &draw : nullptr, to);
  });
  return values;
}

Buffer DeviceBackend::pooled_values(const Edge& edge, const Activation& from) {
  if (edge.pool.kind == model::Pool::kNone) return from.values;
  const auto size = pool_size(from.images, edge.pool.factor);
  Buffer pooled =
      allocate(size.images * size.output_height() * size.output_width() * size.channels, Type::kFloat);
  if (edge.pool.kind == model::Pool::kMax) {
    kernels::cuda::max_pool_forward(queue(), size, from.values.floats(), pooled.floats());
  } else {
    kernels::cuda::value_pool_forward(queue(), size, from.values.floats(), pooled.floats());
  }
  return pooled;
}

Buffer DeviceBackend::gather(const Stage& stage, const engine::Samples& samples, const engine::Pass& pass) {
  const auto draw = draw_of(stage, pass);
  const Edge& edge = stage.inputs.front();
  Buffer x;
  if (stage.reads_input()) {
    x = samples.input;
  } else {
    const Activation& from = samples.stages[at(edge.stage)];
    if (!from.values) {
      // Drawn on the way in one pass where the batch is whole.
      if (samples.count == samples.whole) return values_of_spikes(stage, from, draw);
      x = values_of_spikes(stage, from, {});
    } else {
      x = pooled_values(edge, from);
    }
  }
  if (draw.rate <= 0.0) return x;
  Buffer dropped = allocate(x.count, x.type);
  drop(draw, samples, stage.reads_input() ? samples.input_steps : program_->num_steps, x, dropped);
  return dropped;
}

void DeviceBackend::neunorm_gradient(const Edge& edge, const Activation& from, OutputGradient& gradient) {
  const model::Slot& u = program_->slot(edge.neunorm_u);
  const kernels::NeuNormParams& params = stage(edge.stage).neunorm;
  const Buffer& x = static_cast<const NeuronState&>(*from.neurons).neunorm_x;
  kernels::PackedImages images = from.images;
  images.pool = edge.pool.factor;
  gradient.neunorm_dx = allocate(x.count, Type::kFloat);
  gradient.neunorm_coefficient = params.coefficient;
  gradient.neunorm_after_pool = edge.neunorm_after_pool;
  Buffer grad_u = allocate(u.size, Type::kFloat);
  const Buffer workspace = allocate(
      kernels::cuda::neunorm_backward_workspace(images, is_shared(u), edge.neunorm_after_pool), Type::kByte);
  with_pointer(gradient.values, [&](auto* values) {
    using T = std::remove_pointer_t<decltype(values)>;
    kernels::cuda::neunorm_backward(queue(), images, params,
                                    {parameters_->of(u), is_shared(u), edge.neunorm_after_pool},
                                    static_cast<const T*>(values), x.floats(), gradient.neunorm_dx.floats(),
                                    grad_u.floats(), workspace.data);
  });
  parameters_->gradients[at(edge.neunorm_u)] = std::move(grad_u);
}

void DeviceBackend::pool_gradient(const Edge& edge, const Activation& from, OutputGradient& gradient) {
  const Buffer whole = allocate(from.images.num_steps * from.images.neurons(), gradient.values.type);
  with_pointer(gradient.values, [&](auto* pooled) {
    using T = std::remove_pointer_t<decltype(pooled)>;
    const auto* const values = static_cast<const T*>(pooled);
    auto* const to = static_cast<T*>(whole.data);
    if (from.values) {
      kernels::cuda::max_pool_backward(queue(), pool_size(from.images, edge.pool.factor), values,
                                       static_cast<const T*>(from.values.data), to);
    } else {
      kernels::cuda::max_pool_spikes_backward(queue(), from.images, edge.pool.factor, values,
                                              from.spikes.octets(), to);
    }
  });
  gradient.values = whole;
  gradient.pool = {};
}

OutputGradient DeviceBackend::gather_backward(const Stage& stage, const engine::Samples& samples,
                                              const engine::Pass& pass, Buffer gradient) {
  const Edge& edge = stage.inputs.front();
  const auto draw = draw_of(stage, pass);
  if (draw.rate > 0.0) drop(draw, samples, program_->num_steps, gradient, gradient);
  OutputGradient result;
  result.stage = edge.stage;
  result.pool = edge.pool;
  result.values = std::move(gradient);
  const Activation& from = samples.stages[at(edge.stage)];
  if (!edge.is_plain()) neunorm_gradient(edge, from, result);
  if (edge.pool.gives_spikes()) pool_gradient(edge, from, result);
  return result;
}

}  // namespace spikeloom::backends
