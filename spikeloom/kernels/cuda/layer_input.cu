#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/dropout_mask.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

template <class T>
struct InputArguments {
  std::int64_t num_steps, channels, pool, height, width;
  std::int64_t pooled_height, pooled_width;
  std::int64_t bit_stride, pooled_stride;  ///< packed_bytes, pooled_neurons
  std::int64_t x_stride;                   ///< N * P of NeuNorm
  float scale;                             ///< 1 / pool^2
  NeuNormInput neunorm;                    ///< x = nullptr: none
  DropoutMask mask;
  const std::uint8_t* spikes;
  T* values;
  Divisor by_channels, by_pooled_width, by_pooled_height;

  SPIKELOOM_HOST_DEVICE float u(std::int64_t position, std::int64_t channel) const {
    return neunorm.u[neunorm.shared_u ? position : position * channels + channel];
  }
  /// values -= u x of eight channels.
  SPIKELOOM_HOST_DEVICE void subtract(std::int64_t position, std::int64_t channel, float x,
                                      float (&octet)[8]) const {
    if (neunorm.shared_u) {
      const float all = neunorm.u[position];
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) octet[i] -= all * x;
    } else {
      const RawOctet<float> each = load_octet(neunorm.u + position * channels + channel);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) octet[i] -= value_of(each, i) * x;
    }
  }
};

/// Index = pooled pixel and eight channels, a multiple of 8 of them; all steps. kPool = 0: a.pool.
template <class T, int kPool>
struct InputOctets {
  static constexpr int kMinBlocks = kPool == 2 ? 3 : 4;
  InputArguments<T> a;
  Divisor octets;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t n = index;
    const std::int64_t channel = octets.split(n) * 8;
    const std::int64_t px = a.by_pooled_width.split(n), py = a.by_pooled_height.split(n);
    const std::int64_t pool = kPool == 0 ? a.pool : kPool;
    const std::int64_t y = py * pool, x = px * pool;
    for (std::int64_t t = 0; t < a.num_steps; ++t) {
      float sums[8] = {};
      SPIKELOOM_UNROLL
      for (std::int64_t dy = 0; dy < pool; ++dy) {
        SPIKELOOM_UNROLL
        for (std::int64_t dx = 0; dx < pool; ++dx) add_pixel(t, n, y + dy, x + dx, channel, sums);
      }
      finish(t, n, py, px, channel, index, sums);
    }
  }

 private:
  SPIKELOOM_HOST_DEVICE void add_pixel(std::int64_t t, std::int64_t n, std::int64_t y, std::int64_t x,
                                       std::int64_t channel, float (&sums)[8]) const {
    const std::int64_t position = y * a.width + x, map = n * a.height * a.width + position;
    const std::uint32_t bits = a.spikes[t * a.bit_stride + (map * a.channels + channel) / 8];
    float values[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) values[i] = (bits >> i & 1u) != 0 ? 1.0f : 0.0f;
    if (a.neunorm.x != nullptr && !a.neunorm.after_pooling) {
      a.subtract(position, channel, a.neunorm.x[t * a.x_stride + map], values);
    }
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) sums[i] += values[i];
  }

  SPIKELOOM_HOST_DEVICE void finish(std::int64_t t, std::int64_t n, std::int64_t py, std::int64_t px,
                                    std::int64_t channel, std::int64_t octet, float (&values)[8]) const {
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) values[i] *= a.scale;
    if (a.neunorm.x != nullptr && a.neunorm.after_pooling) {
      const std::int64_t position = py * a.pooled_width + px;
      const std::int64_t map = n * a.pooled_height * a.pooled_width + position;
      a.subtract(position, channel, a.neunorm.x[t * a.x_stride + map], values);
    }
    const std::int64_t at = t * a.pooled_stride + octet * 8;
    if (a.mask.is_on()) {
      const auto words = a.mask.numbers(a.mask.same_each_step ? octet : at / 8);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) values[i] = a.mask.apply(words, i, values[i]);
    }
    store_octet(raw_of<T>(values), a.values + at);
  }
};

