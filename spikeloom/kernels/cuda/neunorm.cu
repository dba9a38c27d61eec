#include "spikeloom/kernels/cuda/column_sums.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

SPIKELOOM_HOST_DEVICE inline std::int64_t bits_in(std::uint64_t word) {
#ifdef __CUDA_ARCH__
  return __popcll(word);
#else
  return __builtin_popcountll(word);
#endif
}

/// The number of bits [begin, end).
SPIKELOOM_HOST_DEVICE inline std::int64_t count_bits(const std::uint8_t* bits, std::int64_t begin,
                                                     std::int64_t end) {
  std::int64_t count = 0;
  for (std::int64_t byte = begin / 8; byte * 8 < end; ++byte) {
    std::uint32_t value = bits[byte];
    if (byte * 8 < begin) value &= 0xffu << (begin - byte * 8);
    if (byte * 8 + 8 > end) value &= (1u << (end - byte * 8)) - 1u;
    count += bits_in(value);
  }
  return count;
}

/// Index = map element (n, p); all steps.
struct Scan {
  std::int64_t num_steps, channels, height, width, pool, bit_stride, maps;
  bool in_words;  ///< a pixel's spikes are whole words
  float decay, coefficient, scale;
  Divisor by_map_width, by_map_height;
  const std::uint8_t* spikes;
  float* x;

  SPIKELOOM_HOST_DEVICE std::int64_t pixel_count(std::int64_t t, std::int64_t pixel) const {
    const std::uint8_t* step = spikes + t * bit_stride;
    if (!in_words) return count_bits(step, pixel * channels, (pixel + 1) * channels);
    const auto* words = reinterpret_cast<const std::uint64_t*>(step) + pixel * (channels / 64);
    std::int64_t count = 0;
    SPIKELOOM_UNROLL_BY_4
    for (std::int64_t i = 0; i < channels / 64; ++i) count += bits_in(words[i]);
    return count;
  }

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t map) const {
    std::int64_t n = map;
    const std::int64_t map_x = by_map_width.split(n), map_y = by_map_height.split(n);
    float now = 0.0f;
    SPIKELOOM_UNROLL_BY_4
    for (std::int64_t t = 0; t < num_steps; ++t) {
      std::int64_t count = 0;
      for (std::int64_t dy = 0; dy < pool; ++dy) {
        for (std::int64_t dx = 0; dx < pool; ++dx) {
          count += pixel_count(t, (n * height + map_y * pool + dy) * width + map_x * pool + dx);
        }
      }
      now = decay * now + coefficient * (static_cast<float>(count) * scale);
      x[t * maps + map] = now;
    }
  }
};

/// Where a map element of NeuNorm, before or behind the pooling, has its gradient.
struct MapPlaces {
  Divisor by_map_width, by_map_height, by_pool;
  std::int64_t pooled_height, pooled_width;

  /// element of [N, P] -> element of [N, H / pool, W / pool], or -1 where the pooling drops it.
  SPIKELOOM_HOST_DEVICE std::int64_t pooled(std::int64_t map) const {
    std::int64_t n = map;
    const std::int64_t x = by_pool.quotient(by_map_width.split(n)),
                       y = by_pool.quotient(by_map_height.split(n));
    return x < pooled_width && y < pooled_height ? (n * pooled_height + y) * pooled_width + x : -1;
  }
};

/// Row = gradient's pixel (t, n, p'); the sum over channels, for a shared u.
template <class T>
struct ChannelSums {
  using Value = float;
  std::int64_t channels;
  int lanes;
  bool in_vectors;
  const T* gradient;
  float* sums;

  SPIKELOOM_HOST_DEVICE float partial(std::int64_t row, int lane) const {
    float sum = 0.0f;
    SPIKELOOM_UNROLL_BY_4
    for (std::int64_t c = lane * 8; c < channels; c += lanes * 8) {
      const RawOctet<T> raw = load_some(gradient + row * channels + c, in_vectors, channels - c);
      sum += ((value_of(raw, 0) + value_of(raw, 1)) + (value_of(raw, 2) + value_of(raw, 3))) +
             ((value_of(raw, 4) + value_of(raw, 5)) + (value_of(raw, 6) + value_of(raw, 7)));
    }
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static float add(float lower, float upper) { return lower + upper; }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, float sum) const { sums[row] = sum; }
};

/// Row = map element (t, n, p); the sum over channels of u times the gradient, for a u of each channel.
template <class T>
struct WeightedSums {
  using Value = float;
  std::int64_t channels, positions, pooled_maps;
  int lanes;
  bool in_vectors, u_in_vectors;
  MapPlaces places;
  Divisor by_maps, by_positions;
  const T* gradient;
  const float* u;
  float* sums;

