// Products of a stage, dense or event-driven.
#include <algorithm>

#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/window_gradient.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::Path;
using engine::Samples;
using engine::Type;
using kernels::BFloat16;
using model::Stage;

// Sum over rows of [rows, columns], float.
Buffer column_sums(const Buffer& values, std::int64_t columns) {
  Buffer sums = allocate_host(columns, Type::kFloat);
  const std::int64_t rows = values.count / columns;
  // Blocks that do not depend on the number of threads: neither does the sum.
  constexpr std::int64_t kRows = 256;
  const std::int64_t blocks = (rows + kRows - 1) / kRows;
  const Buffer partial = allocate_host(blocks * columns, Type::kFloat);
  with_pointer(values, [&](const auto* from) {
#pragma omp parallel for schedule(static) num_threads(num_threads())
    for (std::int64_t block = 0; block < blocks; ++block) {
      float* const to = partial.floats() + block * columns;
      std::fill(to, to + columns, 0.0f);
      for (std::int64_t row = block * kRows; row < std::min(rows, (block + 1) * kRows); ++row) {
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) to[c] += kernels::to_float(from[row * columns + c]);
      }
    }
  });
  for (std::int64_t c = 0; c < columns; ++c) {
    double sum = 0.0;
    for (std::int64_t block = 0; block < blocks; ++block) sum += partial.floats()[block * columns + c];
    sums.floats()[c] = static_cast<float>(sum);
  }
  return sums;
}

}  // namespace

const Buffer& CpuBackend::dense_weight(const Stage& stage, bool folded) {
  Converted& kept = converted_[at(stage.number)];
  if (!kept.dense || kept.dense_version != parameters_->version || kept.dense_folded != folded) {
    kept.dense = converted(weight_values(stage, folded), type_of(stage));
    kept.dense_version = parameters_->version;
    kept.dense_folded = folded;
  }
  return kept.dense;
}

const kernels::FixedPointWeights& CpuBackend::event_weight(const Stage& stage, bool folded) {
  Converted& kept = converted_[at(stage.number)];
  if (!kept.event || kept.event_version != parameters_->version || kept.event_folded != folded) {
    kernels::PackedImages images;  // only channels and pixels matter
    images.channels = stage.product.input.channels;
    images.height = stage.product.input.height;
    images.width = stage.product.input.width;
    kept.event = std::make_shared<const kernels::FixedPointWeights>(kernels::cpu::fixed_point_weights(
        *event_layer(images, stage.product), weight_values(stage, folded).floats(),
        weight_strides(stage.product)));
    kept.event_version = parameters_->version;
    kept.event_folded = folded;
  }
  return *kept.event;
}

EventChoice CpuBackend::choose(const Stage& stage, const Samples& samples, const engine::Pass& pass) const {
  // NeuNorm, several edges and dropout make other values of the spikes.
  if (!compact() || !stage.reads_spikes() || dropout_rate(stage, pass) > 0.0) return {};
  const Seen before = seen(stage, samples);
  if (before.bits == nullptr) return {};
  const auto layer = event_layer(before.images, stage.product);
  if (!layer) return {};
  const auto values = static_cast<double>(before.images.num_steps * before.images.pooled_neurons());
  const double spikes_per_input = static_cast<double>(before.spikes) / std::max(values, 1.0);
  const engine::EventLimits& limits = limits_[at(stage.number)];
  if (pass.keep) return choose_event(compute_, limits, *layer, spikes_per_input);
  if (!inference_is_event(compute_, stage.product, before.images.pool > 1)) return {};
  return {inference_kind(limits, *layer, spikes_per_input), EventChoice::kDense};
}

Buffer CpuBackend::event_current(const Stage& stage, const Samples& samples, bool folded,
                                 EventChoice::Kind kind) {
  const Seen before = seen(stage, samples);
  const auto layer = *event_layer(before.images, stage.product);
  Buffer current =
      allocate(program_->num_steps * samples.count * stage.product.output.size(), type_of(stage));
  const Buffer bias = bias_values(stage, folded);
  const kernels::FixedPointWeights& weights = event_weight(stage, folded);
  with_pointer(current, [&](auto* to) {
    if (kind == EventChoice::kIntegers) {
      kernels::cpu::integer_forward(layer, before.bits, weights, bias.floats(), to);
    } else {
      kernels::cpu::event_forward(layer, before.bits, weights, bias.floats(), to);
    }
  });
  return current;
}

