#include <string>

#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/max_pool.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

/// Bits [begin, begin + count), count <= 8, of a step. Its length is a multiple of 8 bytes, so that the byte
/// behind is there whenever one of its bits is wanted.
SPIKELOOM_HOST_DEVICE inline std::uint32_t bits_from(const std::uint8_t* step, std::int64_t begin,
                                                     std::int64_t count) {
  const std::int64_t byte = begin / 8, shift = begin % 8;
  std::uint32_t bits = step[byte];
  if (shift + count > 8) bits |= static_cast<std::uint32_t>(step[byte + 1]) << 8;
  return bits >> shift & ((1u << count) - 1u);
}

/// Index = byte of the pooled spikes of all steps.
struct PoolBytes {
  PackedImages images, out;
  std::int64_t factor, stride;
  Divisor out_bytes, channels, out_width, out_height;
  const std::uint8_t* spikes;
  std::uint8_t* pooled;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t t = index;
    const std::int64_t first = out_bytes.split(t) * 8;
    const std::int64_t left = out.batch * out.height * out.width * out.channels - first;
    const std::int64_t count = left < 0 ? 0 : left < 8 ? left : 8;
    const std::uint8_t* step = spikes + t * stride;
    std::uint32_t byte = 0;
    for (std::int64_t done = 0; done < count;) {
      std::int64_t n = first + done;
      const std::int64_t c = channels.split(n), x = out_width.split(n), y = out_height.split(n);
      const std::int64_t in_pixel = images.channels - c, in_byte = count - done;
      const std::int64_t length = in_pixel < in_byte ? in_pixel : in_byte;
      const std::int64_t corner = (n * images.height + y * factor) * images.width + x * factor;
      std::uint32_t any = 0;
      for (std::int64_t dy = 0; dy < factor; ++dy) {
        for (std::int64_t dx = 0; dx < factor; ++dx) {
          any |= bits_from(step, (corner + dy * images.width + dx) * images.channels + c, length);
        }
      }
      byte |= any << done;
      done += length;
    }
    pooled[index] = static_cast<std::uint8_t>(byte);
  }
};

/// A window and eight channels, the last octet of a pixel may be shorter; also windows at the edge that are
/// not whole.
struct WindowPlace {
  bool is_whole;
  std::int64_t image, y, x;  ///< of the first pixel
  std::int64_t channel, length;
  std::int64_t first;   ///< element of the first pixel, of all images
  std::int64_t pooled;  ///< element of the pooled images
};

struct Windows {
  explicit Windows(const PoolSize& of)
      : size(of),
        octets((of.channels + 7) / 8),
        across((of.width + of.kernel - 1) / of.kernel),
        down((of.height + of.kernel - 1) / of.kernel),
        by_octets(octets),
        by_across(across),
        by_down(down) {}

  std::int64_t count() const { return size.images * down * across * octets; }
  SPIKELOOM_HOST_DEVICE WindowPlace at(std::int64_t index) const {
    WindowPlace place;
    place.image = index;
    place.channel = by_octets.split(place.image) * 8;
    const std::int64_t x = by_across.split(place.image), y = by_down.split(place.image);
    place.x = x * size.kernel;
    place.y = y * size.kernel;
    place.is_whole = place.x + size.kernel <= size.width && place.y + size.kernel <= size.height;
    place.length = size.channels - place.channel < 8 ? size.channels - place.channel : 8;
    place.first =
        ((place.image * size.height + place.y) * size.width + place.x) * size.channels + place.channel;
    place.pooled =
        ((place.image * (size.height / size.kernel) + y) * (size.width / size.kernel) + x) * size.channels +
        place.channel;
    return place;
  }
  /// Elements from the first pixel of a window to another one.
  SPIKELOOM_HOST_DEVICE std::int64_t offset(std::int64_t dy, std::int64_t dx) const {
    return (dy * size.width + dx) * size.channels;
  }

  PoolSize size;
  std::int64_t octets, across, down;
  Divisor by_octets, by_across, by_down;
};