  SPIKELOOM_HOST_DEVICE float partial(std::int64_t row, int lane) const {
    std::int64_t t = row, n = 0;
    const std::int64_t map = by_maps.split(t);
    n = map;
    const std::int64_t position = by_positions.split(n), pooled = places.pooled(map);
    if (pooled < 0) return 0.0f;
    const T* from = gradient + (t * pooled_maps + pooled) * channels;
    float sum = 0.0f;
    for (std::int64_t c = lane * 8; c < channels; c += lanes * 8) {
      const RawOctet<T> raw = load_some(from + c, in_vectors, channels - c);
      const RawOctet<float> weights = load_some(u + position * channels + c, u_in_vectors, channels - c);
      float octet = 0.0f;
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) octet += value_of(weights, i) * value_of(raw, i);
      sum += octet;
    }
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static float add(float lower, float upper) { return lower + upper; }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, float sum) const { sums[row] = sum; }
};

/// Index = map element (n, p): dx of all steps, last first, and for a shared u the sum over t of x times the
/// gradient.
struct Recursion {
  std::int64_t num_steps, maps, pooled_maps;
  bool shared_u;
  float decay, scale;  ///< scale: 1 / pool^2 before the pooling
  MapPlaces places;
  Divisor by_positions;
  const float* u;
  const float* sums;  ///< of the pooled pixels for a shared u, else of the map's
  const float* x;
  float* dx;
  float* products;  ///< [N, P], shared u only

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t map) const {
    std::int64_t n = map;
    const std::int64_t position = by_positions.split(n), pooled = places.pooled(map);
    float now = 0.0f, product = 0.0f;
    SPIKELOOM_UNROLL_BY_4
    for (std::int64_t t = num_steps - 1; t >= 0; --t) {
      float sum = 0.0f;
      if (shared_u && pooled >= 0) {
        const float gradient = sums[t * pooled_maps + pooled] * scale;
        sum = u[position] * gradient;
        product += x[t * maps + map] * gradient;
      } else if (pooled >= 0) {
        sum = sums[t * maps + map] * scale;
      }
      now = decay * now - sum;
      dx[t * maps + map] = now;
    }
    if (shared_u) products[map] = product;
  }
};

/// Index = part of the rows (t, n), position and octet of channels: the sum of x times the gradient.
template <class T>
struct PartialWeights {
  ColumnParts parts;
  Divisor octets, by_positions;
  std::int64_t channels, positions, pooled_positions;
  bool in_vectors;
  MapPlaces places;  ///< of one sample
  const T* gradient;
  const float* x;
  float* partial;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t part = index;
    const std::int64_t channel = octets.split(part) * 8, position = by_positions.split(part);
    const std::int64_t pooled = places.pooled(position);
    const std::int64_t first = part * parts.length;
    const std::int64_t last = first + parts.length < parts.rows ? first + parts.length : parts.rows;
    float sums[8] = {};
    SPIKELOOM_UNROLL_BY_4
    for (std::int64_t row = first; row < last && pooled >= 0; ++row) {
      const float now = x[row * positions + position];
      const T* from = gradient + (row * pooled_positions + pooled) * channels + channel;
      const RawOctet<T> raw = load_some(from, in_vectors, channels - channel);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) sums[i] += now * value_of(raw, i);
    }
    float* to = partial + (part * positions + position) * channels + channel;
    for (int i = 0; i < 8; ++i) {
      if (channel + i < channels) to[i] = sums[i];
    }
  }
};

/// Sizes of NeuNorm's map and where its workspace has what.
struct BackwardSizes {
  BackwardSizes(const PackedImages& images, bool shared_u, bool after_pooling)
      : pool(after_pooling ? 1 : images.pool),
        height(after_pooling ? images.pooled_height() : images.height),
        width(after_pooling ? images.pooled_width() : images.width),
        positions(height * width),
        pooled_positions(images.pooled_height() * images.pooled_width()),
        octets((images.channels + 7) / 8),
        parts(images.num_steps * images.batch, positions * octets) {
    const std::int64_t rows = images.num_steps * images.batch;
    sum_count = rows * (shared_u ? pooled_positions : positions);
    rest_count = shared_u ? images.batch * positions : parts.count * positions * images.channels;
  }
  MapPlaces places() const {
    return {Divisor(width), Divisor(height), Divisor(pool), height / pool, width / pool};
  }

  std::int64_t pool, height, width, positions, pooled_positions, octets;
  ColumnParts parts;
  std::int64_t sum_count, rest_count;  ///< floats of the workspace
};

