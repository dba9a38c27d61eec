// Rows of weights, of listed inputs, that are added up. Included once for each SIMD target, after Highway.
#if defined(SPIKELOOM_RUNTIME_LISTED_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_RUNTIME_LISTED_ROWS_INL_H_
#undef SPIKELOOM_RUNTIME_LISTED_ROWS_INL_H_
#else
#define SPIKELOOM_RUNTIME_LISTED_ROWS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "spikeloom/kernels/cpu/float_lanes-inl.h"
#include "spikeloom/runtime/network.h"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::runtime {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// So many vectors have the filters of a block, if they are few.
constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<float>()));
constexpr int kBlockVectors = static_cast<int>(Product::kBlock / kLanes);

// Weights of a block of filters, or of two: a row for each input.
template <class Weight>
struct Rows {
  const Weight* weight;
  std::int64_t width;      // filters of a row
  std::int64_t first = 0;  // the input of the first row
  std::int64_t pair = 0;   // from a row to that of the next block, which goes with it; 0: none does
};

// Some listed inputs, and how many follow them in their list.
struct Listed {
  const std::int32_t* inputs;
  const float* values;
  std::int64_t count, later;
};

using kernels::cpu::HWY_NAMESPACE::load_lanes;

// output [kVectors vectors] += the rows of the listed inputs, times their values: the sums stay in registers.
// kSpikes: every value is 1. kExact: products need no rounding. kFar: the rows come from memory.
template <int kVectors, bool kSpikes, bool kExact, bool kFar, class Weight>
HWY_ATTR HWY_INLINE void add_listed(const Rows<Weight>& rows, std::int64_t first, const Listed& listed,
                                    float* output) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t kAhead = 8, kLine = 64 / sizeof(Weight);
  const Weight* const weight = rows.weight + (first - rows.first * rows.width);
  Vector sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = hn::LoadU(d, output + first + v * lanes);
  for (std::int64_t i = 0; i < listed.count; ++i) {
    if (kFar && i + kAhead < listed.count + listed.later) {
      const Weight* const later = weight + listed.inputs[i + kAhead] * rows.width;
      for (std::int64_t f = 0; f < kVectors * lanes; f += kLine) {
        hwy::Prefetch(later + f / Product::kBlock * rows.pair + f % Product::kBlock);
      }
    }
    const Weight* const from = weight + listed.inputs[i] * rows.width;
    const Vector times = hn::Set(d, kSpikes ? 1.0f : listed.values[i]);
    for (int v = 0; v < kVectors; ++v) {
      const Vector value = load_lanes(d, from + v / kBlockVectors * rows.pair + v % kBlockVectors * lanes);
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

// Sums of two blocks fit into the registers, and no vector waits for the one before.
constexpr bool kHasPairs = 2 * kBlockVectors <= 8;

// output [rows.width], or of both blocks, += the same.
template <bool kSpikes, bool kExact, bool kFar, class Weight>
HWY_ATTR HWY_INLINE void add_block(const Rows<Weight>& rows, const Listed& listed, float* output) {
  constexpr int kVectors = kBlockVectors < 8 ? kBlockVectors : 8;
  if constexpr (kHasPairs) {
    if (rows.pair != 0) {
      add_listed<2 * kBlockVectors, kSpikes, kExact, kFar>(rows, 0, listed, output);
      return;
    }
  }
  std::int64_t first = 0;
  for (; first + kVectors * kLanes <= rows.width; first += kVectors * kLanes) {
    add_listed<kVectors, kSpikes, kExact, kFar>(rows, first, listed, output);
  }
  for (; first + kLanes <= rows.width; first += kLanes) {
    add_listed<1, kSpikes, kExact, kFar>(rows, first, listed, output);
  }
  if (first == rows.width) return;
  for (std::int64_t i = 0; i < listed.count; ++i) {
    const Weight* const from = rows.weight + (listed.inputs[i] - rows.first) * rows.width;
    for (std::int64_t f = first; f < rows.width; ++f) {
      output[f] += kernels::to_float(from[f]) * listed.values[i];
    }
  }
}

// output [places, filters] of sums of whole steps becomes currents.
inline HWY_ATTR void apply_scale(const Product& product, std::int64_t places, float* output) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t filters = product.output.channels;
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

// What output [places, filters] begins with before sums.
inline void begin_sums(const Product& product, std::int64_t places, float* output) {
  const std::int64_t filters = product.output.channels;
  if (product.bias.empty() || !product.scale.empty()) {
    std::fill_n(output, places * filters, 0.0f);
    return;
  }
  for (std::int64_t p = 0; p < places; ++p) std::copy_n(product.bias.data(), filters, output + p * filters);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::runtime
HWY_AFTER_NAMESPACE();
#endif
