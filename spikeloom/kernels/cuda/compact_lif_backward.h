#pragma once
// The functors of compact_lif_backward for the plain neurons; compiled once a pair of types.
#include <cstring>
#include <type_traits>

#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/lif_sizes.h"
#include "spikeloom/kernels/cuda/lif_step.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {

/// What the functors below have in common.
template <class G, class T>
struct BackwardArguments {
  BackwardStep step;
  int num_steps;
  std::int64_t neurons, channels, height, width, pool, pooled_height, pooled_width;
  std::int64_t bit_stride, state_stride, pooled_stride;  ///< packed_bytes, state_bytes, pooled_neurons
  std::int64_t dx_stride;                                ///< N * P of NeuNorm
  bool static_input, dx_after_pooling;
  int row;      ///< neurons from one row of pixels to the next
  float scale;  ///< 1 / pool^2
  float coefficient;
  const G* gradient;
  const float* dx;
  const std::uint8_t* spikes;
  const std::uint8_t* state;
  T* grad_current;
  Divisor by_channels, by_octets, by_width, by_height, by_pool;
};

/// The gradient of a spike: `value` is that of its pooled pixel, 0 where the pooling drops the pixel, and so
/// is dx behind the pooling; `before` and `behind` are coefficient * dx where NeuNorm stands there, else 0.
template <bool kNeuNorm>
SPIKELOOM_HOST_DEVICE inline float spike_gradient(float value, float scale, float before, float behind) {
  return kNeuNorm ? (value + behind) * scale + before : value * scale;
}

/// Where the pixel (n, y, x) reads its gradient.
struct GradientPlace {
  bool is_pooled;       ///< its window is whole
  std::int64_t window;  ///< pooled pixel of a step
  std::int64_t dx;      ///< element of dx of a step
};

template <class G, class T>
SPIKELOOM_HOST_DEVICE inline GradientPlace place_of(const BackwardArguments<G, T>& a, std::int64_t n,
                                                    std::int64_t y, std::int64_t x) {
  const std::int64_t window_y = a.by_pool.quotient(y), window_x = a.by_pool.quotient(x);
  GradientPlace place;
  place.is_pooled = window_y < a.pooled_height && window_x < a.pooled_width;
  place.window = (n * a.pooled_height + window_y) * a.pooled_width + window_x;
  place.dx = a.dx_after_pooling ? place.window : (n * a.height + y) * a.width + x;
  return place;
}

/// Index = window of kWindow x kWindow pixels and eight channels. Channels are a multiple of 8 and addresses
/// of 16. kWindow is the pooling, or 1: then each pixel finds its place under any pooling.
template <class G, class T, Slope kSlope, int kWindow, bool kStatic, bool kNeuNorm>
struct BackwardWindows {
  static constexpr int kPixels = kWindow * kWindow;
  static constexpr bool kSmooth = has_tails(kSlope);
  static constexpr bool kBits = kSlope == Slope::kWindow;
  static constexpr int kCodeBytes = code_bytes(kSlope);
  /// Steps loaded at a time: enough loads in flight, and no more registers than there are.
  static constexpr int kAhead = kPixels == 1 ? (sizeof(G) == 2 ? 4 : 2) : (kStatic || sizeof(G) == 4 ? 1 : 2);
  static constexpr int kMinBlocks =
      kPixels == 1 ? (kStatic && kNeuNorm ? 2 : 3) : (kStatic && kSmooth ? 1 : 2);

  BackwardArguments<G, T> a;
  Divisor windows_x, windows_y;

