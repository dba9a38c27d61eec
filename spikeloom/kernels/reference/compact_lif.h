#pragma once
// The LIF neuron with compact state: the same forward pass as lif.h, but what is kept are bits and codes
// (packed_spikes.h, v_pre_code.h), and the gradient is computed from them. float arithmetic; input and
// gradients float or BFloat16.
#include <cstdint>
#include <cstring>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/reference/surrogate.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::kernels::reference {

/// Where the code of a neuron lies, counted in codes: at step * stride + neuron - first.
struct CodeRows {
  std::int64_t stride = 0;  ///< 0: as many as there are neurons
  std::int64_t first = 0;
  std::int64_t at(const LifSize& size, std::int64_t step, std::int64_t neuron) const {
    return step * (stride != 0 ? stride : size.neurons) + neuron - first;
  }
};

/// Code number `at` of codes of code_bytes(state) bytes each.
inline std::uint16_t load_code(CompactState state, const std::uint8_t* codes, std::int64_t at) {
  if (code_bytes(state) == 1) return codes[at];
  std::uint16_t code;
  std::memcpy(&code, codes + at * 2, sizeof code);
  return code;
}
inline void store_code(CompactState state, std::uint16_t code, std::uint8_t* codes, std::int64_t at) {
  if (code_bytes(state) == 1) {
    codes[at] = static_cast<std::uint8_t>(code);
  } else {
    std::memcpy(codes + at * 2, &code, sizeof code);
  }
}

/// The neurons [begin, end), begin a multiple of 8. input [T, neurons] ([neurons] if size.static_input) ->
/// spikes [T, packed_bytes]; state, unless nullptr: [T, state_bytes(params, neurons)]. Returns the number of
/// spikes. Bits behind `end` in its last byte are left alone.
template <class T>
std::int64_t compact_lif_forward_range(const LifSize& size, const NeuronParams& params, const T* input,
                                       std::uint8_t* spikes, std::uint8_t* state, std::int64_t begin,
                                       std::int64_t end, const CodeRows& rows = {}) {
  const auto decay = static_cast<float>(params.decay);
  const auto v_threshold = static_cast<float>(params.v_threshold);
  const VPreCode code(params);
  const CompactState kind = compact_state(params);
  const auto v_reset = static_cast<float>(params.v_reset);
  const auto current_decay = static_cast<float>(params.current_decay);
  const std::int64_t stride = packed_bytes(size.neurons);
  std::int64_t count = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    float v_post = 0.0f, current = 0.0f;
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      const float in = to_float(input[size.static_input ? i : t * size.neurons + i]);
      current = params.current_decay == 0.0 ? in : current_decay * current + in;
      const float v = decay * v_post + current;
      const bool fires = v >= v_threshold;
      v_post = v;
      if (fires && params.reset == Reset::kZero) v_post = v_reset;
      if (fires && params.reset == Reset::kSubtract) v_post = v - v_threshold;
      set_bit(spikes + t * stride, i, fires);
      count += fires ? 1 : 0;
      if (state == nullptr) continue;
      const std::uint16_t kept = code.encode(v - v_threshold);
      if (kind == CompactState::kWindowBit) {
        set_bit(state + t * stride, i, kept != 0);
      } else {
        store_code(kind, kept, state, rows.at(size, t, i));
      }
    }
  }
  return count;
}

/// Gradient with respect to the spikes of neuron i at step t, from that of the pooled spikes.
template <class T>
float pooled_gradient(const PackedImages& images, const T* gradient, std::int64_t t, std::int64_t i) {
  const std::int64_t k = images.pool;
  if (k == 1) return to_float(gradient[t * images.neurons() + i]);
  const std::int64_t c = i % images.channels, pixel = i / images.channels;
  const std::int64_t x = pixel % images.width / k, row = pixel / images.width;
  const std::int64_t y = row % images.height / k, n = row / images.height;
  if (x >= images.pooled_width() || y >= images.pooled_height()) return 0.0f;
  const std::int64_t at =
      ((n * images.pooled_height() + y) * images.pooled_width() + x) * images.channels + c;
  return to_float(gradient[t * images.pooled_neurons() + at]) * (1.0f / static_cast<float>(k * k));
}

