#include "spikeloom/runtime/sparse_product.h"

#include <algorithm>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/runtime/taps.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/runtime/sparse_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/cache_control.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::runtime {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Product and sum are rounded each, with or without fused multiply-add.
HWY_ATTR HWY_INLINE void add_row(const float* weight, float factor, std::int64_t count, float* output) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto times = hn::Set(d, factor);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto sum = hn::Add(hn::LoadU(d, output + i), hn::Mul(hn::LoadU(d, weight + i), times));
    hn::StoreU(sum, d, output + i);
  }
  for (; i < count; ++i) output[i] += weight[i] * factor;
}

// Weights of one tap and one block of filters: a row for each channel.
template <class Weight>
struct Rows {
  const Weight* weight;
  std::int64_t width;  // filters of a row
};

template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> load(D d, const kernels::BFloat16* from) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::RebindToUnsigned<D> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

// output [kVectors vectors] += the rows of the listed channels, times input: the sums stay in registers.
// kSpikes: every input is 1. kExact: products need no rounding. kFar: the rows come from memory.
template <int kVectors, bool kSpikes, bool kExact, bool kFar, class Weight>
HWY_ATTR HWY_INLINE void add_listed(const Rows<Weight>& rows, std::int64_t first,
                                    const std::int32_t* channels, std::int64_t count, const float* input,
                                    float* output) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t kAhead = 8, kLine = 64 / sizeof(Weight);
  Vector sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = hn::LoadU(d, output + first + v * lanes);
  for (std::int64_t i = 0; i < count; ++i) {
    if (kFar && i + kAhead < count) {
      const Weight* const later = rows.weight + channels[i + kAhead] * rows.width + first;
      for (std::int64_t f = 0; f < kVectors * lanes; f += kLine) hwy::Prefetch(later + f);
    }
    const std::int64_t channel = channels[i];
    const Weight* const from = rows.weight + channel * rows.width + first;
    const Vector times = hn::Set(d, kSpikes ? 1.0f : input[channel]);
    for (int v = 0; v < kVectors; ++v) {
      const Vector value = load(d, from + v * lanes);
      if (kSpikes) {
        sums[v] = hn::Add(sums[v], value);
      } else if (kExact) {
        sums[v] = hn::MulAdd(value, times, sums[v]);
      } else {
        sums[v] = hn::Add(sums[v], hn::Mul(value, times));
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, output + first + v * lanes);
}

// output [rows.width] += the same.
template <bool kSpikes, bool kExact, bool kFar, class Weight>
HWY_ATTR HWY_INLINE void add_block(const Rows<Weight>& rows, const std::int32_t* channels, std::int64_t count,
                                   const float* input, float* output) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<float>()));
  constexpr int kVectors = Product::kBlock / kLanes < 8 ? static_cast<int>(Product::kBlock / kLanes) : 8;
  std::int64_t first = 0;
  for (; first + kVectors * kLanes <= rows.width; first += kVectors * kLanes) {
    add_listed<kVectors, kSpikes, kExact, kFar>(rows, first, channels, count, input, output);
  }
  for (; first + kLanes <= rows.width; first += kLanes) {
    add_listed<1, kSpikes, kExact, kFar>(rows, first, channels, count, input, output);
  }
  if (first == rows.width) return;
  for (std::int64_t i = 0; i < count; ++i) {
    const Weight* const from = rows.weight + channels[i] * rows.width;
    for (std::int64_t f = first; f < rows.width; ++f)
      output[f] += kernels::to_float(from[f]) * input[channels[i]];
  }
}

// Calls use(weights of a tap, pixel, offset of its values, offset of the outputs that it adds to). Blocks of
// filters are outside, in them taps, in them blocks of channels: the weights in use stay in a cache. An
// output still gets its inputs in memory order.
template <class Weight, class Use>
HWY_ATTR HWY_INLINE void for_each_target(const Product& product, const Weight* weight,
                                         const ProductRoom& room, const Use& use) {
  const std::int64_t channels = product.input.channels;
  for (std::int64_t first = 0; first < product.filters(); first += Product::kBlock) {
    Rows<Weight> rows{weight + first * product.rows(), product.width(first)};
    for (int ky = 0; ky < product.vertical.kernel; ++ky) {
      for (int kx = 0; kx < product.horizontal.kernel; ++kx, rows.weight += channels * rows.width) {
        for (const ProductRoom::Part& part : room.parts()) {
          for (const ProductRoom::Pixel& pixel : part) {
            const std::int64_t to_y = reached(product.vertical, pixel.y, ky, product.output.height);
            const std::int64_t to_x = reached(product.horizontal, pixel.x, kx, product.output.width);
            if (to_y < 0 || to_x < 0) continue;
            use(rows, pixel, (pixel.y * product.input.width + pixel.x) * channels,
                (to_y * product.output.width + to_x) * product.output.channels + first);
          }
        }
      }
    }
  }
}

