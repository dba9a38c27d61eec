#pragma once
// The functors of compact_lif_forward and their choice; compiled once a type of the current.
#include <type_traits>

#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/lif_sizes.h"
#include "spikeloom/kernels/cuda/lif_step.h"
#include "spikeloom/kernels/cuda/octet.h"
#include "spikeloom/kernels/cuda/spike_averages.h"

namespace spikeloom::kernels::cuda {

/// What the functors below have in common.
template <class T>
struct ForwardArguments {
  ForwardStep step;
  int num_steps;
  std::int64_t neurons, channels;
  std::int64_t current_stride;            ///< from step to step, 0 for a static input
  std::int64_t bit_stride, state_stride;  ///< packed_bytes and state_bytes
  const T* current;
  const float* bias;
  std::uint8_t* spikes;
  std::uint8_t* state;
};

/// Eight neurons, one step, their spikes and what is kept of them as words.
template <Kept kKept>
struct ForwardOctet {
  static constexpr int kCodesInWord = 4 / code_bytes(kKept);
  std::uint32_t fired = 0, open = 0;
  std::uint32_t codes[8 / kCodesInWord] = {};

  template <bool kToZero, class T>
  SPIKELOOM_HOST_DEVICE void run(const ForwardStep& step, const RawOctet<T>& current, bool has_bias,
                                 const RawOctet<float>& bias, float (&v)[8]) {
    std::uint32_t code[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      float x;
      const float value = value_of(current, i);
      if (step.fire<kToZero>(has_bias ? value + value_of(bias, i) : value, v[i], x)) fired |= 1u << i;
      keep(step, i, x, code);
    }
    pack(code);
  }

  /// The same of any neuron; `synaptic` are the currents of the step before.
  template <class T>
  SPIKELOOM_HOST_DEVICE void run_general(const ForwardStep& step, const RawOctet<T>& current, bool has_bias,
                                         const RawOctet<float>& bias, float (&synaptic)[8], float (&v)[8]) {
    std::uint32_t code[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      float x;
      const float value = has_bias ? value_of(current, i) + value_of(bias, i) : value_of(current, i);
      if (step.fire_general(value, synaptic[i], v[i], x)) fired |= 1u << i;
      keep(step, i, x, code);
    }
    pack(code);
  }

 private:
  SPIKELOOM_HOST_DEVICE void keep(const ForwardStep& step, int i, float x, std::uint32_t (&code)[8]) {
    if constexpr (kKept == Kept::kWindow) {
      if (step.is_open(x)) open |= 1u << i;
    } else if constexpr (kKept != Kept::kNothing) {
      code[i] = step.encode<kKept>(x);
    }
  }
  SPIKELOOM_HOST_DEVICE void pack(const std::uint32_t (&code)[8]) {
    if constexpr (kKept == Kept::kOpenCode) {
      codes[0] = word_of_bytes(code[0], code[1], code[2], code[3]);
      codes[1] = word_of_bytes(code[4], code[5], code[6], code[7]);
    } else if constexpr (kKept == Kept::kTailCode) {
      SPIKELOOM_UNROLL
      for (int i = 0; i < 4; ++i) codes[i] = word_of_halves(code[2 * i], code[2 * i + 1]);
    }
  }
};

SPIKELOOM_HOST_DEVICE inline unsigned int bits_of(std::uint32_t byte) {
#ifdef __CUDA_ARCH__
  return static_cast<unsigned int>(__popc(byte));
#else
  return static_cast<unsigned int>(__builtin_popcount(byte));
#endif
}

/// Index = pooling window and eight channels; behind them the bytes that fill a step up. Channels are a
/// multiple of 8 and addresses of 16. kPool = 1 is every octet by itself.
template <class T, int kPool, Kept kKept, bool kToZero>
struct ForwardWindows {
  static constexpr int kPixels = kPool * kPool;
  static constexpr int kMinBlocks = kPool == 1 ? 4 : 2;
  /// Steps loaded at a time: 64 bytes in flight a thread, 128 for windows of pixels, of which fewer threads
  /// fit.
  static constexpr int kAhead = (kPool == 1 ? 8 : 4) / static_cast<int>(sizeof(T));

