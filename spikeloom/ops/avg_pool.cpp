#include "spikeloom/ops/avg_pool.h"

#include <ATen/Dispatch.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/avg_pool.h"
#include "spikeloom/ops/layout.h"
#include "spikeloom/ops/operator_handle.h"

namespace spikeloom::ops {
namespace {

kernels::PoolSize pool_size(const at::Tensor& like, std::int64_t height, std::int64_t width,
                            std::int64_t kernel) {
  kernels::PoolSize size;
  size.channels = like.size(-3);
  size.images = 1;
  for (std::int64_t d = 0; d < like.dim() - 3; ++d) size.images *= like.size(d);
  size.height = height;
  size.width = width;
  size.kernel = kernel;
  return size;
}

at::Tensor avg_pool_cpu(const at::Tensor& input, std::int64_t kernel) {
  check_floating_cpu("avg_pool: input", input);
  check_shape(input.dim() >= 3, "avg_pool: input", "must be [..., C, H, W]", input);
  if (kernel < 1) throw ShapeError("avg_pool: kernel must be at least 1, not " + std::to_string(kernel));
  check_shape(input.size(-1) >= kernel && input.size(-2) >= kernel, "avg_pool: input",
              "H and W must be at least the kernel size " + std::to_string(kernel), input);
  const at::Tensor x = channels_last(input);
  const auto size = pool_size(x, x.size(-2), x.size(-1), kernel);
  at::Tensor output = empty_channels_last(x.sizes().slice(0, static_cast<std::size_t>(x.dim() - 3)),
                                          x.size(-3), size.output_height(), size.output_width(), x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "avg_pool", [&] {
    kernels::cpu::avg_pool_forward<scalar_t>(size, x.data_ptr<scalar_t>(), output.data_ptr<scalar_t>());
  });
  return output;
}

at::Tensor avg_pool_backward_cpu(const at::Tensor& grad_output, std::int64_t height, std::int64_t width,
                                 std::int64_t kernel) {
  check_floating_cpu("avg_pool_backward: grad_output", grad_output);
  const bool fits = grad_output.dim() >= 3 && kernel >= 1 && grad_output.size(-2) == height / kernel &&
                    grad_output.size(-1) == width / kernel;
  check_shape(fits, "avg_pool_backward: grad_output",
              "must be [..., C, H / k, W / k] of H = " + std::to_string(height) +
                  ", W = " + std::to_string(width) + ", k = " + std::to_string(kernel),
              grad_output);
  const at::Tensor grad = channels_last(grad_output);
  const auto size = pool_size(grad, height, width, kernel);
  at::Tensor grad_input = empty_channels_last(grad.sizes().slice(0, static_cast<std::size_t>(grad.dim() - 3)),
                                              grad.size(-3), height, width, grad.options());
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "avg_pool_backward", [&] {
    kernels::cpu::avg_pool_backward<scalar_t>(size, grad.data_ptr<scalar_t>(),
                                              grad_input.data_ptr<scalar_t>());
  });
  return grad_input;
}

const auto& avg_pool_op() {
  static const auto op = operator_handle<decltype(avg_pool_cpu)>("spikeloom::avg_pool");
  return op;
}

class AvgPoolFunction : public torch::autograd::Function<AvgPoolFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            std::int64_t kernel) {
    at::AutoDispatchBelowADInplaceOrView guard;
    at::Tensor output = avg_pool_op().call(input, kernel);
    context->saved_data["height"] = input.size(-2);
    context->saved_data["width"] = input.size(-1);
    context->saved_data["kernel"] = kernel;
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    static const auto op = operator_handle<decltype(avg_pool_backward_cpu)>("spikeloom::avg_pool_backward");
    auto& data = context->saved_data;
    return {op.call(gradients[0], data["height"].toInt(), data["width"].toInt(), data["kernel"].toInt()),
            at::Tensor()};
  }
};

at::Tensor avg_pool_autograd(const at::Tensor& input, std::int64_t kernel) {
  return AvgPoolFunction::apply(input, kernel);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(spikeloom, m) {
  m.def("avg_pool(Tensor input, int kernel) -> Tensor");
  m.def("avg_pool_backward(Tensor grad_output, int height, int width, int kernel) -> Tensor");
}
TORCH_LIBRARY_IMPL(spikeloom, CPU, m) {
  m.impl("avg_pool", TORCH_FN(avg_pool_cpu));
  m.impl("avg_pool_backward", TORCH_FN(avg_pool_backward_cpu));
}
TORCH_LIBRARY_IMPL(spikeloom, Autograd, m) { m.impl("avg_pool", TORCH_FN(avg_pool_autograd)); }

at::Tensor avg_pool(const at::Tensor& input, std::int64_t kernel) {
  return avg_pool_op().call(input, kernel);
}

}  // namespace spikeloom::ops
