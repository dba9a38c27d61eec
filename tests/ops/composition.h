#pragma once
// The layers written as plain compositions of LibTorch's own operators, so that its autograd differentiates
// them: an independent statement of what ours must compute.
#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::ops::test {

using kernels::NeuronParams;
using kernels::Reset;
using kernels::Surrogate;

/// The surrogate derivative at x = v_pre - v_threshold.
inline at::Tensor plain_derivative(const at::Tensor& x, Surrogate surrogate, double a) {
  switch (surrogate) {
    case Surrogate::kRectangular:
      return x.abs().lt(a / 2).to(x.scalar_type()) / a;
    case Surrogate::kTriangular:
      return at::relu(1 - x.abs() / a) / a;
    case Surrogate::kSigmoid: {
      const at::Tensor s = at::sigmoid(4 * x / a);
      return 4 / a * s * (1 - s);
    }
    case Surrogate::kArctan:
      return 1 / (a * (1 + (M_PI * x / a).square()));
  }
  return {};
}

/// Its integral from -infinity: the spike of smooth mode.
inline at::Tensor plain_primitive(const at::Tensor& x, Surrogate surrogate, double a) {
  switch (surrogate) {
    case Surrogate::kRectangular:
      return at::clamp(x / a + 0.5, 0.0, 1.0);
    case Surrogate::kTriangular: {
      const at::Tensor rise = at::relu(1 + at::minimum(x, at::zeros_like(x)) / a).square() / 2;
      const at::Tensor rest = at::relu(1 - at::maximum(x, at::zeros_like(x)) / a).square() / 2;
      return at::where(x < 0, rise, 1 - rest);
    }
    case Surrogate::kSigmoid:
      return at::sigmoid(4 * x / a);
    case Surrogate::kArctan:
      return at::atan(M_PI * x / a) / M_PI + 0.5;
  }
  return {};
}

/// Straight through: the value of the step, the slope of the surrogate.
inline at::Tensor plain_spike(const at::Tensor& v_pre, const at::Tensor& v_threshold,
                              const NeuronParams& params) {
  const at::Tensor x = v_pre - v_threshold;
  if (params.smooth) return plain_primitive(x, params.surrogate, params.surrogate_width);
  const at::Tensor slope = plain_derivative(x.detach(), params.surrogate, params.surrogate_width);
  return v_pre.detach().ge(v_threshold.detach()).to(v_pre.scalar_type()) + slope * (x - x.detach());
}

struct PlainLif {
  at::Tensor spikes, v_pre;  ///< [T, ...]
};

struct PlainLifOptions {
  at::Tensor frozen_gates;      ///< [T, ...]: the reset uses those spikes, as constants
  at::Tensor recurrent_weight;  ///< [P, P] of a layer [T, N, P]: row i weighs the spikes that come in to i
};

/// The LIF layer as a loop over time, of every kind of reset, with a synaptic current where current_decay is
/// not 0, and with its own spikes of the step before where it is recurrent.
inline PlainLif plain_lif(const at::Tensor& input, const at::Tensor& decay, const at::Tensor& v_threshold,
                          std::int64_t num_steps, const NeuronParams& params,
                          const PlainLifOptions& options = {}) {
  std::vector<at::Tensor> spikes, potentials;
  at::Tensor v = at::zeros_like(input[0]), current;
  for (std::int64_t t = 0; t < num_steps; ++t) {
    at::Tensor in = input[input.size(0) == 1 ? 0 : t];
    if (options.recurrent_weight.defined() && t > 0) {
      in = in + at::matmul(spikes.back(), options.recurrent_weight.t());
    }
    current = t == 0 || params.current_decay == 0.0 ? in : params.current_decay * current + in;
    const at::Tensor v_pre = decay * v + current;
    const at::Tensor spike = plain_spike(v_pre, v_threshold, params);
    at::Tensor gate = params.detach_reset ? spike.detach() : spike;
    if (options.frozen_gates.defined()) gate = options.frozen_gates[t];
    switch (params.reset) {
      case Reset::kZero:
        v = v_pre * (1 - gate);
        if (params.v_reset != 0.0) v = v + params.v_reset * gate;
        break;
      case Reset::kSubtract:
        v = v_pre - v_threshold * gate;
        break;
      case Reset::kNone:
        v = v_pre;
        break;
    }
    spikes.push_back(spike);
    potentials.push_back(v_pre);
  }
  return {at::stack(spikes), at::stack(potentials)};
}

/// NeuNorm, eq. 9 and 10: spikes [T, N, C, H, W], u [C or 1, H, W].
inline at::Tensor plain_neunorm(const at::Tensor& spikes, const at::Tensor& u, double decay,
                                double coefficient) {
  std::vector<at::Tensor> outputs;
  at::Tensor x = at::zeros_like(spikes[0].sum(1, true));
  for (std::int64_t t = 0; t < spikes.size(0); ++t) {
    x = decay * x + coefficient * spikes[t].sum(1, true);
    outputs.push_back(spikes[t] - u * x);
  }
  return at::stack(outputs);
}

/// Average pooling of [..., C, H, W].
inline at::Tensor plain_avg_pool(const at::Tensor& x, std::int64_t kernel) {
  const auto leading = x.sizes().slice(0, static_cast<std::size_t>(x.dim() - 3)).vec();
  const at::Tensor y = at::avg_pool2d(x.reshape({-1, x.size(-3), x.size(-2), x.size(-1)}), {kernel, kernel});
  std::vector<std::int64_t> sizes = leading;
  sizes.insert(sizes.end(), {y.size(1), y.size(2), y.size(3)});
  return y.reshape(sizes);
}

/// Votes [N, K] of spikes [T, N, P] by the matrix M.
inline at::Tensor plain_voting(const at::Tensor& spikes, const at::Tensor& class_of,
                               std::int64_t num_classes) {
  at::Tensor m = at::one_hot(class_of.to(at::kLong), num_classes).to(spikes.scalar_type());  // [P, K]
  m = m / m.sum(0, true).clamp_min(1.0);
  return at::matmul(spikes.mean(0), m);
}

}  // namespace spikeloom::ops::test