Buffer CpuBackend::current(int index, Samples& samples, const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  const model::Product& product = stage.product;
  Activation& own = samples.stages[at(index)];
  own.images = {program_->num_steps,  samples.count,           product.output.height,
                product.output.width, product.output.channels, 1};
  const bool is_static = stage.reads_input() && samples.input_steps == 1;
  own.product = std::make_unique<ProductState>();
  pool_bits(stage, samples);
  const EventChoice event = choose(stage, samples, pass);
  static_cast<ProductState&>(*own.product).event = event;
  const bool folded = folds(stage, pass);

  Buffer x, current;
  if (event.forward != EventChoice::kDense) {
    current = event_current(stage, samples, folded, event.forward);
    if (pass.keep && samples.is_last_slice())
      converted_[at(index)].event.reset();  // changed by the next step
  } else {
    x = gather(stage, samples, pass);
    const Type type = type_of(stage);
    const Buffer bias = bias_values(stage, folded);
    const std::int64_t rows = (is_static ? 1 : program_->num_steps) * samples.count;
    current = products_->forward(product, rows, x, dense_weight(stage, folded),
                                 bias ? converted(bias, type) : bias, !pass.keep);
  }
  if (pass.costs != nullptr) {
    engine::StageCost& cost = (*pass.costs)[at(index)];
    const Path dense = type_of(stage) == Type::kBFloat16 ? Path::kDenseBf16 : Path::kDenseFp32;
    const auto path = [dense](EventChoice::Kind kind) {
      return kind == EventChoice::kLists      ? Path::kEvent
             : kind == EventChoice::kIntegers ? Path::kIntegers
                                              : dense;
    };
    cost.forward = path(event.forward);
    cost.weight_gradient = path(event.weight_gradient);
    if (!pass.keep) cost.weight_gradient = cost.forward;
    cost.limits = limits_[at(index)];
    if (pass.densities) {
      if (!x) x = gather(stage, samples, pass);
      cost.input_density +=
          density_of(x) * static_cast<double>(samples.count) / static_cast<double>(samples.batch);
    }
  }
  return normalise(stage, std::move(current), samples, pass);
}

Buffer CpuBackend::event_weight_gradient(const Stage& stage, const Samples& samples,
                                         const Buffer& grad_current, EventChoice::Kind kind) const {
  const Seen before = seen(stage, samples);
  const auto layer = *event_layer(before.images, stage.product);
  Buffer gradient = allocate_host(program_->slot(stage.product.weight).size, Type::kFloat);
  with_pointer(grad_current, [&](const auto* from) {
    if (kind == EventChoice::kIntegers) {
      kernels::cpu::integer_weight_gradient(layer, before.bits, from, gradient.floats(),
                                            weight_strides(stage.product));
    } else {
      kernels::cpu::event_weight_gradient(layer, before.bits, from, gradient.floats(),
                                          weight_strides(stage.product));
    }
  });
  return gradient;
}

const std::uint8_t* CpuBackend::skip_windows(const Stage& stage, const Samples& samples,
                                             double& share) const {
  if (!compact() || !stage.reads_spikes() || compute_.path == model::Path::kDense ||
      !stage.product.is_convolution() || stage.inputs.front().pool.gives_spikes()) {
    return nullptr;
  }
  const Activation& before = samples.stages[at(stage.inputs.front().stage)];
  const auto* const neurons = dynamic_cast<const NeuronState*>(before.neurons.get());
  const auto layer = event_layer(seen(stage, samples).images, stage.product);
  const bool always = compute_.path == model::Path::kEvent;
  if (!layer || !(always || may_be_event(*layer))) return nullptr;
  if (neurons == nullptr || !neurons->open) return nullptr;
  if (!can_skip_closed_windows(*layer, neurons->params, type_of(stage))) return nullptr;
  share = static_cast<double>(neurons->open_count) /
          static_cast<double>(before.images.num_steps * before.images.neurons());
  return always || share < limits_[at(stage.number)].input_gradient_below ? neurons->open.octets() : nullptr;
}

