#pragma once
// The functors of compact_lif_forward and their choice; compiled once a type of the current.
#include <type_traits>

#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/lif_sizes.h"
#include "spikeloom/kernels/cuda/lif_step.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {

/// What the functors below have in common.
template <class T>
struct ForwardArguments {
  ForwardStep step;
  std::int64_t num_steps, neurons, channels;
  std::int64_t current_stride;  ///< from step to step, 0 for a static input
  std::int64_t bit_stride;      ///< packed_bytes
  const T* current;
  const float* bias;
  std::uint8_t* spikes;
  std::uint8_t* state;
};

/// Eight neurons, one step: v holds v_post, `at` is their first neuron, `length` how many of them there are.
/// Returns their spikes as bits.
template <class T, Kept kKept, bool kToZero>
SPIKELOOM_HOST_DEVICE inline std::uint32_t forward_octet(const ForwardArguments<T>& a, const RawOctet<T>& raw,
                                                         const RawOctet<float>& bias, std::int64_t t,
                                                         std::int64_t at, bool whole, std::int64_t length,
                                                         float (&v)[8]) {
  std::uint32_t fired = 0, open = 0;
  std::uint32_t codes[2] = {0, 0};
  SPIKELOOM_UNROLL
  for (int i = 0; i < 8; ++i) {
    const float current = a.bias != nullptr ? value_of(raw, i) + value_of(bias, i) : value_of(raw, i);
    float x;
    if (a.step.template fire<kToZero>(current, v[i], x)) fired |= 1u << i;
    if constexpr (kKept == Kept::kWindow) {
      if (a.step.is_open(x)) open |= 1u << i;
    } else if constexpr (kKept == Kept::kCode) {
      codes[i / 4] |= a.step.encode(x) << (i % 4 * 8);
    }
  }
  if (!whole) {
    const std::uint32_t there = length >= 8 ? 0xffu : (1u << length) - 1u;
    fired &= there;
    open &= there;
  }
  a.spikes[t * a.bit_stride + at / 8] = static_cast<std::uint8_t>(fired);
  if constexpr (kKept == Kept::kWindow) {
    a.state[t * a.bit_stride + at / 8] = static_cast<std::uint8_t>(open);
  } else if constexpr (kKept == Kept::kCode) {
    std::uint8_t* to = a.state + t * a.neurons + at;
#ifdef __CUDA_ARCH__
    if (whole) {
      *reinterpret_cast<uint2*>(to) = make_uint2(codes[0], codes[1]);
      return fired;
    }
#endif
    for (int i = 0; i < 8; ++i) {
      if (i < length) to[i] = static_cast<std::uint8_t>(codes[i / 4] >> (i % 4 * 8));
    }
  }
  return fired;
}

/// Index = pooling window and eight channels; behind them the bytes that fill a step up. Channels are a
/// multiple of 8 and addresses of 16. kPool = 1 is every octet by itself.
template <class T, int kPool, Kept kKept, bool kToZero>
struct ForwardWindows {
  static constexpr int kPixels = kPool * kPool;
  static constexpr int kMinBlocks = kPool == 1 ? 3 : 2;
  static constexpr int kAhead =
      sizeof(T) == 2 ? 8 / kPixels : (kPixels == 1 ? 4 : 1);  ///< steps loaded at a time

  ForwardArguments<T> a;
  Divisor octets, windows_x, windows_y;  ///< windows: also those at the edge that the pooling drops
  std::int64_t windows;                  ///< times octets
  std::int64_t height, width, pooled_height, pooled_width, pooled_stride;
  T* pooled;

  SPIKELOOM_HOST_DEVICE void fill_up(std::int64_t byte) const {
    for (std::int64_t t = 0; t < a.num_steps; ++t) {
      a.spikes[t * a.bit_stride + byte] = 0;
      if (kKept == Kept::kWindow) a.state[t * a.bit_stride + byte] = 0;
    }
  }

