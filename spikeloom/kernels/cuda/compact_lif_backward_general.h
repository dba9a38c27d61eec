#pragma once
// The backward pass of any neuron (is_plain, NeuronParams::learnable), and the gradients of decay and
// v_threshold. What is a constant of a functor's type in compact_lif_backward.h is a value here.
#include "spikeloom/kernels/cuda/compact_lif_backward.h"

namespace spikeloom::kernels::cuda {

/// dL/ddecay and dL/dv_threshold, or parts of them.
struct ParameterSums {
  double decay, v_threshold;
  SPIKELOOM_HOST_DEVICE static ParameterSums add(const ParameterSums& lower, const ParameterSums& upper) {
    return {lower.decay + upper.decay, lower.v_threshold + upper.v_threshold};
  }
};

/// Row = kWarpLanes neurons, one a lane; their sums go to `sums` unless it is nullptr.
template <class G, class T>
struct BackwardGeneral {
  using Value = ParameterSums;

  BackwardArguments<G, T> a;
  CompactState state;
  Surrogate surrogate;
  Reset reset;
  float v_reset, current_decay, half_width;
  ParameterSums* sums;

  SPIKELOOM_HOST_DEVICE static Value add(const Value& lower, const Value& upper) {
    return Value::add(lower, upper);
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, const Value& value) const {
    if (sums != nullptr) sums[row] = value;
  }

  SPIKELOOM_HOST_DEVICE Value partial(std::int64_t row, int lane) const {
    const std::int64_t neuron = row * kWarpLanes + lane;
    Value own{0.0, 0.0};
    if (neuron >= a.neurons) return own;
    std::int64_t n = neuron;
    const std::int64_t c = a.by_channels.split(n), x_of = a.by_width.split(n), y_of = a.by_height.split(n);
    const GradientPlace place = place_of(a, n, y_of, x_of);
    float du = 0.0f, ds = 0.0f, sum = 0.0f;
    for (std::int64_t t = a.num_steps - 1; t >= 0; --t) {
      const bool fired = get_bit(a.spikes + t * a.bit_stride, neuron);
      float x = 0.0f;
      const float h = slope(t, neuron, fired, x);
      const float g = a.step.decay * du, v = a.step.v_threshold + x;
      float through_reset = 0.0f, v_post = v, reset_term = 0.0f;
      if (reset == Reset::kZero) {
        through_reset = g * (v - v_reset);
        if (fired) v_post = v_reset;
      } else if (reset == Reset::kSubtract) {
        through_reset = g * a.step.v_threshold;
        if (fired) v_post = x;
        if (fired) reset_term = g;
      }
      const float through_spike = (gradient_at(t, place, c) - a.step.reset_path * through_reset) * h;
      own.decay += static_cast<double>(du * v_post);
      own.v_threshold -= static_cast<double>(through_spike + reset_term);
      du = through_spike + (fired && reset == Reset::kZero ? 0.0f : g);
      ds = current_decay == 0.0f ? du : du + current_decay * ds;
      sum += ds;
      if (!a.static_input) a.grad_current[t * a.neurons + neuron] = from_float<T>(ds);
    }
    if (a.static_input) a.grad_current[neuron] = from_float<T>(sum);
    return own;
  }

 private:
  SPIKELOOM_HOST_DEVICE float gradient_at(std::int64_t t, const GradientPlace& place, std::int64_t c) const {
    const float value =
        place.is_pooled ? to_float(a.gradient[t * a.pooled_stride + place.window * a.channels + c]) : 0.0f;
    if (a.dx == nullptr) return spike_gradient<false>(value, a.scale, 0.0f, 0.0f);
    const bool has_dx = place.is_pooled || !a.dx_after_pooling;
    const float own = has_dx ? a.coefficient * a.dx[t * a.dx_stride + place.dx] : 0.0f;
    return spike_gradient<true>(value, a.scale, a.dx_after_pooling ? 0.0f : own,
                                a.dx_after_pooling ? own : 0.0f);
  }

  /// The surrogate, and x = v_pre - v_threshold unless a window bit is all there is.
  SPIKELOOM_HOST_DEVICE float slope(std::int64_t t, std::int64_t neuron, bool fired, float& x) const {
    if (state == CompactState::kWindowBit) {
      return get_bit(a.state + t * a.bit_stride, neuron) ? a.step.inverse : 0.0f;
    }
    if (state == CompactState::kOpenCode) {
      const std::uint32_t code = a.state[t * a.state_stride + neuron];
      x = a.step.template decode<Slope::kTriangular>(code, 0, fired);
      if (surrogate == Surrogate::kRectangular) return code != 0 ? a.step.inverse : 0.0f;
      return a.step.template slope<Slope::kTriangular>(code != 0, x);
    }
    const std::uint8_t* at = a.state + t * a.state_stride + neuron * 2;
    x = a.step.template decode<Slope::kArctan>(at[0] | static_cast<std::uint32_t>(at[1]) << 8, 0, fired);
    switch (surrogate) {
      case Surrogate::kRectangular:
        return fabsf(x) < half_width ? a.step.inverse : 0.0f;
      case Surrogate::kTriangular:
        return a.step.template slope<Slope::kTriangular>(true, x);
      case Surrogate::kSigmoid:
        return a.step.template slope<Slope::kSigmoid>(true, x);
      case Surrogate::kArctan:
        break;
    }
    return a.step.template slope<Slope::kArctan>(true, x);
  }
};

/// Row = part of `count` sums, `length` of them.
struct AddSums {
  using Value = ParameterSums;
  std::int64_t count, length;
  const ParameterSums* from;
  ParameterSums* to;

  SPIKELOOM_HOST_DEVICE Value partial(std::int64_t row, int lane) const {
    const std::int64_t end = (row + 1) * length < count ? (row + 1) * length : count;
    Value sum{0.0, 0.0};
    for (std::int64_t i = row * length + lane; i < end; i += kWarpLanes) sum = Value::add(sum, from[i]);
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static Value add(const Value& lower, const Value& upper) {
    return Value::add(lower, upper);
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, const Value& value) const { to[row] = value; }
};

constexpr std::int64_t kSumParts = 512;

template <class G, class T>
void run_general(const Queue& queue, const NeuronParams& params, const BackwardArguments<G, T>& arguments,
                 double* parameter_gradients, void* workspace) {
  const char* kernel = "compact_lif_backward";
  const std::int64_t rows = (arguments.neurons + kWarpLanes - 1) / kWarpLanes;
  auto* sums = parameter_gradients != nullptr ? static_cast<ParameterSums*>(workspace) : nullptr;
  reduce_rows<kWarpLanes>(
      queue, kernel, rows,
      BackwardGeneral<G, T>{arguments, compact_state(params), params.surrogate, params.reset,
                            static_cast<float>(params.v_reset), static_cast<float>(params.current_decay),
                            static_cast<float>(params.surrogate_width) * 0.5f, sums});
  if (sums == nullptr) return;
  const std::int64_t length = (rows + kSumParts - 1) / kSumParts;
  const std::int64_t parts = length > 0 ? (rows + length - 1) / length : 0;
  reduce_rows<kWarpLanes>(queue, kernel, parts, AddSums{rows, length, sums, sums + rows});
  reduce_rows<kWarpLanes>(
      queue, kernel, 1,
      AddSums{parts, parts, sums + rows, reinterpret_cast<ParameterSums*>(parameter_gradients)});
}

}  // namespace spikeloom::kernels::cuda
