#include "spikeloom/ops/lif.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/ops/layout.h"
#include "spikeloom/ops/operator_handle.h"

namespace spikeloom::ops {
namespace {

using kernels::NeuronParams;

// The schema has flat arguments; in C++ they travel as one struct. Enumerations go as integers.
NeuronParams make_params(const at::Tensor& decay, const at::Tensor& v_threshold, std::int64_t surrogate,
                         double surrogate_width, std::int64_t reset, bool detach_reset, bool smooth,
                         double v_reset, double current_decay) {
  if (surrogate < 0 || surrogate > 3) {
    throw ConfigError("lif: surrogate must be 0 ... 3, not " + std::to_string(surrogate));
  }
  if (reset < 0 || reset > 2) throw ConfigError("lif: reset must be 0 ... 2, not " + std::to_string(reset));
  if (!(surrogate_width > 0.0)) {
    throw ConfigError("lif: surrogate_width must be above 0, not " + std::to_string(surrogate_width));
  }
  if (!(current_decay >= 0.0 && current_decay < 1.0)) {
    throw ConfigError("lif: current_decay must be from 0 to below 1, not " + std::to_string(current_decay));
  }
  if (!std::isfinite(v_reset)) throw ConfigError("lif: v_reset must be a finite number");
  check_shape(decay.numel() == 1, "lif: decay", "must be a scalar", decay);
  check_shape(v_threshold.numel() == 1, "lif: v_threshold", "must be a scalar", v_threshold);
  NeuronParams params;
  params.decay = decay.item().toDouble();
  params.v_threshold = v_threshold.item().toDouble();
  params.surrogate = static_cast<kernels::Surrogate>(surrogate);
  params.surrogate_width = surrogate_width;
  params.reset = static_cast<kernels::Reset>(reset);
  params.detach_reset = detach_reset;
  params.smooth = smooth;
  params.v_reset = v_reset;
  params.current_decay = current_decay;
  return params;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> lif_forward_cpu(
    const at::Tensor& input, const at::Tensor& decay, const at::Tensor& v_threshold, std::int64_t num_steps,
    std::int64_t surrogate, double surrogate_width, std::int64_t reset, bool detach_reset, bool smooth,
    bool keep_v_pre, double v_reset, double current_decay) {
  const NeuronParams params = make_params(decay, v_threshold, surrogate, surrogate_width, reset, detach_reset,
                                          smooth, v_reset, current_decay);
  check_floating_cpu("lif: input", input);
  check_shape(input.dim() >= 1, "lif: input", "must be [T, N, ...]", input);
  if (num_steps < 1) throw ShapeError("lif: num_steps must be at least 1, not " + std::to_string(num_steps));
  const bool is_static = input.size(0) == 1 && num_steps > 1;
  check_shape(is_static || input.size(0) == num_steps, "lif: input",
              "its first size must be num_steps = " + std::to_string(num_steps) + " (or 1: static)", input);

  const at::Tensor x = time_outermost(input);
  std::vector<std::int64_t> sizes = x.sizes().vec();
  std::vector<std::int64_t> strides = x.strides().vec();
  const std::int64_t neurons = x.size(0) > 0 ? x.numel() / x.size(0) : 0;
  sizes[0] = num_steps;
  strides[0] = neurons;
  at::Tensor spikes = at::empty_strided(sizes, strides, x.options());
  at::Tensor v_pre =
      keep_v_pre ? at::empty_strided(sizes, strides, x.options()) : at::empty({0}, x.options());
  const kernels::LifSize size{num_steps, neurons, is_static};
  std::int64_t count = 0;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "lif_forward", [&] {
    count = kernels::cpu::lif_forward<scalar_t>(size, params, x.data_ptr<scalar_t>(),
                                                keep_v_pre ? v_pre.data_ptr<scalar_t>() : nullptr,
                                                spikes.data_ptr<scalar_t>());
  });
  return {spikes, v_pre, at::scalar_tensor(count, at::kLong)};
}

void check_like(const char* name, const at::Tensor& x, const at::Tensor& spikes) {
  check_shape(x.sizes() == spikes.sizes(), name, "must have the shape of the spikes", x);
  check_same_dtype(name, x, spikes);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> lif_backward_cpu(
    const at::Tensor& grad_spikes, const at::Tensor& v_pre_kept, const at::Tensor& spikes_kept,
    const at::Tensor& decay, const at::Tensor& v_threshold, bool is_static, std::int64_t surrogate,
    double surrogate_width, std::int64_t reset, bool detach_reset, bool smooth, bool parameter_gradients,
    double v_reset, double current_decay) {
  const NeuronParams params = make_params(decay, v_threshold, surrogate, surrogate_width, reset, detach_reset,
                                          smooth, v_reset, current_decay);
  check_floating_cpu("lif_backward: grad_spikes", grad_spikes);
  check_shape(spikes_kept.dim() >= 1 && spikes_kept.size(0) >= 1, "lif_backward: spikes",
              "must be [T, N, ...] with T at least 1", spikes_kept);
  check_like("lif_backward: grad_spikes", grad_spikes, spikes_kept);
  check_like("lif_backward: v_pre", v_pre_kept, spikes_kept);
  const at::Tensor spikes = time_outermost(spikes_kept);
  const at::Tensor v_pre = with_strides_of(v_pre_kept, spikes);
  const at::Tensor grad = with_strides_of(grad_spikes, spikes);
  const std::int64_t num_steps = spikes.size(0);
  const std::int64_t neurons = spikes.numel() / num_steps;
  std::vector<std::int64_t> sizes = spikes.sizes().vec();
  if (is_static) sizes[0] = 1;
  at::Tensor grad_input = at::empty_strided(sizes, spikes.strides(), spikes.options());
  kernels::LifParameterGradients sums;
  const kernels::LifSize size{num_steps, neurons, is_static};
  AT_DISPATCH_FLOATING_TYPES(spikes.scalar_type(), "lif_backward", [&] {
    kernels::cpu::lif_backward<scalar_t>(size, params, grad.data_ptr<scalar_t>(), v_pre.data_ptr<scalar_t>(),
                                         spikes.data_ptr<scalar_t>(), grad_input.data_ptr<scalar_t>(),
                                         parameter_gradients ? &sums : nullptr);
  });
  const auto as_tensor = [&](double value, const at::Tensor& like) {
    return at::scalar_tensor(value, at::kDouble).to(like.scalar_type()).view(like.sizes());
  };
  return {grad_input, as_tensor(sums.decay, decay), as_tensor(sums.v_threshold, v_threshold)};
}

const auto& lif_forward_op() {
  static const auto op = operator_handle<decltype(lif_forward_cpu)>("spikeloom::lif_forward");
  return op;
}

const auto& lif_backward_op() {
  static const auto op = operator_handle<decltype(lif_backward_cpu)>("spikeloom::lif_backward");
  return op;
}

class LifFunction : public torch::autograd::Function<LifFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& input, const at::Tensor& decay,
                                                const at::Tensor& v_threshold, std::int64_t num_steps,
                                                std::int64_t surrogate, double surrogate_width,
                                                std::int64_t reset, bool detach_reset, bool smooth,
                                                double v_reset, double current_decay) {
    at::AutoDispatchBelowADInplaceOrView guard;
    auto [spikes, v_pre, count] =
        lif_forward_op().call(input, decay, v_threshold, num_steps, surrogate, surrogate_width, reset,
                              detach_reset, smooth, true, v_reset, current_decay);
    context->save_for_backward({v_pre, spikes, decay, v_threshold});
    context->mark_non_differentiable({count});
    auto& data = context->saved_data;
    data["is_static"] = input.size(0) == 1 && num_steps > 1;
    data["surrogate"] = surrogate;
    data["surrogate_width"] = surrogate_width;
    data["reset"] = reset;
    data["detach_reset"] = detach_reset;
    data["smooth"] = smooth;
    data["v_reset"] = v_reset;
    data["current_decay"] = current_decay;
    data["parameter_gradients"] = decay.requires_grad() || v_threshold.requires_grad();
    return {spikes, count};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const bool parameter_gradients = data["parameter_gradients"].toBool();
    auto [grad_input, grad_decay, grad_threshold] = lif_backward_op().call(
        gradients[0], saved[0], saved[1], saved[2], saved[3], data["is_static"].toBool(),
        data["surrogate"].toInt(), data["surrogate_width"].toDouble(), data["reset"].toInt(),
        data["detach_reset"].toBool(), data["smooth"].toBool(), parameter_gradients,
        data["v_reset"].toDouble(), data["current_decay"].toDouble());
    const at::Tensor none;
    return {grad_input,
            parameter_gradients ? grad_decay : none,
            parameter_gradients ? grad_threshold : none,
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            none};
  }
};

std::tuple<at::Tensor, at::Tensor> lif_autograd(const at::Tensor& input, const at::Tensor& decay,
                                                const at::Tensor& v_threshold, std::int64_t num_steps,
                                                std::int64_t surrogate, double surrogate_width,
                                                std::int64_t reset, bool detach_reset, bool smooth,
                                                double v_reset, double current_decay) {
  const bool needs_gradient = at::GradMode::is_enabled() &&
                              (input.requires_grad() || decay.requires_grad() || v_threshold.requires_grad());
  if (needs_gradient) {
    auto outputs = LifFunction::apply(input, decay, v_threshold, num_steps, surrogate, surrogate_width, reset,
                                      detach_reset, smooth, v_reset, current_decay);
    return {outputs[0], outputs[1]};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  auto [spikes, v_pre, count] =
      lif_forward_op().call(input, decay, v_threshold, num_steps, surrogate, surrogate_width, reset,
                            detach_reset, smooth, false, v_reset, current_decay);
  return {spikes, count};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(spikeloom, m) {
  m.def(
      "lif(Tensor input, Tensor decay, Tensor v_threshold, int num_steps, int surrogate, float "
      "surrogate_width, int reset, bool detach_reset, bool smooth, float v_reset=0.0, float "
      "current_decay=0.0) -> (Tensor spikes, Tensor spike_count)");
  m.def(
      "lif_forward(Tensor input, Tensor decay, Tensor v_threshold, int num_steps, int surrogate, "
      "float surrogate_width, int reset, bool detach_reset, bool smooth, bool keep_v_pre, float v_reset=0.0, "
      "float current_decay=0.0) -> (Tensor spikes, Tensor v_pre, Tensor spike_count)");
  m.def(
      "lif_backward(Tensor grad_spikes, Tensor v_pre, Tensor spikes, Tensor decay, Tensor v_threshold, "
      "bool is_static, int surrogate, float surrogate_width, int reset, bool detach_reset, bool smooth, "
      "bool parameter_gradients, float v_reset=0.0, float current_decay=0.0) -> (Tensor grad_input, Tensor "
      "grad_decay, Tensor grad_v_threshold)");
}

TORCH_LIBRARY_IMPL(spikeloom, CPU, m) {
  m.impl("lif_forward", TORCH_FN(lif_forward_cpu));
  m.impl("lif_backward", TORCH_FN(lif_backward_cpu));
}

// Composite: without the Autograd key (inference mode) it still works, as the plain forward pass.
TORCH_LIBRARY_IMPL(spikeloom, CompositeImplicitAutograd, m) { m.impl("lif", TORCH_FN(lif_autograd)); }

LifResult lif(const at::Tensor& input, const at::Tensor& decay, const at::Tensor& v_threshold,
              std::int64_t num_steps, const kernels::NeuronParams& params) {
  static const auto op = operator_handle<decltype(lif_autograd)>("spikeloom::lif");
  auto [spikes, count] =
      op.call(input, decay, v_threshold, num_steps, static_cast<std::int64_t>(params.surrogate),
              params.surrogate_width, static_cast<std::int64_t>(params.reset), params.detach_reset,
              params.smooth, params.v_reset, params.current_decay);
  return {spikes, count};
}

}  // namespace spikeloom::ops