  ForwardArguments<T> a;
  Divisor octets, windows_x, windows_y;  ///< windows: also those at the edge that the pooling drops
  std::int64_t windows;                  ///< times octets
  std::int64_t height, width, pooled_height, pooled_width, pooled_stride;
  int row;  ///< neurons from one row of pixels to the next
  T* pooled;

  SPIKELOOM_HOST_DEVICE void fill_up(std::int64_t byte) const {
    SPIKELOOM_NO_UNROLL
    for (int t = 0; t < a.num_steps; ++t) {
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
    std::int64_t first_neuron = index * 8, pooled_at = index * 8;
    bool has_pooled = pooled != nullptr;
    int offset[kPixels];  // from the first pixel of the window
    bool there[kPixels];
    if constexpr (kPool == 1) {
      offset[0] = 0;
      there[0] = true;
    } else {
      const std::int64_t window_x = windows_x.split(rest), window_y = windows_y.split(rest);
      const std::int64_t x = window_x * kPool, y = window_y * kPool;
      first_neuron = ((rest * height + y) * width + x) * a.channels + channel;
      SPIKELOOM_UNROLL
      for (int q = 0; q < kPixels; ++q) {
        const int dy = q / kPool, dx = q % kPool;
        offset[q] = dy * row + dx * static_cast<int>(a.channels);
        there[q] = y + dy < height && x + dx < width;
      }
      has_pooled = has_pooled && window_x < pooled_width && window_y < pooled_height;
      pooled_at = ((rest * pooled_height + window_y) * pooled_width + window_x) * a.channels + channel;
    }
    const T* from = a.current + first_neuron;
    std::uint8_t* spikes_to = a.spikes + first_neuron / 8;
    std::uint8_t* state_to = nullptr;
    if (kKept != Kept::kNothing)
      state_to = a.state + (kKept == Kept::kWindow ? first_neuron / 8 : first_neuron * code_bytes(kKept));
    T* pooled_to = has_pooled ? pooled + pooled_at : nullptr;
    float v[kPixels][8] = {};
    unsigned int count = 0;
    for (int first = 0; first < a.num_steps; first += kAhead) {
      RawOctet<T> raw[kAhead][kPixels];
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        if (first + j >= a.num_steps) continue;
        SPIKELOOM_UNROLL
        for (int q = 0; q < kPixels; ++q) {
          if (there[q]) raw[j][q] = load_octet(from + offset[q]);
        }
        from += a.current_stride;
      }
      SPIKELOOM_UNROLL
      for (int j = 0; j < kAhead; ++j) {
        if (first + j >= a.num_steps) continue;
        // Loaded again at every step, from the first-level cache: registers are scarcer.
        RawOctet<float> bias{};
        if (a.bias != nullptr) bias = load_octet(a.bias + channel);
        std::uint32_t sums = 0;
        SPIKELOOM_UNROLL
        for (int q = 0; q < kPixels; ++q) {
          if (!there[q]) continue;
          ForwardOctet<kKept> octet;
          octet.template run<kToZero>(a.step, raw[j][q], a.bias != nullptr, bias, v[q]);
          spikes_to[offset[q] / 8] = static_cast<std::uint8_t>(octet.fired);
          if constexpr (kKept == Kept::kWindow) {
            state_to[offset[q] / 8] = static_cast<std::uint8_t>(octet.open);
          } else if constexpr (kKept != Kept::kNothing) {
            store_words(octet.codes, state_to + offset[q] * code_bytes(kKept));
          }
          count += bits_of(octet.fired);
          if (has_pooled) sums += nibbles_of_bits(octet.fired);
        }
        if (has_pooled) {
          store_octet(averages_of<T, kPixels>(sums), pooled_to);
          pooled_to += pooled_stride;
        }
        spikes_to += a.bit_stride;
        if (kKept != Kept::kNothing) state_to += a.state_stride;
      }
    }
    return count;
  }
};

/// Neurons that the functors are written for, and the general one (is_plain).
enum class Kind { kToZero, kSubtract, kGeneral };

/// Index = byte of a step's spikes: any number of channels, any address.
template <class T, Kept kKept, Kind kKind>
struct ForwardBytes {
  ForwardArguments<T> a;
  Divisor channels;
  bool in_vectors;  ///< addresses of whole octets are multiples of 16 bytes