  SPIKELOOM_HOST_DEVICE unsigned int operator()(std::int64_t index) const {
    if (index >= windows) {
      fill_up(a.neurons / 8 + index - windows);
      return 0;
    }
    std::int64_t rest = index;
    const std::int64_t channel = octets.split(rest) * 8;
    std::int64_t offset[kPixels];
    bool there[kPixels];
    std::int64_t pooled_at = index * 8;
    bool has_pooled = pooled != nullptr;
    if constexpr (kPool == 1) {
      offset[0] = index * 8;
      there[0] = true;
    } else {
      const std::int64_t window_x = windows_x.split(rest), window_y = windows_y.split(rest);
      const std::int64_t x = window_x * kPool, y = window_y * kPool;
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) {
        const int dy = q / kPool, dx = q % kPool;
        offset[q] = ((rest * height + y + dy) * width + x + dx) * a.channels + channel;
        there[q] = y + dy < height && x + dx < width;
      }
      has_pooled = has_pooled && window_x < pooled_width && window_y < pooled_height;
      pooled_at = ((rest * pooled_height + window_y) * pooled_width + window_x) * a.channels + channel;
    }
    float v[kPixels][8] = {};
    unsigned int count = 0;
    for (std::int64_t first = 0; first < a.num_steps; first += kAhead) {
      RawOctet<T> raw[kAhead][kPixels];
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        SPIKELOOM_UNROLL
        for (int q = 0; q < kPixels; ++q) {
          if (first + j < a.num_steps && there[q]) {
            raw[j][q] = load_octet(a.current + (first + j) * a.current_stride + offset[q]);
          }
        }
      }
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        const std::int64_t t = first + j;
        if (t >= a.num_steps) continue;
        // Loaded again at every step, from the first-level cache: registers are scarcer.
        RawOctet<float> bias{};
        if (a.bias != nullptr) bias = load_octet(a.bias + channel);
        std::uint32_t fired[kPixels];
        SPIKELOOM_UNROLL
        for (int q = 0; q < kPixels; ++q) {
          fired[q] = 0;
          if (!there[q]) continue;
          fired[q] = forward_octet<T, kKept, kToZero>(a, raw[j][q], bias, t, offset[q], true, 8, v[q]);
          count += bits_of(fired[q]);
        }
        if (has_pooled)
          store_octet(raw_of<T>(averages(fired).values), pooled + t * pooled_stride + pooled_at);
      }
    }
    return count;
  }

 private:
  struct Averages {
    float values[8];
  };

  SPIKELOOM_HOST_DEVICE static unsigned int bits_of(std::uint32_t byte) {
#ifdef __CUDA_ARCH__
    return static_cast<unsigned int>(__popc(byte));
#else
    return static_cast<unsigned int>(__builtin_popcount(byte));
#endif
  }

  SPIKELOOM_HOST_DEVICE static Averages averages(const std::uint32_t (&fired)[kPixels]) {
    Averages result;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      std::uint32_t sum = 0;
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) sum += fired[q] >> i & 1u;
      result.values[i] = float_of_byte(sum) * (1.0f / static_cast<float>(kPixels));
    }
    return result;
  }
};

/// Index = byte of a step's spikes: any number of channels, any address.
template <class T, Kept kKept, bool kToZero>
struct ForwardBytes {
  ForwardArguments<T> a;
  Divisor channels;

  SPIKELOOM_HOST_DEVICE unsigned int operator()(std::int64_t byte) const {
    const std::int64_t at = byte * 8;
    const std::int64_t left = a.neurons - at, length = left < 0 ? 0 : left < 8 ? left : 8;
    RawOctet<float> bias{};
    float v[8] = {};
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      std::int64_t pixel = at + i;
      if (a.bias != nullptr && i < length) bias.words[i] = bits_of_float(a.bias[channels.split(pixel)]);
    }
    unsigned int count = 0;
    for (std::int64_t t = 0; t < a.num_steps; ++t) {
      const RawOctet<T> raw = load_part(a.current + t * a.current_stride + at, length);
      std::uint32_t fired = forward_octet<T, kKept, kToZero>(a, raw, bias, t, at, false, length, v);
      for (; fired != 0; fired &= fired - 1) ++count;
    }
    return count;
  }
};