/// Calls run(std::integral_constant<int, lanes>): as many lanes a row as leave each two octets, 32 at most.
template <class F>
void with_lanes(std::int64_t octets, const F& run) {
  if (octets >= 64) return run(std::integral_constant<int, 32>{});
  if (octets >= 32) return run(std::integral_constant<int, 16>{});
  if (octets >= 16) return run(std::integral_constant<int, 8>{});
  if (octets >= 8) return run(std::integral_constant<int, 4>{});
  return run(std::integral_constant<int, 1>{});
}

}  // namespace

void neunorm_scan(const Queue& queue, const PackedImages& images, const NeuNormParams& params,
                  bool after_pooling, const std::uint8_t* spikes, float* x) {
  const std::int64_t pool = after_pooling ? images.pool : 1;
  const std::int64_t height = images.height / pool, width = images.width / pool;
  const std::int64_t maps = images.batch * height * width;
  const bool in_words = images.channels % 64 == 0 && reinterpret_cast<std::uintptr_t>(spikes) % 8 == 0;
  for_each(queue, "neunorm_scan", maps,
           Scan{images.num_steps, images.channels, images.height, images.width, pool,
                packed_bytes(images.neurons()), maps, in_words, static_cast<float>(params.decay),
                static_cast<float>(params.coefficient), 1.0f / static_cast<float>(pool * pool),
                Divisor(width), Divisor(height), spikes, x});
}

std::int64_t neunorm_backward_workspace(const PackedImages& images, bool shared_u, bool after_pooling) {
  const BackwardSizes sizes(images, shared_u, after_pooling);
  return (sizes.sum_count + sizes.rest_count) * static_cast<std::int64_t>(sizeof(float));
}

template <class T>
void neunorm_backward(const Queue& queue, const PackedImages& images, const NeuNormParams& params,
                      const NeuNormWeights& weights, const T* gradient, const float* x, float* dx,
                      float* grad_u, void* workspace) {
  const char* kernel = "neunorm_backward";
  const BackwardSizes sizes(images, weights.shared_u, weights.after_pooling);
  const MapPlaces places = sizes.places();
  const std::int64_t channels = images.channels;
  const std::int64_t maps = images.batch * sizes.positions,
                     pooled_maps = images.batch * sizes.pooled_positions;
  const float scale = 1.0f / static_cast<float>(sizes.pool * sizes.pool);
  const bool in_vectors = channels % 8 == 0 && is_aligned(gradient);
  auto* sums = static_cast<float*>(workspace);
  float* rest = sums + sizes.sum_count;

  with_lanes(sizes.octets, [&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    if (weights.shared_u) {
      reduce_rows<kLanes>(queue, kernel, sizes.sum_count,
                          ChannelSums<T>{channels, kLanes, in_vectors, gradient, sums});
    } else {
      reduce_rows<kLanes>(queue, kernel, sizes.sum_count,
                          WeightedSums<T>{channels, sizes.positions, pooled_maps, kLanes, in_vectors,
                                          channels % 8 == 0 && is_aligned(weights.u), places, Divisor(maps),
                                          Divisor(sizes.positions), gradient, weights.u, sums});
    }
  });
  for_each(queue, kernel, maps,
           Recursion{images.num_steps, maps, pooled_maps, weights.shared_u, static_cast<float>(params.decay),
                     scale, places, Divisor(sizes.positions), weights.u, sums, x, dx, rest});
  if (weights.shared_u) {
    reduce_rows<kWarpLanes>(queue, kernel, sizes.positions,
                            AddParts{images.batch, sizes.positions, rest, grad_u, -1.0});
    return;
  }
  for_each(queue, kernel, sizes.parts.count * sizes.positions * sizes.octets,
           PartialWeights<T>{sizes.parts, Divisor(sizes.octets), Divisor(sizes.positions), channels,
                             sizes.positions, sizes.pooled_positions, in_vectors, places, gradient, x, rest});
  reduce_rows<kWarpLanes>(
      queue, kernel, sizes.positions * channels,
      AddParts{sizes.parts.count, sizes.positions * channels, rest, grad_u, -static_cast<double>(scale)});
}

template void neunorm_backward(const Queue&, const PackedImages&, const NeuNormParams&, const NeuNormWeights&,
                               const float*, const float*, float*, float*, void*);
template void neunorm_backward(const Queue&, const PackedImages&, const NeuNormParams&, const NeuNormWeights&,
                               const BFloat16*, const float*, float*, float*, void*);

}  // namespace spikeloom::kernels::cuda
