#pragma once
// The functors of compact_lif_backward and their choice; compiled once a pair of types.
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
  std::int64_t num_steps, neurons, channels, height, width, pool, pooled_height, pooled_width;
  std::int64_t bit_stride, pooled_stride;  ///< packed_bytes, pooled_neurons
  std::int64_t dx_stride;                  ///< N * P of NeuNorm
  bool static_input, dx_after_pooling;
  float scale;  ///< 1 / pool^2
  float coefficient;
  const G* gradient;
  const float* dx;
  const std::uint8_t* spikes;
  const std::uint8_t* state;
  T* grad_current;
  Divisor by_channels, by_octets, by_width, by_height, by_pool;

  /// The gradient of a spike: `value` is that of its pooled pixel, where there is one.
  SPIKELOOM_HOST_DEVICE float spike_gradient(bool is_pooled, float value, float dx_value) const {
    const float own = dx != nullptr ? coefficient * dx_value : 0.0f;
    if (!is_pooled) return own;
    if (dx == nullptr) return value * scale;
    return dx_after_pooling ? (value + own) * scale : value * scale + own;
  }
};

/// Where a pixel's gradient comes from.
struct GradientPlace {
  bool is_pooled;         ///< its window is whole
  std::int64_t gradient;  ///< element of the pooled gradient of a step
  std::int64_t dx;        ///< element of dx of a step
};

/// Of channel c of pixel (n, y, x), whose window is (n, window_y, window_x).
template <class G, class T>
SPIKELOOM_HOST_DEVICE inline GradientPlace place_of(const BackwardArguments<G, T>& a, std::int64_t n,
                                                    std::int64_t y, std::int64_t x, std::int64_t window_y,
                                                    std::int64_t window_x, std::int64_t c) {
  GradientPlace place;
  place.is_pooled = window_y < a.pooled_height && window_x < a.pooled_width;
  const std::int64_t window = (n * a.pooled_height + window_y) * a.pooled_width + window_x;
  place.gradient = window * a.channels + c;
  place.dx = a.dx_after_pooling ? window : (n * a.height + y) * a.width + x;
  return place;
}

/// Index = window of kWindow x kWindow pixels and eight channels. Channels are a multiple of 8 and addresses
/// of 16. kWindow is the pooling, or 1: then each pixel looks up its place under any pooling.
template <class G, class T, Slope kSlope, int kWindow, bool kStatic>
struct BackwardWindows {
  static constexpr int kPixels = kWindow * kWindow;
  static constexpr bool kSmooth = kSlope == Slope::kSigmoid || kSlope == Slope::kArctan;
  /// Steps loaded at a time: enough loads in flight, and no more registers than there are.
  static constexpr int kAhead = kPixels == 1 ? (sizeof(G) == 2 ? 4 : 2) : (kStatic || sizeof(G) == 4 ? 1 : 2);
  static constexpr int kMinBlocks = kPixels == 1 ? 3 : (kStatic && kSmooth ? 1 : 2);
  static constexpr bool kBits = kSlope == Slope::kWindow;

  BackwardArguments<G, T> a;
  Divisor windows_x, windows_y;