/// The values of an octet whose bit is set, else 0.
template <class T>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> select(const RawOctet<T>& raw, std::uint32_t bits) {
  RawOctet<T> selected{};
  SPIKELOOM_UNROLL
  for (int i = 0; i < 8; ++i) {
    const std::uint32_t all = (bits >> i & 1u) != 0 ? 0xffffffffu : 0u;
    if constexpr (sizeof(T) == 2) {
      selected.words[i / 2] |= raw.words[i / 2] & (i % 2 == 0 ? all & 0xffffu : all & 0xffff0000u);
    } else {
      selected.words[i] = raw.words[i] & all;
    }
  }
  return selected;
}

/// Index = window and octet. kSpikes: who gets the gradient is found from packed spikes, else from values.
template <class T, bool kSpikes>
struct UnpoolWindows {
  Windows windows;
  bool in_vectors;
  std::int64_t stride;
  Divisor by_batch;
  const T* gradient;
  const std::uint8_t* spikes;
  const T* input;
  T* to;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    const WindowPlace place = windows.at(index);
    const PoolSize& size = windows.size;
    const std::int64_t k = size.kernel;
    if (!place.is_whole) {
      for (std::int64_t dy = 0; dy < k && place.y + dy < size.height; ++dy) {
        for (std::int64_t dx = 0; dx < k && place.x + dx < size.width; ++dx) {
          store_some(RawOctet<T>{}, in_vectors, place.length, to + place.first + windows.offset(dy, dx));
        }
      }
      return;
    }
    const RawOctet<T> own = load_some(gradient + place.pooled, in_vectors, place.length);
    if constexpr (kSpikes) {
      spread_by_spikes(place, own);
    } else {
      spread_by_values(place, own);
    }
  }

 private:
  SPIKELOOM_HOST_DEVICE void spread_by_spikes(const WindowPlace& place, const RawOctet<T>& own) const {
    const PoolSize& size = windows.size;
    std::int64_t t = place.image;
    const std::int64_t sample = by_batch.split(t);
    const std::uint8_t* step = spikes + t * stride;
    const std::int64_t first =
        ((sample * size.height + place.y) * size.width + place.x) * size.channels + place.channel;
    std::uint32_t any = 0;
    for (std::int64_t dy = 0; dy < size.kernel; ++dy) {
      for (std::int64_t dx = 0; dx < size.kernel; ++dx) {
        any |= bits_from(step, first + windows.offset(dy, dx), place.length);
      }
    }
    std::uint32_t left = 0xffu;
    for (std::int64_t dy = 0; dy < size.kernel; ++dy) {
      for (std::int64_t dx = 0; dx < size.kernel; ++dx) {
        std::uint32_t fired = bits_from(step, first + windows.offset(dy, dx), place.length);
        if (dy == 0 && dx == 0) fired |= ~any;
        store_some(select(own, fired & left), in_vectors, place.length,
                   to + place.first + windows.offset(dy, dx));
        left &= ~fired;
      }
    }
  }

  SPIKELOOM_HOST_DEVICE void spread_by_values(const WindowPlace& place, const RawOctet<T>& own) const {
    const PoolSize& size = windows.size;
    float best[8];
    std::int32_t first[8] = {};
    const RawOctet<T> start = load_some(input + place.first, in_vectors, place.length);
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) best[i] = value_of(start, i);
    std::int32_t q = 0;
    for (std::int64_t dy = 0; dy < size.kernel; ++dy) {
      for (std::int64_t dx = 0; dx < size.kernel; ++dx, ++q) {
        const RawOctet<T> raw =
            load_some(input + place.first + windows.offset(dy, dx), in_vectors, place.length);
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8; ++i) {
          const float value = value_of(raw, i);
          if (!(value > best[i] || (value != value && best[i] == best[i]))) continue;
          best[i] = value;
          first[i] = q;
        }
      }
    }
    q = 0;
    for (std::int64_t dy = 0; dy < size.kernel; ++dy) {
      for (std::int64_t dx = 0; dx < size.kernel; ++dx, ++q) {
        std::uint32_t bits = 0;
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8; ++i) bits |= first[i] == q ? 1u << i : 0u;
        store_some(select(own, bits), in_vectors, place.length, to + place.first + windows.offset(dy, dx));
      }
    }
  }
};

