#pragma once
// The dense arithmetic of a layer with weights: spikes as numbers, convolutions and matrix products of
// LibTorch. Internal to nn.
#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/model/plan.h"

namespace spikeloom::nn {

/// Calls function(pointer of the element type): float or kernels::BFloat16.
template <class Function>
void with_pointer(const at::Tensor& tensor, const Function& function) {
  if (tensor.scalar_type() == at::kBFloat16) {
    function(static_cast<kernels::BFloat16*>(tensor.data_ptr()));
  } else {
    function(tensor.data_ptr<float>());
  }
}

/// [images, C, H, W] in channels-last memory.
at::Tensor empty_images(std::int64_t images, std::int64_t channels, std::int64_t height, std::int64_t width,
                        at::ScalarType dtype, const at::Device& device = at::kCPU);

/// Packed spikes as float or bfloat16 [T * N, C, H, W], pooled as `images` says.
at::Tensor unpack(const kernels::PackedImages& images, const at::Tensor& spikes, at::ScalarType dtype);

/// x [T * N, C, H, W] for a convolution, [T * N, values] for a fully connected layer -> currents: channels
/// last, or [T * N, F]. weight and bias (or undefined) of x's type.
at::Tensor dense_current(const model::LayerPlan& plan, const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias);

/// Gradients of x, weight and bias, those of them that `wanted` asks for, from that of the currents [T * N,
/// F, H, W]. Where the weights' gradient is not asked for only the sizes of x matter.
std::tuple<at::Tensor, at::Tensor, at::Tensor> dense_backward(const model::LayerPlan& plan,
                                                              const at::Tensor& grad_current,
                                                              const at::Tensor& x, const at::Tensor& weight,
                                                              std::array<bool, 3> wanted);

}  // namespace spikeloom::nn