/// Index = value of a step; any number of channels, any address; all steps.
template <class T>
struct InputValues {
  InputArguments<T> a;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t n = index;
    const std::int64_t c = a.by_channels.split(n);
    const std::int64_t px = a.by_pooled_width.split(n), py = a.by_pooled_height.split(n);
    const bool before = a.neunorm.x != nullptr && !a.neunorm.after_pooling;
    const bool behind = a.neunorm.x != nullptr && a.neunorm.after_pooling;
    for (std::int64_t t = 0; t < a.num_steps; ++t) {
      float sum = 0.0f;
      for (std::int64_t dy = 0; dy < a.pool; ++dy) {
        for (std::int64_t dx = 0; dx < a.pool; ++dx) {
          const std::int64_t position = (py * a.pool + dy) * a.width + px * a.pool + dx;
          const std::int64_t map = n * a.height * a.width + position;
          const float spike = get_bit(a.spikes + t * a.bit_stride, map * a.channels + c) ? 1.0f : 0.0f;
          sum += before ? spike - a.u(position, c) * a.neunorm.x[t * a.x_stride + map] : spike;
        }
      }
      float value = sum * a.scale;
      if (behind) {
        const std::int64_t position = py * a.pooled_width + px;
        value -=
            a.u(position, c) * a.neunorm.x[t * a.x_stride + n * a.pooled_height * a.pooled_width + position];
      }
      const std::int64_t at = t * a.pooled_stride + index;
      if (a.mask.is_on()) value = a.mask.apply(a.mask.same_each_step ? index : at, value);
      a.values[at] = from_float<T>(value);
    }
  }
};

}  // namespace

template <class T>
void layer_input(const Queue& queue, const PackedImages& images, const std::uint8_t* spikes,
                 const NeuNormInput* neunorm, const DropoutDraw* dropout, T* values) {
  const char* kernel = "layer_input";
  const bool behind = neunorm != nullptr && neunorm->after_pooling;
  const std::int64_t positions =
      behind ? images.pooled_height() * images.pooled_width() : images.height * images.width;
  const InputArguments<T> arguments{
      images.num_steps,
      images.channels,
      images.pool,
      images.height,
      images.width,
      images.pooled_height(),
      images.pooled_width(),
      packed_bytes(images.neurons()),
      images.pooled_neurons(),
      images.batch * positions,
      1.0f / static_cast<float>(images.pool * images.pool),
      neunorm != nullptr ? *neunorm : NeuNormInput{},
      dropout != nullptr && dropout->rate > 0.0 ? DropoutMask(*dropout) : DropoutMask(),
      spikes,
      values,
      Divisor(images.channels),
      Divisor(images.pooled_width()),
      Divisor(images.pooled_height())};
  if (images.num_steps == 0) return;
  const std::int64_t count = images.pooled_neurons();
  const bool u_in_vectors = arguments.neunorm.shared_u || is_aligned(arguments.neunorm.u);
  if (images.channels % 8 != 0 || !is_aligned(values) || !u_in_vectors) {
    for_each(queue, kernel, count, InputValues<T>{arguments});
  } else if (images.pool == 1) {
    for_each(queue, kernel, count / 8, InputOctets<T, 1>{arguments, Divisor(images.channels / 8)});
  } else if (images.pool == 2) {
    for_each(queue, kernel, count / 8, InputOctets<T, 2>{arguments, Divisor(images.channels / 8)});
  } else {
    for_each(queue, kernel, count / 8, InputOctets<T, 0>{arguments, Divisor(images.channels / 8)});
  }
}

template void layer_input(const Queue&, const PackedImages&, const std::uint8_t*, const NeuNormInput*,
                          const DropoutDraw*, float*);
template void layer_input(const Queue&, const PackedImages&, const std::uint8_t*, const NeuNormInput*,
                          const DropoutDraw*, BFloat16*);

}  // namespace spikeloom::kernels::cuda