  struct Loaded {
    RawOctet<G> gradient;
    std::uint32_t fired[kPixels];
    std::uint32_t codes[kPixels][2];
    float dx[kPixels];
  };

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t offset[kPixels];
    bool there[kPixels];
    GradientPlace place[kPixels];
    std::int64_t rest = index;
    if (kWindow == 1 && a.pool == 1 && a.dx == nullptr) {
      offset[0] = index * 8;
      there[0] = true;
      place[0] = {true, index * 8, 0};
    } else {
      const std::int64_t channel = a.by_octets.split(rest) * 8;
      const std::int64_t first_x = windows_x.split(rest) * kWindow, first_y = windows_y.split(rest) * kWindow;
      const std::int64_t window_x = a.by_pool.quotient(first_x), window_y = a.by_pool.quotient(first_y);
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) {
        const std::int64_t y = first_y + q / kWindow, x = first_x + q % kWindow;
        offset[q] = ((rest * a.height + y) * a.width + x) * a.channels + channel;
        there[q] = y < a.height && x < a.width;
        place[q] = place_of(a, rest, y, x, window_y, window_x, channel);
      }
    }
    float du[kPixels][8] = {};
    float sum[kStatic ? kPixels : 1][8] = {};
    for (std::int64_t last = a.num_steps - 1; last >= 0; last -= kAhead) {
      Loaded loaded[kAhead];
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        if (last - j >= 0) load(last - j, offset, there, place, loaded[j]);
      }
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        const std::int64_t t = last - j;
        if (t < 0) continue;
        SPIKELOOM_UNROLL
        for (int q = 0; q < kPixels; ++q) {
          if (!there[q]) continue;
          SPIKELOOM_UNROLL
          for (int i = 0; i < 8; ++i) {
            const float gradient =
                a.spike_gradient(place[q].is_pooled, value_of(loaded[j].gradient, i), loaded[j].dx[q]);
            const std::uint32_t code =
                kBits ? loaded[j].codes[q][0] >> i & 1u : loaded[j].codes[q][i / 4] >> (i % 4 * 8) & 0xffu;
            a.step.template step<kSlope>(gradient, (loaded[j].fired[q] >> i & 1u) != 0, code, du[q][i]);
            if (kStatic) sum[kStatic ? q : 0][i] += du[q][i];
          }
          if (!kStatic) store_octet(raw_of<T>(du[q]), a.grad_current + t * a.neurons + offset[q]);
        }
      }
    }
    if constexpr (kStatic) {
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) {
        if (there[q]) store_octet(raw_of<T>(sum[q]), a.grad_current + offset[q]);
      }
    }
  }

 private:
  SPIKELOOM_HOST_DEVICE void load(std::int64_t t, const std::int64_t (&offset)[kPixels],
                                  const bool (&there)[kPixels], const GradientPlace (&place)[kPixels],
                                  Loaded& loaded) const {
    // All pixels of a window have the place of the first.
    if (place[0].is_pooled) {
      loaded.gradient = load_octet(a.gradient + t * a.pooled_stride + place[0].gradient);
    } else {
      loaded.gradient = {};
    }
    SPIKELOOM_UNROLL
    for (int q = 0; q < kPixels; ++q) {
      loaded.dx[q] = 0.0f;
      if (!there[q]) continue;
      loaded.fired[q] = a.spikes[t * a.bit_stride + offset[q] / 8];
      if constexpr (kBits) {
        loaded.codes[q][0] = a.state[t * a.bit_stride + offset[q] / 8];
      } else {
        load_codes(a.state + t * a.neurons + offset[q], loaded.codes[q]);
      }
      if (a.dx != nullptr && (place[q].is_pooled || !a.dx_after_pooling)) {
        loaded.dx[q] = a.dx[t * a.dx_stride + place[q].dx];
      }
    }
  }

  SPIKELOOM_HOST_DEVICE static void load_codes(const std::uint8_t* from, std::uint32_t (&codes)[2]) {
#ifdef __CUDA_ARCH__
    const uint2 both = *reinterpret_cast<const uint2*>(from);
    codes[0] = both.x;
    codes[1] = both.y;
#else
    std::memcpy(codes, from, sizeof codes);
#endif
  }
};

/// Index = neuron: any number of channels, any address, any pooling.
template <class G, class T, Slope kSlope>
struct BackwardNeurons {
  BackwardArguments<G, T> a;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t neuron) const {
    std::int64_t n = neuron;
    const std::int64_t c = a.by_channels.split(n), x = a.by_width.split(n), y = a.by_height.split(n);
    const GradientPlace place = place_of(a, n, y, x, a.by_pool.quotient(y), a.by_pool.quotient(x), c);
    float du = 0.0f, sum = 0.0f;
    for (std::int64_t t = a.num_steps - 1; t >= 0; --t) {
      const float value = place.is_pooled ? to_float(a.gradient[t * a.pooled_stride + place.gradient]) : 0.0f;
      const bool has_dx = a.dx != nullptr && (place.is_pooled || !a.dx_after_pooling);
      const float dx = has_dx ? a.dx[t * a.dx_stride + place.dx] : 0.0f;
      const std::uint32_t code = kSlope == Slope::kWindow
                                     ? static_cast<std::uint32_t>(get_bit(a.state + t * a.bit_stride, neuron))
                                     : a.state[t * a.neurons + neuron];
      a.step.template step<kSlope>(a.spike_gradient(place.is_pooled, value, dx),
                                   get_bit(a.spikes + t * a.bit_stride, neuron), code, du);
      sum += du;
      if (!a.static_input) a.grad_current[t * a.neurons + neuron] = from_float<T>(du);
    }
    if (a.static_input) a.grad_current[neuron] = from_float<T>(sum);
  }
};

