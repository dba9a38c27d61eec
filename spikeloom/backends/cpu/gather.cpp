// From spikes to what products take, and the gradient's way back.
#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/random.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/avg_pool.h"
#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/cpu/dropout.h"
#include "spikeloom/kernels/cpu/max_pool.h"
#include "spikeloom/kernels/cpu/neunorm.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::OutputGradient;
using engine::Type;
using model::Edge;
using model::Stage;

constexpr std::int64_t kParallelCount = 1 << 15;

// Of the NeuNorm on an edge.
kernels::NeuNormSize neunorm_size(const kernels::PackedImages& images, const Edge& edge,
                                  const model::Slot& u) {
  kernels::PackedImages seen = images;
  seen.pool = edge.neunorm_after_pool ? edge.pool.factor : 1;
  kernels::NeuNormSize size;
  size.num_steps = images.num_steps;
  size.batch = images.batch;
  size.positions = seen.pooled_height() * seen.pooled_width();
  size.channels = images.channels;
  size.shared_u = u.shape.front() == 1;
  return size;
}

// Spikes that a pooling gives, as bits.
Buffer pooled_bits(const Activation& from, const Edge& edge) {
  const auto pooled = kernels::max_pooled(from.images, edge.pool.factor);
  Buffer bits = allocate_host(pooled.num_steps * kernels::packed_bytes(pooled.neurons()), Type::kByte);
  kernels::cpu::max_pool_spikes(from.images, edge.pool.factor, from.spikes.octets(), bits.octets());
  return bits;
}

Buffer pooled_values(const Buffer& values, const kernels::PackedImages& images, const model::Pool& pool) {
  if (pool.kind == model::Pool::kNone) return values;
  const auto size = pool_size(images, pool.factor);
  Buffer pooled =
      allocate_host(size.images * size.output_height() * size.output_width() * size.channels, Type::kFloat);
  if (pool.kind == model::Pool::kMax) {
    kernels::cpu::max_pool_forward(size, values.floats(), pooled.floats());
  } else {
    kernels::cpu::avg_pool_forward(size, values.floats(), pooled.floats());
  }
  return pooled;
}

void add_to(const Buffer& sum, const Buffer& values) {
  float* const to = sum.floats();
  const float* const from = values.floats();
#pragma omp parallel for simd schedule(static) num_threads(num_threads()) if (sum.count >= kParallelCount)
  for (std::int64_t i = 0; i < sum.count; ++i) to[i] += from[i];
}

}  // namespace

void CpuBackend::pool_bits(const Stage& stage, engine::Samples& samples) const {
  const Edge& edge = stage.inputs.front();
  if (!stage.reads_spikes() || !edge.pool.gives_spikes()) return;
  const Activation& from = samples.stages[at(edge.stage)];
  if (!from.spikes) return;
  auto& state = static_cast<ProductState&>(*samples.stages[at(stage.number)].product);
  state.pooled = pooled_bits(from, edge);
  for (std::int64_t i = 0; i < state.pooled.count; ++i) {
    state.pooled_spikes += __builtin_popcount(state.pooled.octets()[i]);
  }
}

CpuBackend::Seen CpuBackend::seen(const Stage& stage, const engine::Samples& samples) const {
  const Edge& edge = stage.inputs.front();
  const Activation& from = samples.stages[at(edge.stage)];
  const auto& product = samples.stages[at(stage.number)].product;
  if (edge.pool.gives_spikes() && product != nullptr) {
    const auto& state = static_cast<const ProductState&>(*product);
    return {kernels::max_pooled(from.images, edge.pool.factor), state.pooled.octets(), state.pooled_spikes};
  }
  Seen result{from.images, from.spikes.octets(), from.spike_count};
  result.images.pool = edge.pool.factor;
  return result;
}

double CpuBackend::dropout_rate(const Stage& stage, const engine::Pass& pass) const {
  return pass.training ? stage.dropout : 0.0;
}

void CpuBackend::drop(const Stage& stage, const engine::Samples& samples, const engine::Pass& pass,
                      std::int64_t steps, const Buffer& from, const Buffer& to) const {
  const auto size = dropout_size(samples, steps, from.count, stage.same_mask_each_step);
  const kernels::DropoutKey key{stream_key(pass.seed, RandomPurpose::kDropout),
                                kernels::dropout_counter(stage.number, pass.iteration)};
  with_pointer(from, [&](const auto* values) {
    using Value = std::remove_const_t<std::remove_reference_t<decltype(*values)>>;
    kernels::cpu::dropout_apply(size, dropout_rate(stage, pass), key, values, static_cast<Value*>(to.data));
  });
}

