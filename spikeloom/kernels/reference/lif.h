#pragma once
// The iterative leaky integrate-and-fire layer and its gradient, one neuron at a time: the specification.
//
// Forward (Wu et al. 2019, eq. 5 and 6), with v_post[-1] = 0, S the step (or, in smooth mode, the primitive
// of the surrogate), th = v_threshold:
//   v_pre[t]  = decay * v_post[t-1] + input[t]           decay = 1: integrate-and-fire
//   o[t]      = S(v_pre[t] - th)                         1 at and above the threshold
//   v_post[t] = v_pre[t] * (1 - o[t]) + v_reset * o[t]   Reset::kZero (the paper: v_reset = 0)
//             = v_pre[t] - th * o[t]                     Reset::kSubtract
//             = v_pre[t]                                 Reset::kNone
// With current_decay > 0 the neuron is current-based (CUBA): s[t] stands for input[t] above, s[-1] = 0,
//   s[t]      = current_decay * s[t-1] + input[t]
//
// Backward. Let L be the loss, grad_spikes[t] its partial derivative with respect to o[t] through what
// follows the layer, h[t] the surrogate at v_pre[t] - th (in smooth mode it is S' exactly), and write
//   du[t] = dL/dv_pre[t] = dL/ds[t] through v_pre[t],   g[t] = dL/dv_post[t],
//   do[t] = dL/do[t] including the reset.
// v_post[t] acts only through v_pre[t+1], so g[t] = decay * du[t+1], and g[T-1] = 0. Differentiating v_post:
//   kZero:      dv_post/dv_pre = 1 - o,  dv_post/do = -(v_pre - v_reset)
//                              =>  do[t] = grad_spikes[t] - g[t] * (v_pre[t] - v_reset)
//                                  du[t] = do[t] * h[t] + g[t] * (1 - o[t])
//   kSubtract:  dv_post/dv_pre = 1,      dv_post/do = -th      =>  do[t] = grad_spikes[t] - g[t] * th
//                                                                  du[t] = do[t] * h[t] + g[t]
//   kNone:      do[t] = grad_spikes[t],   du[t] = do[t] * h[t] + g[t]
// input[t] acts through s[t], and s[t] through v_pre[t] and s[t+1]:
//   dL/dinput[t] = ds[t] = du[t] + current_decay * ds[t+1],   ds[T] = 0      (plain neuron: dL/dinput = du)
// detach_reset treats o inside v_post as a constant: the second term of do[t] goes, the rest stays. (Eq. 13
// as printed lacks that term; it is there in eq. 5 differentiated in full.) Parameters: decay multiplies
// v_post[t-1] in v_pre[t]; th shifts the argument of S at every step and for kSubtract stands in v_post as
// well:
//   dL/ddecay = sum_t du[t] * v_post[t-1]
//   dL/dth    = sum_t -do[t] * h[t]  (+ for kSubtract  -g[t] * o[t], explicit: kept when the reset is
//   detached)
#include <cmath>
#include <cstdint>

#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/reference/surrogate.h"

namespace spikeloom::kernels::reference {

/// v_post of a step in smooth mode, where a spike is any number in [0, 1].
template <class T>
T smooth_reset(const NeuronParams& params, T v, T spike) {
  const T v_reset = static_cast<T>(params.v_reset);
  if (params.reset == Reset::kSubtract) return v - static_cast<T>(params.v_threshold) * spike;
  if (params.reset == Reset::kNone) return v;
  const T kept = v * (T(1) - spike);
  return params.v_reset == 0.0 ? kept : kept + v_reset * spike;
}

/// lif_forward of the neurons [begin, end) of a layer; returns the sum of their spikes.
template <class T>
double lif_forward_range(const LifSize& size, const NeuronParams& params, const T* input, T* v_pre, T* spikes,
                         std::int64_t begin, std::int64_t end) {
  const T decay = static_cast<T>(params.decay);
  const T v_threshold = static_cast<T>(params.v_threshold);
  const T width = static_cast<T>(params.surrogate_width);
  const T v_reset = static_cast<T>(params.v_reset);
  const T current_decay = static_cast<T>(params.current_decay);
  double sum = 0.0;
  for (std::int64_t i = begin; i < end; ++i) {
    T v_post = T(0), current = T(0);
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      const std::int64_t at = t * size.neurons + i;
      const T in = input[size.static_input ? i : at];
      current = params.current_decay == 0.0 ? in : current_decay * current + in;
      const T v = decay * v_post + current;
      T spike;
      if (params.smooth) {
        spike = surrogate_primitive(params.surrogate, v - v_threshold, width);
        v_post = smooth_reset(params, v, spike);
      } else {
        const bool fires = v >= v_threshold;
        spike = fires ? T(1) : T(0);
        v_post = v;
        if (fires && params.reset == Reset::kZero) v_post = v_reset;
        if (fires && params.reset == Reset::kSubtract) v_post = v - v_threshold;
      }
      if (v_pre != nullptr) v_pre[at] = v;
      spikes[at] = spike;
      sum += static_cast<double>(spike);
    }
  }
  return sum;
}