/// Index = window and octet.
template <class T>
struct PoolWindows {
  Windows windows;
  bool in_vectors;
  const T* input;
  T* output;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    const WindowPlace place = windows.at(index);
    if (!place.is_whole) return;
    float best[8] = {};
    for (std::int64_t dy = 0; dy < windows.size.kernel; ++dy) {
      for (std::int64_t dx = 0; dx < windows.size.kernel; ++dx) {
        const RawOctet<T> raw =
            load_some(input + place.first + windows.offset(dy, dx), in_vectors, place.length);
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8; ++i) {
          const float value = value_of(raw, i);
          const bool is_first = dy == 0 && dx == 0;
          if (is_first || value > best[i] || (value != value && best[i] == best[i])) best[i] = value;
        }
      }
    }
    store_some(raw_of<T>(best), in_vectors, place.length, output + place.pooled);
  }
};

void check_factor(const char* kernel, std::int64_t factor) {
  if (factor >= 1) return;
  throw ShapeError(std::string(kernel) + ": the pooling's factor is " + std::to_string(factor) +
                   "; it must be 1 or more");
}

}  // namespace

void max_pool_spikes(const Queue& queue, const PackedImages& images, std::int64_t factor,
                     const std::uint8_t* spikes, std::uint8_t* pooled) {
  check_factor("max_pool_spikes", factor);
  const PackedImages out = max_pooled(images, factor);
  const std::int64_t bytes = packed_bytes(out.neurons());
  for_each(queue, "max_pool_spikes", images.num_steps * bytes,
           PoolBytes{images, out, factor, packed_bytes(images.neurons()), Divisor(bytes),
                     Divisor(images.channels), Divisor(out.width), Divisor(out.height), spikes, pooled});
}

template <class T>
void max_pool_spikes_backward(const Queue& queue, const PackedImages& images, std::int64_t factor,
                              const T* grad_pooled, const std::uint8_t* spikes, T* grad_spikes) {
  check_factor("max_pool_spikes_backward", factor);
  const Windows windows(
      {images.num_steps * images.batch, images.height, images.width, images.channels, factor});
  const bool in_vectors = images.channels % 8 == 0 && is_aligned(grad_pooled) && is_aligned(grad_spikes);
  for_each(queue, "max_pool_spikes_backward", windows.count(),
           UnpoolWindows<T, true>{windows, in_vectors, packed_bytes(images.neurons()), Divisor(images.batch),
                                  grad_pooled, spikes, nullptr, grad_spikes});
}

template <class T>
void max_pool_forward(const Queue& queue, const PoolSize& size, const T* input, T* output) {
  check_factor("max_pool_forward", size.kernel);
  const Windows windows(size);
  const bool in_vectors = size.channels % 8 == 0 && is_aligned(input) && is_aligned(output);
  for_each(queue, "max_pool_forward", windows.count(), PoolWindows<T>{windows, in_vectors, input, output});
}

template <class T>
void max_pool_backward(const Queue& queue, const PoolSize& size, const T* grad_output, const T* input,
                       T* grad_input) {
  check_factor("max_pool_backward", size.kernel);
  const Windows windows(size);
  const bool in_vectors =
      size.channels % 8 == 0 && is_aligned(grad_output) && is_aligned(input) && is_aligned(grad_input);
  for_each(
      queue, "max_pool_backward", windows.count(),
      UnpoolWindows<T, false>{windows, in_vectors, 0, Divisor(1), grad_output, nullptr, input, grad_input});
}

template void max_pool_spikes_backward(const Queue&, const PackedImages&, std::int64_t, const float*,
                                       const std::uint8_t*, float*);
template void max_pool_spikes_backward(const Queue&, const PackedImages&, std::int64_t, const BFloat16*,
                                       const std::uint8_t*, BFloat16*);
template void max_pool_forward(const Queue&, const PoolSize&, const float*, float*);
template void max_pool_forward(const Queue&, const PoolSize&, const BFloat16*, BFloat16*);
template void max_pool_backward(const Queue&, const PoolSize&, const float*, const float*, float*);
template void max_pool_backward(const Queue&, const PoolSize&, const BFloat16*, const BFloat16*, BFloat16*);

}  // namespace spikeloom::kernels::cuda
