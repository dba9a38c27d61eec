#include "spikeloom/nn/dense_product.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

bool is_convolution(const model::LayerPlan& plan) { return plan.spec.kind == model::LayerKind::kConvolution; }

}  // namespace

at::Tensor empty_images(std::int64_t images, std::int64_t channels, std::int64_t height, std::int64_t width,
                        at::ScalarType dtype, const at::Device& device) {
  return ops::empty_channels_last({images}, channels, height, width, at::TensorOptions(dtype).device(device));
}

at::Tensor unpack(const kernels::PackedImages& images, const at::Tensor& spikes, at::ScalarType dtype) {
  const at::Tensor values = empty_images(images.num_steps * images.batch, images.channels,
                                         images.pooled_height(), images.pooled_width(), dtype);
  with_pointer(values,
               [&](auto* to) { kernels::cpu::unpack_spikes(images, spikes.data_ptr<std::uint8_t>(), to); });
  return values;
}

at::Tensor dense_current(const model::LayerPlan& plan, const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias) {
  if (is_convolution(plan)) {
    return ops::channels_last(at::conv2d(x, weight, bias, plan.spec.stride, plan.spec.padding));
  }
  return at::linear(x, weight, bias).contiguous();
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> dense_backward(const model::LayerPlan& plan,
                                                              const at::Tensor& grad_current,
                                                              const at::Tensor& x, const at::Tensor& weight,
                                                              std::array<bool, 3> wanted) {
  if (is_convolution(plan)) {
    const auto both = [](std::int64_t value) { return std::vector<std::int64_t>{value, value}; };
    return at::convolution_backward(grad_current, x, weight, at::IntArrayRef({plan.output.channels}),
                                    both(plan.spec.stride), both(plan.spec.padding), both(1), false, both(0),
                                    1, wanted);
  }
  const at::Tensor rows = grad_current.view({grad_current.size(0), plan.output.channels});
  return {wanted[0] ? at::mm(rows, weight) : at::Tensor(), wanted[1] ? at::mm(rows.t(), x) : at::Tensor(),
          wanted[2] ? rows.sum(0, false, at::kFloat) : at::Tensor()};
}

}  // namespace spikeloom::nn
