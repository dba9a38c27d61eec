#include "spikeloom/runtime/sparse_product.h"

#include <algorithm>

#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/runtime/sparse_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
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

// Where the input's row (or column) `at` adds to with tap `tap`, or -1.
inline std::int64_t reached(const Product::Axis& axis, std::int64_t at, std::int64_t tap,
                            std::int64_t extent) {
  const std::int64_t distance = at + axis.padding - tap * axis.dilation;
  if (distance < 0 || distance % axis.stride != 0) return -1;
  return distance / axis.stride < extent ? distance / axis.stride : -1;
}

// How many spikes a value stands for.
inline std::int64_t spikes_of(float value, float spikes_per_value) {
  constexpr float kMost = 1e9f;  // of what is no count of spikes, the cast stays defined
  return static_cast<std::int64_t>(std::min(std::max(value * spikes_per_value, 0.0f), kMost) + 0.5f);
}

HWY_ATTR std::int64_t product(const Product& product, const float* input, float spikes_per_value,
                              std::int32_t* active, float* output) {
  const std::int64_t channels = product.input.channels, filters = product.output.channels;
  const std::int64_t of_group = filters / product.groups, in_group = channels / product.groups;
  const std::int64_t pixels = product.output.height * product.output.width;
  if (product.bias.empty()) {
    std::fill_n(output, pixels * filters, 0.0f);
  } else {
    for (std::int64_t p = 0; p < pixels; ++p) {
      std::copy_n(product.bias.data(), filters, output + p * filters);
    }
  }
  std::int64_t operations = 0;
  for (std::int64_t y = 0; y < product.input.height; ++y) {
    for (std::int64_t x = 0; x < product.input.width; ++x, input += channels) {
      std::int64_t count = 0;
      for (std::int64_t c = 0; c < channels; ++c) {
        active[count] = static_cast<std::int32_t>(c);
        count += input[c] != 0.0f ? 1 : 0;
      }
      if (count == 0) continue;
      std::int64_t spikes = spikes_per_value == kEachIsOne ? count : 0;
      if (spikes_per_value > 0.0f) {
        for (std::int64_t i = 0; i < count; ++i) spikes += spikes_of(input[active[i]], spikes_per_value);
      }
      for (int ky = 0; ky < product.vertical.kernel; ++ky) {
        const std::int64_t to_y = reached(product.vertical, y, ky, product.output.height);
        if (to_y < 0) continue;
        for (int kx = 0; kx < product.horizontal.kernel; ++kx) {
          const std::int64_t to_x = reached(product.horizontal, x, kx, product.output.width);
          if (to_x < 0) continue;
          float* const to = output + (to_y * product.output.width + to_x) * filters;
          operations += spikes * of_group;
          const std::int64_t tap = std::int64_t{ky} * product.horizontal.kernel + kx;
          const float* const weight = product.weight.data() + tap * channels * of_group;
          for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t c = active[i];
            add_row(weight + c * of_group, input[c], of_group, to + c / in_group * of_group);
          }
        }
      }
    }
  }
  return operations;
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

HWY_EXPORT(product);
HWY_EXPORT(rows);

}  // namespace

std::int64_t sparse_product(const Product& of, const float* input, float spikes_per_value,
                            std::int32_t* active, float* output) {
  kernels::cpu::simd_level();
  return HWY_DYNAMIC_DISPATCH(product)(of, input, spikes_per_value, active, output);
}

void add_rows(std::int64_t count, std::int64_t columns, const float* weight, const float* input,
              float* output) {
  kernels::cpu::simd_level();
  HWY_DYNAMIC_DISPATCH(rows)(count, columns, weight, input, output);
}

}  // namespace spikeloom::runtime
#endif
