#include "spikeloom/ops/dropout.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty_strided.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/dropout.h"
#include "spikeloom/ops/layout.h"
#include "spikeloom/ops/operator_handle.h"

namespace spikeloom::ops {
namespace {

at::Tensor dropout_cpu(const at::Tensor& input, double rate, bool same_mask_each_step, std::int64_t key,
                       std::int64_t counter) {
  const bool bfloat16 = input.scalar_type() == at::kBFloat16 && input.device().is_cpu();
  if (!bfloat16) check_floating_cpu("dropout: input", input);
  check_shape(input.dim() >= 1, "dropout: input", "must be [T, N, ...]", input);
  if (!(rate >= 0.0 && rate < 1.0)) {
    throw ConfigError("dropout: rate must be in [0, 1), not " + std::to_string(rate));
  }
  const at::Tensor x = time_outermost(input);
  at::Tensor output = at::empty_strided(x.sizes(), x.strides(), x.options());
  kernels::DropoutSize size;
  size.num_steps = x.size(0);
  size.elements = x.size(0) > 0 ? x.numel() / x.size(0) : 0;
  size.same_mask_each_step = same_mask_each_step;
  const kernels::DropoutKey draw{static_cast<std::uint64_t>(key), static_cast<std::uint64_t>(counter)};
  if (bfloat16) {
    kernels::cpu::dropout_apply(size, rate, draw, static_cast<const kernels::BFloat16*>(x.data_ptr()),
                                static_cast<kernels::BFloat16*>(output.data_ptr()));
    return output;
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout", [&] {
    kernels::cpu::dropout_apply<scalar_t>(size, rate, draw, x.data_ptr<scalar_t>(),
                                          output.data_ptr<scalar_t>());
  });
  return output;
}

const auto& dropout_op() {
  static const auto op = operator_handle<decltype(dropout_cpu)>("spikeloom::dropout");
  return op;
}

class DropoutFunction : public torch::autograd::Function<DropoutFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input, double rate,
                            bool same_mask_each_step, std::int64_t key, std::int64_t counter) {
    at::AutoDispatchBelowADInplaceOrView guard;
    auto& data = context->saved_data;
    data["rate"] = rate;
    data["same_mask_each_step"] = same_mask_each_step;
    data["key"] = key;
    data["counter"] = counter;
    at::Tensor output = dropout_op().call(input, rate, same_mask_each_step, key, counter);
    // The mask belongs to the memory order: the gradient must be walked in the same one.
    data["strides"] = output.strides().vec();
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto& data = context->saved_data;
    const auto strides = data["strides"].toIntVector();
    at::Tensor grad = gradients[0];
    if (grad.strides() != at::IntArrayRef(strides)) {
      grad = at::empty_strided(grad.sizes(), strides, grad.options()).copy_(grad);
    }
    const at::Tensor none;
    return {dropout_op().call(grad, data["rate"].toDouble(), data["same_mask_each_step"].toBool(),
                              data["key"].toInt(), data["counter"].toInt()),
            none, none, none, none};
  }
};

at::Tensor dropout_autograd(const at::Tensor& input, double rate, bool same_mask_each_step, std::int64_t key,
                            std::int64_t counter) {
  return DropoutFunction::apply(input, rate, same_mask_each_step, key, counter);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(spikeloom, m) {
  m.def("dropout(Tensor input, float rate, bool same_mask_each_step, int key, int counter) -> Tensor");
}
TORCH_LIBRARY_IMPL(spikeloom, CPU, m) { m.impl("dropout", TORCH_FN(dropout_cpu)); }
TORCH_LIBRARY_IMPL(spikeloom, Autograd, m) { m.impl("dropout", TORCH_FN(dropout_autograd)); }

at::Tensor dropout(const at::Tensor& input, const DropoutOptions& options) {
  return dropout_op().call(input, options.rate, options.same_mask_each_step,
                           static_cast<std::int64_t>(options.key),
                           static_cast<std::int64_t>(options.counter));
}

}  // namespace spikeloom::ops