/// Runs a layer of LIF neurons over all steps: input [T, neurons] ([neurons] if size.static_input) -> spikes
/// and, unless nullptr (inference), v_pre, both [T, neurons]. Returns the number of spikes (smooth mode:
/// their sum, rounded). Exact, deterministic, never throws. Source: Wu et al. 2019, eq. 5 and 6.
template <class T>
std::int64_t lif_forward(const LifSize& size, const NeuronParams& params, const T* input, T* v_pre,
                         T* spikes) {
  return std::llround(lif_forward_range(size, params, input, v_pre, spikes, 0, size.neurons));
}

/// Gradient of lif_forward by the recursion above: grad_spikes, v_pre, spikes [T, neurons] -> grad_input [T,
/// neurons], or [neurons] (the sum over steps, last step first) if size.static_input. `gradients`, unless
/// nullptr, is overwritten with the gradients of decay and v_threshold, summed in double. Deterministic,
/// never throws.
template <class T>
void lif_backward(const LifSize& size, const NeuronParams& params, const T* grad_spikes, const T* v_pre,
                  const T* spikes, T* grad_input, LifParameterGradients* gradients) {
  const T decay = static_cast<T>(params.decay);
  const T v_threshold = static_cast<T>(params.v_threshold);
  const T width = static_cast<T>(params.surrogate_width);
  const T reset_path = params.detach_reset ? T(0) : T(1);
  const T v_reset = static_cast<T>(params.v_reset);
  const T current_decay = static_cast<T>(params.current_decay);
  const bool to_zero = params.reset == Reset::kZero;
  LifParameterGradients sums;
  for (std::int64_t i = 0; i < size.neurons; ++i) {
    T du_next = T(0), ds = T(0), ds_sum = T(0);
    for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
      const std::int64_t at = t * size.neurons + i;
      const T v = v_pre[at];
      const T g = decay * du_next;
      T through_reset = T(0);
      if (to_zero) through_reset = g * (v - v_reset);
      if (params.reset == Reset::kSubtract) through_reset = g * v_threshold;
      const T spike_gradient = grad_spikes[at] - reset_path * through_reset;
      const T through_spike = spike_gradient * surrogate_derivative(params.surrogate, v - v_threshold, width);
      const T du = through_spike + (to_zero ? g * (T(1) - spikes[at]) : g);
      if (t > 0) {
        const T v_before = v_pre[at - size.neurons];
        const T spike_before = spikes[at - size.neurons];
        const T v_post_before = smooth_reset(params, v_before, spike_before);
        sums.decay += static_cast<double>(du) * static_cast<double>(v_post_before);
      }
      sums.v_threshold -= static_cast<double>(through_spike);
      if (params.reset == Reset::kSubtract)
        sums.v_threshold -= static_cast<double>(g) * static_cast<double>(spikes[at]);
      ds = params.current_decay == 0.0 ? du : du + current_decay * ds;
      if (size.static_input) {
        ds_sum += ds;
      } else {
        grad_input[at] = ds;
      }
      du_next = du;
    }
    if (size.static_input) grad_input[i] = ds_sum;
  }
  if (gradients != nullptr) *gradients = sums;
}

}  // namespace spikeloom::kernels::reference
