#include "spikeloom/ops/neunorm.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/neunorm.h"
#include "spikeloom/ops/layout.h"
#include "spikeloom/ops/operator_handle.h"

namespace spikeloom::ops {
namespace {

kernels::NeuNormSize neunorm_size(const at::Tensor& spikes, const at::Tensor& u) {
  kernels::NeuNormSize size;
  size.num_steps = spikes.size(0);
  size.batch = spikes.size(1);
  size.channels = spikes.size(2);
  size.positions = spikes.size(3) * spikes.size(4);
  size.shared_u = u.size(0) == 1 && size.channels != 1;
  return size;
}

// `maps`: spikes or their gradient, [T, N, C, H, W].
void check_u(const char* name, const at::Tensor& u, const at::Tensor& maps) {
  check_floating_cpu(name, u);
  check_shape(u.dim() == 3 && (u.size(0) == 1 || u.size(0) == maps.size(2)) && u.size(1) == maps.size(3) &&
                  u.size(2) == maps.size(4),
              name, "must be [C, H, W] or [1, H, W] of the spikes", u);
  check_same_dtype(name, u, maps);
}

std::tuple<at::Tensor, at::Tensor> neunorm_forward_cpu(const at::Tensor& spikes, const at::Tensor& u,
                                                       double decay, double coefficient) {
  check_floating_cpu("neunorm: spikes", spikes);
  check_shape(spikes.dim() == 5, "neunorm: spikes", "must be [T, N, C, H, W]", spikes);
  check_u("neunorm: u", u, spikes);
  const at::Tensor s = channels_last(spikes);
  const at::Tensor u_last = channels_last(u);
  const auto size = neunorm_size(s, u);
  at::Tensor output =
      empty_channels_last(s.sizes().slice(0, 2), s.size(2), s.size(3), s.size(4), s.options());
  at::Tensor x = at::empty({s.size(0), s.size(1), s.size(3), s.size(4)}, s.options());
  const kernels::NeuNormParams params{decay, coefficient};
  AT_DISPATCH_FLOATING_TYPES(s.scalar_type(), "neunorm_forward", [&] {
    kernels::cpu::neunorm_forward<scalar_t>(size, params, s.data_ptr<scalar_t>(), u_last.data_ptr<scalar_t>(),
                                            x.data_ptr<scalar_t>(), output.data_ptr<scalar_t>());
  });
  return {output, x};
}

std::tuple<at::Tensor, at::Tensor> neunorm_backward_cpu(const at::Tensor& grad_output, const at::Tensor& u,
                                                        const at::Tensor& x_kept, double decay,
                                                        double coefficient) {
  check_floating_cpu("neunorm_backward: grad_output", grad_output);
  check_shape(grad_output.dim() == 5, "neunorm_backward: grad_output", "must be [T, N, C, H, W]",
              grad_output);
  check_u("neunorm_backward: u", u, grad_output);
  const at::Tensor grad = channels_last(grad_output);
  const std::int64_t x_sizes[] = {grad.size(0), grad.size(1), grad.size(3), grad.size(4)};
  check_shape(x_kept.sizes() == at::IntArrayRef(x_sizes), "neunorm_backward: x",
              "must be [T, N, H, W] of grad_output", x_kept);
  check_same_dtype("neunorm_backward: x", x_kept, grad);
  const at::Tensor x = x_kept.contiguous();
  const at::Tensor u_last = channels_last(u);
  const auto size = neunorm_size(grad, u);
  at::Tensor grad_spikes =
      empty_channels_last(grad.sizes().slice(0, 2), grad.size(2), grad.size(3), grad.size(4), grad.options());
  at::Tensor grad_u = empty_channels_last({}, u.size(0), u.size(1), u.size(2), u.options());
  const kernels::NeuNormParams params{decay, coefficient};
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "neunorm_backward", [&] {
    kernels::cpu::neunorm_backward<scalar_t>(size, params, grad.data_ptr<scalar_t>(),
                                             u_last.data_ptr<scalar_t>(), x.data_ptr<scalar_t>(),
                                             grad_spikes.data_ptr<scalar_t>(), grad_u.data_ptr<scalar_t>());
  });
  return {grad_spikes, grad_u};
}

const auto& neunorm_op() {
  static const auto op = operator_handle<decltype(neunorm_forward_cpu)>("spikeloom::neunorm_forward");
  return op;
}

class NeuNormFunction : public torch::autograd::Function<NeuNormFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& spikes,
                            const at::Tensor& u, double decay, double coefficient) {
    at::AutoDispatchBelowADInplaceOrView guard;
    auto [output, x] = neunorm_op().call(spikes, u, decay, coefficient);
    context->save_for_backward({u, x});
    context->saved_data["decay"] = decay;
    context->saved_data["coefficient"] = coefficient;
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    static const auto op = operator_handle<decltype(neunorm_backward_cpu)>("spikeloom::neunorm_backward");
    const auto saved = context->get_saved_variables();
    auto [grad_spikes, grad_u] =
        op.call(gradients[0], saved[0], saved[1], context->saved_data["decay"].toDouble(),
                context->saved_data["coefficient"].toDouble());
    return {grad_spikes, grad_u, at::Tensor(), at::Tensor()};
  }
};

at::Tensor neunorm_autograd(const at::Tensor& spikes, const at::Tensor& u, double decay, double coefficient) {
  return NeuNormFunction::apply(spikes, u, decay, coefficient);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(spikeloom, m) {
  m.def("neunorm(Tensor spikes, Tensor u, float decay, float coefficient) -> Tensor");
  m.def(
      "neunorm_forward(Tensor spikes, Tensor u, float decay, float coefficient) -> (Tensor output, Tensor "
      "x)");
  m.def(
      "neunorm_backward(Tensor grad_output, Tensor u, Tensor x, float decay, float coefficient) "
      "-> (Tensor grad_spikes, Tensor grad_u)");
}
TORCH_LIBRARY_IMPL(spikeloom, CPU, m) {
  m.impl("neunorm_forward", TORCH_FN(neunorm_forward_cpu));
  m.impl("neunorm_backward", TORCH_FN(neunorm_backward_cpu));
}
TORCH_LIBRARY_IMPL(spikeloom, CompositeImplicitAutograd, m) { m.impl("neunorm", TORCH_FN(neunorm_autograd)); }

at::Tensor neunorm(const at::Tensor& spikes, const at::Tensor& u, double decay, double coefficient) {
  static const auto op = operator_handle<decltype(neunorm_autograd)>("spikeloom::neunorm");
  return op.call(spikes, u, decay, coefficient);
}

}  // namespace spikeloom::ops