  SPIKELOOM_HOST_DEVICE unsigned int operator()(std::int64_t byte) const {
    const std::int64_t at = byte * 8;
    const std::int64_t left = a.neurons - at, length = left < 0 ? 0 : left < 8 ? left : 8;
    const std::uint32_t there = (1u << length) - 1u;
    RawOctet<float> bias{};
    float v[8] = {}, synaptic[8] = {};
    const bool whole = in_vectors && length == 8;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      std::int64_t pixel = at + i;
      if (a.bias != nullptr && i < length) bias.words[i] = bits_of_float(a.bias[channels.split(pixel)]);
    }
    unsigned int count = 0;
    for (int t = 0; t < a.num_steps; ++t) {
      ForwardOctet<kKept> octet;
      const auto raw = load_some(a.current + t * a.current_stride + at, whole, length);
      if constexpr (kKind == Kind::kGeneral) {
        octet.run_general(a.step, raw, a.bias != nullptr, bias, synaptic, v);
      } else {
        octet.template run<kKind == Kind::kToZero>(a.step, raw, a.bias != nullptr, bias, v);
      }
      a.spikes[t * a.bit_stride + byte] = static_cast<std::uint8_t>(octet.fired & there);
      count += bits_of(octet.fired & there);
      if constexpr (kKept == Kept::kWindow) {
        a.state[t * a.bit_stride + byte] = static_cast<std::uint8_t>(octet.open & there);
      } else if constexpr (kKept != Kept::kNothing) {
        if (whole) store_words(octet.codes, a.state + t * a.state_stride + at * code_bytes(kKept));
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8 * code_bytes(kKept) && !whole; ++i) {
          if (i >= length * code_bytes(kKept)) continue;
          a.state[t * a.state_stride + at * code_bytes(kKept) + i] =
              static_cast<std::uint8_t>(octet.codes[i / 4] >> (i % 4 * 8));
        }
      }
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
                          is_aligned(arguments.bias) && offsets_fit(images);
  if (!in_vectors) {
    for_each_counted(queue, kernel, arguments.bit_stride, ForwardBytes < T, kKept,
                     kToZero ? Kind::kToZero : Kind::kSubtract > {arguments, Divisor(images.channels), false},
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
                                                             static_cast<int>(images.width * images.channels),
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
  if (!is_plain(params)) {
    const bool in_vectors =
        arguments.neurons % 8 == 0 && is_aligned(arguments.current) && is_aligned(arguments.state);
    for_each_counted(queue, "compact_lif_forward", arguments.bit_stride,
                     ForwardBytes<T, kKept, Kind::kGeneral>{arguments, Divisor(images.channels), in_vectors},
                     output.spike_count);
    if (output.pooled != nullptr) layer_input(queue, images, output.spikes, nullptr, nullptr, output.pooled);
    return;
  }
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
                                      static_cast<int>(size.num_steps),
                                      size.neurons,
                                      images.channels,
                                      size.static_input ? 0 : size.neurons,
                                      packed_bytes(size.neurons),
                                      state_bytes(params, size.neurons),
                                      current,
                                      bias,
                                      output.spikes,
                                      output.state};
  if (size.num_steps == 0) return;
  if (output.state == nullptr) {
    return choose_reset<T, Kept::kNothing>(queue, params, arguments, images, output);
  }
  switch (compact_state(params)) {
    case CompactState::kWindowBit:
      return choose_reset<T, Kept::kWindow>(queue, params, arguments, images, output);
    case CompactState::kOpenCode:
      return choose_reset<T, Kept::kOpenCode>(queue, params, arguments, images, output);
    case CompactState::kTailCode:
      return choose_reset<T, Kept::kTailCode>(queue, params, arguments, images, output);
  }
}

}  // namespace spikeloom::kernels::cuda