template <bool kSpikes, bool kExact, bool kFar, class Weight>
HWY_ATTR void add_all(const Product& product, const Weight* weight, const float* input,
                      const ProductRoom& room, float* output) {
  for_each_target(product, weight, room,
                  [&](const Rows<Weight>& rows, const ProductRoom::Pixel& pixel, std::int64_t from,
                      std::int64_t to) HWY_ATTR {
                    add_block<kSpikes, kExact, kFar>(rows, room.active() + pixel.first, pixel.count,
                                                     input + from, output + to);
                  });
}

// Of groups, each with filters of its own.
HWY_ATTR void add_groups(const Product& product, const float* input, const ProductRoom& room, float* output) {
  const std::int64_t in_group = product.input.channels / product.groups;
  for_each_target(product, product.weight.data(), room,
                  [&](const Rows<float>& rows, const ProductRoom::Pixel& pixel, std::int64_t from,
                      std::int64_t to) HWY_ATTR {
                    for (std::int32_t i = 0; i < pixel.count; ++i) {
                      const std::int64_t c = room.active()[pixel.first + i];
                      add_row(rows.weight + c * rows.width, input[from + c], rows.width,
                              output + to + c / in_group * product.filters());
                    }
                  });
}

template <bool kExact, class Weight>
HWY_ATTR void add_chosen(const Product& product, const Weight* weight, bool is_binary, const float* input,
                         const ProductRoom& room, float* output) {
  const bool is_far = product.input.height * product.input.width == 1;
  if (is_far && is_binary) add_all<true, kExact, true>(product, weight, input, room, output);
  if (is_far && !is_binary) add_all<false, kExact, true>(product, weight, input, room, output);
  if (!is_far && is_binary) add_all<true, kExact, false>(product, weight, input, room, output);
  if (!is_far && !is_binary) add_all<false, kExact, false>(product, weight, input, room, output);
}

// Sums of whole steps become currents.
HWY_ATTR void apply_scale(const Product& product, float* output) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t filters = product.output.channels;
  const std::int64_t places = product.output.height * product.output.width;
  const float* const bias = product.bias.empty() ? nullptr : product.bias.data();
  for (std::int64_t p = 0; p < places; ++p, output += filters) {
    std::int64_t f = 0;
    for (; f + lanes <= filters; f += lanes) {
      auto value = hn::Mul(hn::LoadU(d, output + f), hn::LoadU(d, product.scale.data() + f));
      if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias + f));
      hn::StoreU(value, d, output + f);
    }
    for (; f < filters; ++f) {
      output[f] *= product.scale[static_cast<std::size_t>(f)];
      if (bias != nullptr) output[f] += bias[f];
    }
  }
}

// The channels from begin to end whose value is not 0; returns how many. active has room for a vector more.
HWY_ATTR std::int32_t list_active(const float* values, std::int32_t begin, std::int32_t end,
                                  std::int32_t* active) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const auto lanes = static_cast<std::int32_t>(hn::Lanes(d));
  std::int32_t count = 0, c = begin;
  for (; c + lanes <= end; c += lanes) {
    const auto is_active = hn::RebindMask(d32, hn::Ne(hn::LoadU(d, values + c), hn::Zero(d)));
    hn::StoreU(hn::Compress(hn::Iota(d32, c), is_active), d32, active + count);
    count += static_cast<std::int32_t>(hn::CountTrue(d32, is_active));
  }
  for (; c < end; ++c) {
    active[count] = c;
    count += values[c] != 0.0f ? 1 : 0;
  }
  return count;
}