std::optional<kernels::EventLayer> CpuBackend::integer_input_layer(const Stage& stage,
                                                                   const Samples& samples) const {
  if (!compact() || !stage.reads_spikes() || compute_.path != model::Path::kAuto ||
      compute_.precision != model::Precision::kBf16 || !limits_[at(stage.number)].integer_input_gradient) {
    return std::nullopt;
  }
  const auto layer = event_layer(seen(stage, samples).images, stage.product);
  return layer && may_be_integers(*layer) ? layer : std::nullopt;
}

std::vector<engine::OutputGradient> CpuBackend::current_backward(int index, Samples& samples,
                                                                 Buffer grad_current,
                                                                 const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  const model::Product& product = stage.product;
  Activation& own = samples.stages[at(index)];
  const EventChoice::Kind kind = static_cast<const ProductState&>(*own.product).event.weight_gradient;
  const bool by_events = kind != EventChoice::kDense;
  grad_current = normalise_backward(stage, samples, std::move(grad_current), pass);
  const std::int64_t rows = grad_current.count / product.output.size();
  const bool wants_x = !stage.reads_input();
  double open_share = -1.0;
  const std::uint8_t* const windows = skip_windows(stage, samples, open_share);
  if (pass.costs != nullptr) {
    (*pass.costs)[at(index)].open_windows = open_share;
    (*pass.costs)[at(index)].open_windows_only = windows != nullptr;
  }
  const auto integers = windows == nullptr && wants_x ? integer_input_layer(stage, samples) : std::nullopt;
  if (pass.costs != nullptr && integers) (*pass.costs)[at(index)].input_gradient = Path::kIntegers;

  DenseProducts::Gradients gradients;
  const bool has_bias = product.bias != model::kNoSlot;
  const DenseProducts::Wanted wanted{wants_x && windows == nullptr && !integers, !by_events,
                                     has_bias && !by_events};
  if (wanted.x || wanted.weight) {
    const Buffer x = by_events ? Buffer() : gather(stage, samples, pass);
    gradients = products_->backward(product, rows, grad_current, x, dense_weight(stage, false), wanted);
  }
  if (windows != nullptr) {
    const auto layer = *event_layer(seen(stage, samples).images, product);
    gradients.x = allocate(rows * product.input.size(), Type::kBFloat16);
    kernels::cpu::window_gradient(layer, windows, static_cast<const BFloat16*>(grad_current.data),
                                  static_cast<const BFloat16*>(dense_weight(stage, false).data),
                                  weight_strides(product), static_cast<BFloat16*>(gradients.x.data));
  }
  if (integers) {
    gradients.x = allocate(rows * product.input.size(), type_of(stage));
    with_pointer(gradients.x, [&](auto* to) {
      using Value = std::remove_reference_t<decltype(*to)>;
      kernels::cpu::integer_input_gradient(*integers, static_cast<const Value*>(grad_current.data),
                                           slot_values(product.weight).floats(), weight_strides(product), to);
    });
  }
  if (by_events) {
    if (has_bias) gradients.bias = column_sums(grad_current, product.output.channels);
    gradients.weight = event_weight_gradient(stage, samples, grad_current, kind);
  }
  grad_current.reset();
  if (samples.is_last_slice()) converted_[at(index)].dense.reset();  // changed by the next step
  add_gradient(product.weight, std::move(gradients.weight));
  if (has_bias) add_gradient(product.bias, std::move(gradients.bias));
  std::vector<engine::OutputGradient> outputs;
  if (wants_x) outputs = gather_backward(stage, samples, pass, std::move(gradients.x));
  own.product.reset();
  return outputs;
}

}  // namespace spikeloom::backends
