#include "spikeloom/backends/torch/torch_products.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <c10/core/GradMode.h>

#include <string_view>

#include "spikeloom/backends/torch/tensor.h"
#include "spikeloom/kernels/cpu/linear.h"
#include "spikeloom/kernels/cpu/simd_level.h"

namespace spikeloom::backends {
namespace {

using engine::Buffer;

// Rows of a block: whole numbers of the rows that kernels of BLAS take at a time, for each of a few threads.
constexpr std::int64_t kBlock = 64;
// Multiplications of a block from which on products are large ones for BLAS, however many blocks there are.
constexpr double kLargeProduct = 8e6;

// As at::linear, with AVX-512, but so that a row's result does not depend on how many other rows there are:
// BLAS takes other kernels, which add in another order, for the rows that are left over at the end and for
// small products. Rows are filled up with zeros to whole blocks, and small products are made block by block.
at::Tensor linear_by_blocks(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t rows = x.size(0), filled = (rows + kBlock - 1) / kBlock * kBlock;
  at::Tensor whole = x;
  if (filled != rows) {
    whole = at::empty({filled, x.size(1)}, x.options());
    whole.narrow(0, 0, rows).copy_(x);
    whole.narrow(0, rows, filled - rows).zero_();
  }
  if (static_cast<double>(kBlock) * static_cast<double>(weight.numel()) >= kLargeProduct) {
    return at::linear(whole, weight, bias).narrow(0, 0, rows);
  }
  const at::Tensor result = at::empty({filled, weight.size(0)}, x.options());
  for (std::int64_t row = 0; row < filled; row += kBlock) {
    result.narrow(0, row, kBlock).copy_(at::linear(whole.narrow(0, row, kBlock), weight, bias));
  }
  return result.narrow(0, 0, rows);
}

// The same without AVX-512, where BLAS (OpenBLAS 0.3.21, Haswell and Zen) adds in another order by the place
// of a row even within whole blocks.
at::Tensor linear_by_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor values = x.contiguous(), weights = weight.contiguous();
  const at::Tensor offsets = bias.defined() ? bias.contiguous() : bias;
  at::Tensor result = at::empty({x.size(0), weight.size(0)}, x.options());
  kernels::cpu::linear_forward(
      {x.size(0), x.size(1), weight.size(0)}, values.data_ptr<float>(), weights.data_ptr<float>(),
      bias.defined() ? offsets.data_ptr<float>() : nullptr, result.data_ptr<float>());
  return result;
}

at::Tensor inference_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const bool blocks = std::string_view(kernels::cpu::simd_level()) == "avx512";
  return blocks ? linear_by_blocks(x, weight, bias) : linear_by_rows(x, weight, bias);
}

// On a processor without fast bfloat16 its values are widened, multiplied in float, and the result is
// rounded: the values of the other processors but for the order of sums, at the speed of float.
at::Tensor widened(const at::Tensor& values) {
  const bool widen = values.defined() && values.is_cpu() && values.scalar_type() == at::kBFloat16 &&
                     !kernels::cpu::has_fast_bfloat16();
  return widen ? values.to(at::kFloat) : values;
}

std::vector<std::int64_t> both(std::int64_t value) { return {value, value}; }

// As at::conv2d, but so that an image's result does not depend on how many there are: of a single small one
// LibTorch asks another library than oneDNN, which adds in another order, so it comes twice.
at::Tensor convolution_of_any_number(const model::Product& product, const at::Tensor& images,
                                     const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor values = images.size(0) == 1 ? at::cat({images, images}) : images;
  return at::conv2d(values, weight, bias, both(product.stride), both(product.padding))
      .narrow(0, 0, images.size(0));
}

at::Tensor input_tensor(const model::Product& product, std::int64_t rows, const Buffer& x,
                        const at::Device& device) {
  return product.is_convolution() ? images_of(x, rows, product.input, device)
                                  : tensor_of(x, {rows, product.input.size()}, device);
}

at::Tensor weight_tensor(const model::Product& product, const Buffer& weight, const at::Device& device) {
  if (!product.is_convolution()) {
    return tensor_of(weight, {product.output.channels, product.input.size()}, device);
  }
  return images_of(weight, product.output.channels, {product.input.channels, product.kernel, product.kernel},
                   device);
}

}  // namespace

Buffer TorchProducts::forward(const model::Product& product, std::int64_t rows, const Buffer& x,
                              const Buffer& weight, const Buffer& bias, bool inference) {
  const at::NoGradGuard no_grad;
  const at::Tensor weights_given = weight_tensor(product, weight, device_);
  const at::Tensor values = widened(input_tensor(product, rows, x, device_)),
                   weights = widened(weights_given);
  const at::Tensor offsets =
      bias ? widened(tensor_of(bias, {product.output.channels}, device_)) : at::Tensor();
  const auto type = weights_given.scalar_type();
  if (product.is_convolution()) {
    return buffer_of((inference && values.is_cpu()
                          ? convolution_of_any_number(product, values, weights, offsets)
                          : at::conv2d(values, weights, offsets, both(product.stride), both(product.padding)))
                         .to(type)
                         .contiguous(at::MemoryFormat::ChannelsLast));
  }
  return buffer_of((inference && values.is_cpu() ? inference_linear(values, weights, offsets)
                                                 : at::linear(values, weights, offsets))
                       .to(type)
                       .contiguous());
}

DenseProducts::Gradients TorchProducts::backward(const model::Product& product, std::int64_t rows,
                                                 const Buffer& grad_current, const Buffer& x,
                                                 const Buffer& weight, Wanted wanted) {
  const at::NoGradGuard no_grad;
  const at::Tensor weights_given = weight_tensor(product, weight, device_), weights = widened(weights_given);
  const auto type = weights_given.scalar_type();
  Gradients result;
  if (product.is_convolution()) {
    // Where the weights' gradient is not wanted only the sizes of x matter.
    const at::Tensor values =
        x ? widened(input_tensor(product, rows, x, device_)) : empty_images(rows, product.input, weights);
    auto [grad_x, grad_weight, grad_bias] = at::convolution_backward(
        widened(images_of(grad_current, rows, product.output, device_)), values, weights,
        at::IntArrayRef({product.output.channels}), both(product.stride), both(product.padding), both(1),
        false, both(0), 1, {wanted.x, wanted.weight, wanted.bias});
    if (wanted.x) result.x = buffer_of(grad_x.to(type).contiguous(at::MemoryFormat::ChannelsLast));
    if (wanted.weight)
      result.weight = buffer_of(grad_weight.to(type).contiguous(at::MemoryFormat::ChannelsLast));
    if (wanted.bias) result.bias = buffer_of(grad_bias.to(type).contiguous());
    return result;
  }
  const at::Tensor gradient = widened(tensor_of(grad_current, {rows, product.output.channels}, device_));
  if (wanted.x) result.x = buffer_of(at::mm(gradient, weights).to(type));
  if (wanted.weight) {
    result.weight =
        buffer_of(at::mm(gradient.t(), widened(input_tensor(product, rows, x, device_))).to(type));
  }
  if (wanted.bias) result.bias = buffer_of(gradient.sum(0, false, at::kFloat));
  return result;
}

}  // namespace spikeloom::backends