/// The recursion of lif.h on what compact_lif_forward kept. grad_pooled [T, pooled neurons] -> grad_input
/// [T, neurons], or [neurons] (sum over the steps, last first) if size.static_input. `gradients`, unless
/// nullptr, for which CompactState::kTailCode is needed, is added to: terms in float as of lif.h, sums in
/// double,
///   dL/ddecay = sum_t du[t+1] v_post[t],    dL/dv_threshold = sum_t -do[t] h[t]  (kSubtract: - g[t] o[t])
/// where v_post[t] is found from the decoded v_pre and the spike.
template <class G, class T>
void compact_lif_backward_range(const LifSize& size, const NeuronParams& params, const PackedImages& images,
                                const G* grad_pooled, const std::uint8_t* spikes, const std::uint8_t* state,
                                T* grad_input, std::int64_t begin, std::int64_t end,
                                const CodeRows& rows = {}, LifParameterGradients* gradients = nullptr) {
  const auto decay = static_cast<float>(params.decay);
  const auto v_threshold = static_cast<float>(params.v_threshold);
  const auto v_reset = static_cast<float>(params.v_reset);
  const auto current_decay = static_cast<float>(params.current_decay);
  const auto width = static_cast<float>(params.surrogate_width);
  const bool to_zero = params.reset == Reset::kZero;
  const float reset_path = params.detach_reset ? 0.0f : 1.0f;
  const VPreCode code(params);
  const CompactState kind = compact_state(params);
  const std::int64_t stride = packed_bytes(size.neurons);
  for (std::int64_t i = begin; i < end; ++i) {
    float du = 0.0f, ds = 0.0f, ds_sum = 0.0f;
    for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
      const bool fired = get_bit(spikes + t * stride, i);
      float x = 0.0f, h = 0.0f;
      if (kind == CompactState::kWindowBit) {
        h = get_bit(state + t * stride, i) ? 1.0f / width : 0.0f;
      } else {
        const std::uint16_t kept = load_code(kind, state, rows.at(size, t, i));
        x = code.decode(kept, fired);
        if (!code.closes) {
          h = surrogate_derivative(params.surrogate, x, width);
        } else if (kept != 0) {
          h = params.surrogate == Surrogate::kRectangular ? 1.0f / width
                                                          : surrogate_derivative(params.surrogate, x, width);
        }
      }
      const float g = decay * du;
      float through_reset = 0.0f;
      if (to_zero) through_reset = g * (v_threshold + x - v_reset);
      if (params.reset == Reset::kSubtract) through_reset = g * v_threshold;
      const float spike_gradient = pooled_gradient(images, grad_pooled, t, i) - reset_path * through_reset;
      const float through_spike = spike_gradient * h;
      const float kept_gradient = to_zero && fired ? 0.0f : g;
      if (gradients != nullptr) {
        float v_post = v_threshold + x;
        if (fired && to_zero) v_post = v_reset;
        if (fired && params.reset == Reset::kSubtract) v_post = x;
        gradients->decay += static_cast<double>(du * v_post);
        const float reset_term = fired && params.reset == Reset::kSubtract ? g : 0.0f;
        gradients->v_threshold -= static_cast<double>(through_spike + reset_term);
      }
      du = through_spike + kept_gradient;
      ds = params.current_decay == 0.0 ? du : du + current_decay * ds;
      if (size.static_input) {
        ds_sum += ds;
      } else {
        grad_input[t * size.neurons + i] = from_float<T>(ds);
      }
    }
    if (size.static_input) grad_input[i] = from_float<T>(ds_sum);
  }
}

/// Packed spikes as values: averages over pool x pool pixels, [T, N, H / pool, W / pool, C].
template <class T>
void unpack_spikes(const PackedImages& images, const std::uint8_t* spikes, T* values) {
  const std::int64_t k = images.pool, stride = packed_bytes(images.neurons());
  const float scale = 1.0f / static_cast<float>(k * k);
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    for (std::int64_t o = 0; o < images.pooled_neurons(); ++o) {
      const std::int64_t c = o % images.channels, pixel = o / images.channels;
      const std::int64_t x = pixel % images.pooled_width(), row = pixel / images.pooled_width();
      const std::int64_t y = row % images.pooled_height(), n = row / images.pooled_height();
      int sum = 0;
      for (std::int64_t dy = 0; dy < k; ++dy) {
        for (std::int64_t dx = 0; dx < k; ++dx) {
          const std::int64_t source = (n * images.height + y * k + dy) * images.width + x * k + dx;
          sum += get_bit(spikes + t * stride, source * images.channels + c) ? 1 : 0;
        }
      }
      values[t * images.pooled_neurons() + o] = from_float<T>(static_cast<float>(sum) * scale);
    }
  }
}

}  // namespace spikeloom::kernels::reference