// What an edge brings, as `type`. neunorm: where that of a NeuNorm is wanted which the way back needs.
Buffer CpuBackend::edge_values(const Stage& stage, const Edge& edge, const engine::Samples& samples,
                               Type type, NeuNormValues* neunorm) const {
  const Activation& from = samples.stages[at(edge.stage)];
  if (from.values) return pooled_values(from.values, from.images, edge.pool);
  const bool pools_bits = edge.is_plain() || edge.neunorm_after_pool;
  kernels::PackedImages images = from.images;
  Buffer bits = from.spikes;
  if (edge.pool.gives_spikes() && pools_bits) {
    const auto& product = samples.stages[at(stage.number)].product;
    const bool kept = stage.reads_spikes() && product != nullptr;  // of the only edge
    bits = kept ? static_cast<const ProductState&>(*product).pooled : pooled_bits(from, edge);
    images = kernels::max_pooled(from.images, edge.pool.factor);
  } else if (pools_bits) {
    images.pool = edge.pool.factor;
  }
  Buffer values =
      allocate_host(images.num_steps * images.pooled_neurons(), edge.is_plain() ? type : Type::kFloat);
  with_pointer(values, [&](auto* to) { kernels::cpu::unpack_spikes(images, bits.octets(), to); });
  if (edge.is_plain()) return values;

  const model::Slot& u = program_->slot(edge.neunorm_u);
  const auto size = neunorm_size(from.images, edge, u);
  const Buffer x = allocate_host(size.num_steps * size.batch * size.positions, Type::kFloat);
  Buffer normalised = allocate_host(values.count, Type::kFloat);
  kernels::cpu::neunorm_forward(size, this->stage(edge.stage).neunorm, values.floats(), parameters_->of(u),
                                x.floats(), normalised.floats());
  if (neunorm != nullptr) *neunorm = {x, normalised};
  return edge.neunorm_after_pool ? normalised : pooled_values(normalised, from.images, edge.pool);
}

Buffer CpuBackend::gather(const Stage& stage, const engine::Samples& samples, const engine::Pass& pass) {
  const Type type = type_of(stage);
  const bool drops = dropout_rate(stage, pass) > 0.0;
  if (stage.reads_input()) {
    if (!drops) return samples.input;
    Buffer dropped = allocate(samples.input.count, Type::kFloat);
    drop(stage, samples, pass, samples.input_steps, samples.input, dropped);
    return dropped;
  }
  Buffer x;
  if (stage.inputs.size() == 1) {
    x = converted(edge_values(stage, stage.inputs.front(), samples, type, nullptr), type);
  } else {
    Buffer sum;
    for (const Edge& edge : stage.inputs) {
      const Buffer values = converted(edge_values(stage, edge, samples, Type::kFloat, nullptr), Type::kFloat);
      if (sum) {
        add_to(sum, values);
      } else {
        sum = values;
      }
    }
    x = converted(sum, type);
  }
  // In place, unless these are a stage's own values.
  if (drops) {
    const bool shared =
        stage.inputs.size() == 1 && x.data == samples.stages[at(stage.inputs[0].stage)].values.data;
    const Buffer dropped = shared ? allocate(x.count, x.type) : x;
    drop(stage, samples, pass, program_->num_steps, x, dropped);
    x = dropped;
  }
  return x;
}

// Behind a pooling of spikes that gives spikes, or of values -> that of the whole images.
Buffer CpuBackend::unpooled(const Edge& edge, const Activation& from, const Buffer& values,
                            const Buffer& gradient) const {
  const auto size = pool_size(from.images, edge.pool.factor);
  const Buffer whole = allocate_host(from.images.num_steps * from.images.neurons(), gradient.type);
  with_pointer(gradient, [&](const auto* pooled) {
    using Value = std::remove_const_t<std::remove_reference_t<decltype(*pooled)>>;
    auto* const to = static_cast<Value*>(whole.data);
    if (edge.pool.kind == model::Pool::kAverage) {
      kernels::cpu::avg_pool_backward(size, gradient.floats(), whole.floats());
    } else if (values) {
      kernels::cpu::max_pool_backward(size, pooled, static_cast<const Value*>(values.data), to);
    } else {
      kernels::cpu::max_pool_spikes_backward(from.images, edge.pool.factor, pooled, from.spikes.octets(), to);
    }
  });
  return whole;
}

OutputGradient CpuBackend::edge_backward(const Stage& stage, const Edge& edge, const engine::Samples& samples,
                                         const Buffer& gradient) {
  const Activation& from = samples.stages[at(edge.stage)];
  OutputGradient result;
  result.stage = edge.stage;
  result.values = gradient;
  // An average is left to the neurons where nothing lies between.
  if (!edge.pool.gives_spikes() && (edge.is_plain() || edge.neunorm_after_pool)) result.pool = edge.pool;
  if (!edge.is_plain()) {
    // Run again: nothing of it was kept.
    NeuNormValues neunorm;
    edge_values(stage, edge, samples, Type::kFloat, &neunorm);
    const model::Slot& u = program_->slot(edge.neunorm_u);
    Buffer grad_output = converted(gradient, Type::kFloat);
    if (edge.pool.kind != model::Pool::kNone && !edge.neunorm_after_pool) {
      grad_output = unpooled(edge, from, neunorm.values, grad_output);
    }
    const Buffer grad_spikes = allocate(grad_output.count, Type::kFloat);
    Buffer grad_u = allocate(u.size, Type::kFloat);
    kernels::cpu::neunorm_backward(neunorm_size(from.images, edge, u), this->stage(edge.stage).neunorm,
                                   grad_output.floats(), parameters_->of(u), neunorm.x.floats(),
                                   grad_spikes.floats(), grad_u.floats());
    add_gradient(edge.neunorm_u, grad_u);
    result.values = converted(grad_spikes, gradient.type);
    if (!edge.neunorm_after_pool) return result;
  }
  if (edge.pool.gives_spikes()) result.values = unpooled(edge, from, from.values, result.values);
  return result;
}

std::vector<OutputGradient> CpuBackend::gather_backward(const Stage& stage, const engine::Samples& samples,
                                                        const engine::Pass& pass, Buffer gradient) {
  if (dropout_rate(stage, pass) > 0.0) drop(stage, samples, pass, program_->num_steps, gradient, gradient);
  std::vector<OutputGradient> result;
  for (const Edge& edge : stage.inputs) result.push_back(edge_backward(stage, edge, samples, gradient));
  return result;
}

}  // namespace spikeloom::backends