  struct Loaded {
    RawOctet<G> gradient;
    std::uint32_t fired[kPixels];
    std::uint32_t codes[kPixels][2 * kCodeBytes];  ///< or the window bits in the first
    float dx[kNeuNorm ? kPixels : 1];
  };
  /// What is read at a step, and where its results go.
  struct Cursor {
    const G* gradient;
    const std::uint8_t* spikes;
    const std::uint8_t* state;
    const float* dx;
    T* to;
  };

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t n = index;
    const std::int64_t channel = a.by_octets.split(n) * 8;
    std::int64_t first_neuron = index * 8;
    int offset[kPixels] = {0};  // of neurons, from the first pixel of the window
    bool there[kPixels] = {true};
    GradientPlace place{true, 0, 0};
    const bool plain = kWindow == 1 && !kNeuNorm && a.pool == 1;
    if (!plain) {
      const std::int64_t x = windows_x.split(n) * kWindow, y = windows_y.split(n) * kWindow;
      first_neuron = ((n * a.height + y) * a.width + x) * a.channels + channel;
      place = place_of(a, n, y, x);
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) {
        offset[q] = q / kWindow * a.row + q % kWindow * static_cast<int>(a.channels);
        there[q] = y + q / kWindow < a.height && x + q % kWindow < a.width;
      }
    }
    const std::int64_t last = a.num_steps - 1;
    Cursor read{
        a.gradient + last * a.pooled_stride + (plain ? first_neuron : place.window * a.channels + channel),
        a.spikes + last * a.bit_stride + first_neuron / 8,
        a.state + last * a.state_stride + (kBits ? first_neuron / 8 : first_neuron * kCodeBytes),
        a.dx + (kNeuNorm ? last * a.dx_stride + place.dx : 0), nullptr};
    T* to = a.grad_current + (kStatic ? 0 : last * a.neurons) + first_neuron;
    float du[kPixels][8] = {};
    float sum[kStatic ? kPixels : 1][8] = {};
    for (int left = a.num_steps; left > 0; left -= kAhead) {
      Loaded loaded[kAhead];
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        if (j < left) load(read, place.is_pooled, offset, there, loaded[j]);
      }
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        if (j >= left) continue;
        SPIKELOOM_UNROLL
        for (int q = 0; q < kPixels; ++q) {
          if (!there[q]) continue;
          run(loaded[j], q, du[q]);
          if constexpr (kStatic) {
            SPIKELOOM_UNROLL
            for (int i = 0; i < 8; ++i) sum[q][i] += du[q][i];
          } else {
            store_octet(raw_of<T>(du[q]), to + offset[q]);
          }
        }
        if (!kStatic) to -= a.neurons;
      }
    }
    if constexpr (kStatic) {
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) {
        if (there[q]) store_octet(raw_of<T>(sum[q]), to + offset[q]);
      }
    }
  }

 private:
  SPIKELOOM_HOST_DEVICE void run(const Loaded& loaded, int q, float (&du)[8]) const {
    float before = 0.0f, behind = 0.0f;
    if constexpr (kNeuNorm) {
      const float own = a.coefficient * loaded.dx[q];
      before = a.dx_after_pooling ? 0.0f : own;
      behind = a.dx_after_pooling ? own : 0.0f;
    }
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      const float gradient = spike_gradient<kNeuNorm>(value_of(loaded.gradient, i), a.scale, before, behind);
      const bool fired = (loaded.fired[q] & 1u << i) != 0;
      if constexpr (kBits) {
        a.step.template step<kSlope>(gradient, fired, (loaded.codes[q][0] & 1u << i) != 0, 0.0f, du[i]);
      } else {
        constexpr int kCodesInWord = 4 / kCodeBytes;
        const std::uint32_t word = loaded.codes[q][i / kCodesInWord];
        const bool is_open = kSmooth || (word & 0xffu << (i % 4 * 8)) != 0;
        a.step.template step<kSlope>(gradient, fired, is_open,
                                     a.step.template decode<kSlope>(word, i % kCodesInWord, fired), du[i]);
      }
    }
  }

  /// One step; the cursor goes on to the step before.
  SPIKELOOM_HOST_DEVICE void load(Cursor& read, bool is_pooled, const int (&offset)[kPixels],
                                  const bool (&there)[kPixels], Loaded& loaded) const {
    loaded.gradient = {};
    if (is_pooled) loaded.gradient = load_octet(read.gradient);
    SPIKELOOM_UNROLL
    for (int q = 0; q < kPixels; ++q) {
      if (!there[q]) continue;
      loaded.fired[q] = read.spikes[offset[q] / 8];
      if constexpr (kBits) {
        loaded.codes[q][0] = read.state[offset[q] / 8];
      } else {
        load_words(read.state + offset[q] * kCodeBytes, loaded.codes[q]);
      }
      if constexpr (kNeuNorm) {
        loaded.dx[q] = 0.0f;
        if (!a.dx_after_pooling) {
          loaded.dx[q] = read.dx[q / kWindow * a.width + q % kWindow];
        } else if (is_pooled) {
          loaded.dx[q] = *read.dx;
        }
      }
    }
    read.gradient -= a.pooled_stride;
    read.spikes -= a.bit_stride;
    read.state -= a.state_stride;
    if (kNeuNorm) read.dx -= a.dx_stride;
  }
};