template <class G, class T, Slope kSlope>
void run_backward(const Queue& queue, const BackwardArguments<G, T>& arguments, std::int64_t batch) {
  const char* kernel = "compact_lif_backward";
  const bool in_vectors = arguments.channels % 8 == 0 && is_aligned(arguments.gradient) &&
                          is_aligned(arguments.state) && is_aligned(arguments.grad_current);
  if (!in_vectors) {
    for_each(queue, kernel, arguments.neurons, BackwardNeurons<G, T, kSlope>{arguments});
    return;
  }
  const auto run = [&](auto window, auto is_static) {
    constexpr int kWindow = decltype(window)::value;
    const std::int64_t windows_x = (arguments.width + kWindow - 1) / kWindow,
                       windows_y = (arguments.height + kWindow - 1) / kWindow;
    for_each(queue, kernel, batch * windows_y * windows_x * (arguments.channels / 8),
             BackwardWindows<G, T, kSlope, kWindow, decltype(is_static)::value>{arguments, Divisor(windows_x),
                                                                                Divisor(windows_y)});
  };
  const auto run_window = [&](auto window) {
    if (arguments.static_input) {
      run(window, std::true_type{});
    } else {
      run(window, std::false_type{});
    }
  };
  if (arguments.pool == 2) {
    run_window(std::integral_constant<int, 2>{});
  } else {
    run_window(std::integral_constant<int, 1>{});
  }
}

template <class G, class T>
void compact_lif_backward(const Queue& queue, const LifSize& size, const NeuronParams& params,
                          const PackedImages& images, const G* grad_pooled, const NeuNormGradient& neunorm,
                          const std::uint8_t* spikes, const std::uint8_t* state, T* grad_current) {
  check_lif_sizes("compact_lif_backward", size, images);
  const std::int64_t positions =
      neunorm.after_pooling ? images.pooled_height() * images.pooled_width() : images.height * images.width;
  const BackwardArguments<G, T> arguments{BackwardStep(params),
                                          size.num_steps,
                                          size.neurons,
                                          images.channels,
                                          images.height,
                                          images.width,
                                          images.pool,
                                          images.pooled_height(),
                                          images.pooled_width(),
                                          packed_bytes(size.neurons),
                                          images.pooled_neurons(),
                                          images.batch * positions,
                                          size.static_input,
                                          neunorm.after_pooling,
                                          1.0f / static_cast<float>(images.pool * images.pool),
                                          static_cast<float>(neunorm.coefficient),
                                          grad_pooled,
                                          neunorm.dx,
                                          spikes,
                                          state,
                                          grad_current,
                                          Divisor(images.channels),
                                          Divisor(images.channels / 8),
                                          Divisor(images.width),
                                          Divisor(images.height),
                                          Divisor(images.pool)};
  switch (slope_of(params)) {
    case Slope::kWindow:
      return run_backward<G, T, Slope::kWindow>(queue, arguments, images.batch);
    case Slope::kRectangular:
      return run_backward<G, T, Slope::kRectangular>(queue, arguments, images.batch);
    case Slope::kTriangular:
      return run_backward<G, T, Slope::kTriangular>(queue, arguments, images.batch);
    case Slope::kSigmoid:
      return run_backward<G, T, Slope::kSigmoid>(queue, arguments, images.batch);
    case Slope::kArctan:
      return run_backward<G, T, Slope::kArctan>(queue, arguments, images.batch);
  }
}

}  // namespace spikeloom::kernels::cuda
