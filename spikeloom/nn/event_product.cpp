#include "spikeloom/nn/event_product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

using kernels::BFloat16;

/// Of the output over steps and samples, for Path::kAuto.
constexpr std::int64_t kMinPixels = 1024;
constexpr std::int64_t kMinFilters = 128;

bool is_convolution(const at::Tensor& weight) { return weight.dim() == 4; }

// [F, C, k, k] or [F, C] -> [k * k * C, F].
at::Tensor weight_rows(const at::Tensor& weight) {
  const at::Tensor rows = is_convolution(weight) ? weight.permute({2, 3, 1, 0}) : weight.t();
  return rows.to(at::kFloat).contiguous();
}

}  // namespace

std::optional<kernels::EventLayer> event_layer(const kernels::PackedImages& images,
                                               const model::LayerPlan& plan) {
  kernels::EventLayer layer;
  layer.images = images;
  layer.filters = plan.output.channels;
  if (plan.spec.kind == model::LayerKind::kConvolution) {
    if (plan.spec.stride != 1 || plan.spec.padding >= plan.spec.kernel) return std::nullopt;
    layer.kernel = plan.spec.kernel;
    layer.padding = plan.spec.padding;
    return layer;
  }
  if (images.pool != 1) return std::nullopt;
  // Its columns are in the order of the packed bits.
  layer.images.channels *= images.height * images.width;
  layer.images.height = layer.images.width = 1;
  return layer;
}

EventChoice choose_event(const model::ComputeSettings& compute, const kernels::EventLayer& layer,
                         double spikes_per_input) {
  switch (compute.path) {
    case model::Path::kDense:
      return {false, false};
    case model::Path::kEvent:
      return {true, true};
    case model::Path::kAuto:
      break;
  }
  // The weights are put into another order each time: that has to be spread over enough pixels.
  // And a spike has to add a row that is long enough for the time it takes to find it.
  if (layer.output_pixels() < kMinPixels || layer.filters < kMinFilters) return {false, false};
  // Rounding the weights to 16 bits is no loss beside bfloat16, but one beside float.
  const bool may_round = compute.precision == model::Precision::kBf16;
  return {may_round && spikes_per_input < compute.event_forward_below,
          spikes_per_input < compute.event_gradient_below};
}

at::Tensor event_current(const kernels::EventLayer& layer, const at::Tensor& spikes, const at::Tensor& weight,
                         const at::Tensor& bias, at::ScalarType dtype) {
  const at::Tensor rows = weight_rows(weight);
  const kernels::FixedPointWeights fixed =
      kernels::cpu::fixed_point_weights(layer, rows.data_ptr<float>());
  const std::int64_t images = layer.images.num_steps * layer.images.batch;
  const at::Tensor current =
      is_convolution(weight) ? ops::empty_channels_last({images}, layer.filters, layer.output_height(),
                                                        layer.output_width(), at::TensorOptions(dtype))
                             : at::empty({images, layer.filters}, dtype);
  const at::Tensor offsets = bias.defined() ? bias.to(at::kFloat).contiguous() : at::Tensor();
  const float* const bias_values = bias.defined() ? offsets.data_ptr<float>() : nullptr;
  const auto* const bits = spikes.data_ptr<std::uint8_t>();
  if (dtype == at::kBFloat16) {
    kernels::cpu::event_forward(layer, bits, fixed, bias_values, static_cast<BFloat16*>(current.data_ptr()));
  } else {
    kernels::cpu::event_forward(layer, bits, fixed, bias_values, current.data_ptr<float>());
  }
  return current;
}

at::Tensor event_weight_gradient(const kernels::EventLayer& layer, const at::Tensor& spikes,
                                 const at::Tensor& grad_current, const at::Tensor& weight) {
  const at::Tensor rows = at::empty({layer.weight_rows(), layer.filters}, at::kFloat);
  const auto* const bits = spikes.data_ptr<std::uint8_t>();
  if (grad_current.scalar_type() == at::kBFloat16) {
    kernels::cpu::event_weight_gradient(layer, bits, static_cast<const BFloat16*>(grad_current.data_ptr()),
                                        rows.data_ptr<float>());
  } else {
    kernels::cpu::event_weight_gradient(layer, bits, grad_current.data_ptr<float>(), rows.data_ptr<float>());
  }
  const at::Tensor gradient =
      is_convolution(weight)
          ? rows.view({layer.kernel, layer.kernel, layer.images.channels, layer.filters}).permute({3, 2, 0, 1})
          : rows.t();
  return at::empty_like(weight, at::kFloat).copy_(gradient);  // in the weights' memory order
}

}  // namespace spikeloom::nn