/// Index = neuron: any number of channels, any address, any pooling.
template <class G, class T, Slope kSlope, bool kNeuNorm>
struct BackwardNeurons {
  BackwardArguments<G, T> a;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t neuron) const {
    std::int64_t n = neuron;
    const std::int64_t c = a.by_channels.split(n), x = a.by_width.split(n), y = a.by_height.split(n);
    const GradientPlace place = place_of(a, n, y, x);
    float du = 0.0f, sum = 0.0f;
    for (std::int64_t t = a.num_steps - 1; t >= 0; --t) {
      const float value =
          place.is_pooled ? to_float(a.gradient[t * a.pooled_stride + place.window * a.channels + c]) : 0.0f;
      const bool has_dx = kNeuNorm && (place.is_pooled || !a.dx_after_pooling);
      const float own = has_dx ? a.coefficient * a.dx[t * a.dx_stride + place.dx] : 0.0f;
      const float gradient = spike_gradient<kNeuNorm>(value, a.scale, a.dx_after_pooling ? 0.0f : own,
                                                      a.dx_after_pooling ? own : 0.0f);
      const bool fired = get_bit(a.spikes + t * a.bit_stride, neuron);
      if constexpr (kSlope == Slope::kWindow) {
        a.step.template step<kSlope>(gradient, fired, get_bit(a.state + t * a.bit_stride, neuron), 0.0f, du);
      } else {
        const std::uint8_t* at = a.state + t * a.state_stride + neuron * code_bytes(kSlope);
        std::uint32_t code = at[0];
        if (has_tails(kSlope)) code |= static_cast<std::uint32_t>(at[1]) << 8;
        a.step.template step<kSlope>(gradient, fired, code != 0,
                                     a.step.template decode<kSlope>(code, 0, fired), du);
      }
      sum += du;
      if (!a.static_input) a.grad_current[t * a.neurons + neuron] = from_float<T>(du);
    }
    if (a.static_input) a.grad_current[neuron] = from_float<T>(sum);
  }
};

/// Calls run(std::bool_constant) with the value.
template <class F>
void with_constant(bool value, const F& run) {
  if (value) {
    run(std::true_type{});
  } else {
    run(std::false_type{});
  }
}

template <class G, class T, Slope kSlope>
void run_backward(const Queue& queue, const BackwardArguments<G, T>& arguments, std::int64_t batch,
                  bool in_vectors) {
  const char* kernel = "compact_lif_backward";
  with_constant(arguments.dx != nullptr, [&](auto neunorm) {
    constexpr bool kNeuNorm = decltype(neunorm)::value;
    if (!in_vectors) {
      for_each(queue, kernel, arguments.neurons, BackwardNeurons<G, T, kSlope, kNeuNorm>{arguments});
      return;
    }
    with_constant(arguments.static_input, [&](auto is_static) {
      const auto run = [&](auto window) {
        constexpr int kWindow = decltype(window)::value;
        const std::int64_t windows_x = (arguments.width + kWindow - 1) / kWindow,
                           windows_y = (arguments.height + kWindow - 1) / kWindow;
        for_each(queue, kernel, batch * windows_y * windows_x * (arguments.channels / 8),
                 BackwardWindows<G, T, kSlope, kWindow, decltype(is_static)::value, kNeuNorm>{
                     arguments, Divisor(windows_x), Divisor(windows_y)});
      };
      if (arguments.pool == 2) {
        run(std::integral_constant<int, 2>{});
      } else {
        run(std::integral_constant<int, 1>{});
      }
    });
  });
}

}  // namespace spikeloom::kernels::cuda