HWY_ATTR std::int64_t product(const Product& product, const float* input, float spikes_per_value,
                              ProductRoom& room, float* output) {
  const std::int64_t filters = product.output.channels;
  const std::int64_t places = product.output.height * product.output.width;
  if (product.bias.empty() || !product.scale.empty()) {
    std::fill_n(output, places * filters, 0.0f);
  } else {
    for (std::int64_t p = 0; p < places; ++p) {
      std::copy_n(product.bias.data(), filters, output + p * filters);
    }
  }
  const ProductRoom::Listed listed = room.list(product, input, spikes_per_value);
  if (product.groups > 1) {
    add_groups(product, input, room, output);
  } else if (!product.weight16.empty()) {
    add_chosen<true>(product, product.weight16.data(), listed.is_binary, input, room, output);
  } else if (product.is_exact) {
    add_chosen<true>(product, product.weight.data(), listed.is_binary, input, room, output);
  } else {
    add_chosen<false>(product, product.weight.data(), listed.is_binary, input, room, output);
  }
  if (!product.scale.empty()) apply_scale(product, output);
  return listed.operations;
}

HWY_ATTR void rows(std::int64_t count, std::int64_t columns, const float* weight, const float* input,
                   float* output) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (input[i] == 0.0f) continue;
    add_row(weight + i * columns, input[i], columns, output);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::runtime
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::runtime {
namespace {

HWY_EXPORT(list_active);
HWY_EXPORT(product);
HWY_EXPORT(rows);

// How many spikes a value stands for.
std::int64_t spikes_of(float value, float spikes_per_value) {
  constexpr float kMost = 1e9f;  // of what is no count of spikes, the cast stays defined
  return static_cast<std::int64_t>(std::min(std::max(value * spikes_per_value, 0.0f), kMost) + 0.5f);
}

}  // namespace

void ProductRoom::fit(const Product& product) {
  const std::int64_t pixels = product.input.height * product.input.width;
  const std::int64_t parts = parts_of(product);
  constexpr std::int64_t kVector = 64;  // values of the longest
  active_.resize(std::max(active_.size(), static_cast<std::size_t>(product.input.size() + kVector)));
  pixels_.resize(std::max(pixels_.size(), static_cast<std::size_t>(pixels * parts)));
  parts_.reserve(static_cast<std::size_t>(parts));
}

std::int64_t ProductRoom::parts_of(const Product& product) {
  return product.input.height * product.input.width == 1
             ? 1
             : (product.input.channels + kPartChannels - 1) / kPartChannels;
}

ProductRoom::Listed ProductRoom::list(const Product& product, const float* input, float spikes_per_value) {
  const std::int64_t channels = product.input.channels, parts = parts_of(product);
  const std::int64_t pixels = product.input.height * product.input.width;
  Listed result;
  std::int32_t listed = 0;
  parts_.clear();
  for (std::int64_t part = 0; part < parts; ++part) {
    const auto begin = static_cast<std::int32_t>(part * kPartChannels);
    const auto end = static_cast<std::int32_t>(part + 1 < parts ? begin + kPartChannels : channels);
    Pixel* const first_pixel = pixels_.data() + part * pixels;
    Pixel* pixel = first_pixel;
    const float* values = input;
    for (std::int32_t y = 0; y < product.input.height; ++y) {
      for (std::int32_t x = 0; x < product.input.width; ++x, values += channels) {
        const std::int32_t first = listed;
        listed += HWY_DYNAMIC_DISPATCH(list_active)(values, begin, end, active_.data() + first);
        if (listed == first) continue;
        *pixel++ = {y, x, first, listed - first};
        for (std::int32_t i = first; i < listed; ++i) {
          result.is_binary &= values[active_[static_cast<std::size_t>(i)]] == 1.0f;
        }
        std::int64_t spikes = spikes_per_value == kEachIsOne ? listed - first : 0;
        if (spikes_per_value > 0.0f) {
          for (std::int32_t i = first; i < listed; ++i) {
            spikes += spikes_of(values[active_[static_cast<std::size_t>(i)]], spikes_per_value);
          }
        }
        result.operations += taps_of(product, y, x) * spikes * product.filters();
      }
    }
    parts_.push_back({first_pixel, pixel});
  }
  return result;
}

std::int64_t sparse_product(const Product& of, const float* input, float spikes_per_value, ProductRoom& room,
                            float* output) {
  kernels::cpu::simd_level();
  return HWY_DYNAMIC_DISPATCH(product)(of, input, spikes_per_value, room, output);
}

void add_rows(std::int64_t count, std::int64_t columns, const float* weight, const float* input,
              float* output) {
  kernels::cpu::simd_level();
  HWY_DYNAMIC_DISPATCH(rows)(count, columns, weight, input, output);
}

}  // namespace spikeloom::runtime
#endif