template <class T, Kept kKept, bool kToZero>
void run_forward(const Queue& queue, const ForwardArguments<T>& arguments, const PackedImages& images,
                 const CompactLifOutput<T>& output) {
  const char* kernel = "compact_lif_forward";
  const bool in_vectors = images.channels % 8 == 0 && is_aligned(arguments.current) &&
                          is_aligned(output.pooled) && is_aligned(arguments.state) &&
                          is_aligned(arguments.bias);
  if (!in_vectors) {
    for_each_counted(queue, kernel, arguments.bit_stride,
                     ForwardBytes<T, kKept, kToZero>{arguments, Divisor(images.channels)},
                     output.spike_count);
  } else {
    const std::int64_t fill = arguments.bit_stride - arguments.neurons / 8;
    const auto run = [&](auto pool, T* pooled) {
      constexpr int kPool = decltype(pool)::value;
      const std::int64_t windows_x = (images.width + kPool - 1) / kPool,
                         windows_y = (images.height + kPool - 1) / kPool;
      const std::int64_t octets = images.channels / 8,
                         windows = images.batch * windows_y * windows_x * octets;
      const ForwardWindows<T, kPool, kKept, kToZero> functor{arguments,
                                                             Divisor(octets),
                                                             Divisor(windows_x),
                                                             Divisor(windows_y),
                                                             windows,
                                                             images.height,
                                                             images.width,
                                                             images.pooled_height(),
                                                             images.pooled_width(),
                                                             images.pooled_neurons(),
                                                             pooled};
      for_each_counted(queue, kernel, windows + fill, functor, output.spike_count);
    };
    if (images.pool == 2) {
      run(std::integral_constant<int, 2>{}, output.pooled);
    } else {
      run(std::integral_constant<int, 1>{}, images.pool == 1 ? output.pooled : nullptr);
    }
    if (images.pool <= 2) return;
  }
  if (output.pooled != nullptr) layer_input(queue, images, output.spikes, nullptr, nullptr, output.pooled);
}

template <class T, Kept kKept>
void choose_reset(const Queue& queue, const NeuronParams& params, const ForwardArguments<T>& arguments,
                  const PackedImages& images, const CompactLifOutput<T>& output) {
  if (params.reset == Reset::kZero) {
    run_forward<T, kKept, true>(queue, arguments, images, output);
  } else {
    run_forward<T, kKept, false>(queue, arguments, images, output);
  }
}

template <class T>
void compact_lif_forward(const Queue& queue, const LifSize& size, const NeuronParams& params,
                         const PackedImages& images, const T* current, const float* bias,
                         const CompactLifOutput<T>& output) {
  check_lif_sizes("compact_lif_forward", size, images);
  const ForwardArguments<T> arguments{ForwardStep(params),
                                      size.num_steps,
                                      size.neurons,
                                      images.channels,
                                      size.static_input ? 0 : size.neurons,
                                      packed_bytes(size.neurons),
                                      current,
                                      bias,
                                      output.spikes,
                                      output.state};
  if (size.num_steps == 0) return;
  if (output.state == nullptr) {
    choose_reset<T, Kept::kNothing>(queue, params, arguments, images, output);
  } else if (compact_state(params) == CompactState::kWindowBit) {
    choose_reset<T, Kept::kWindow>(queue, params, arguments, images, output);
  } else {
    choose_reset<T, Kept::kCode>(queue, params, arguments, images, output);
  }
}

}  // namespace spikeloom::kernels::cuda
