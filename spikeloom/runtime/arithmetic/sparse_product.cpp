#include "spikeloom/runtime/arithmetic/sparse_product.h"

#include <algorithm>
#include <type_traits>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/runtime/arithmetic/taps.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/runtime/arithmetic/sparse_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/runtime/arithmetic/listed_rows-inl.h"
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

// Calls use(weights of a tap, pixel, offset of the outputs that it adds to) for output rows [begin, end).
// Blocks of filters are outside, in them taps, in them blocks of channels: the weights in use stay in a
// cache. An output still gets its inputs in memory order.
template <class Weight, class Use>
HWY_ATTR HWY_INLINE void for_each_target(const Product& product, const Weight* weight,
                                         const ActiveInputs& inputs, std::int64_t begin, std::int64_t end,
                                         const Use& use) {
  const std::int64_t channels = product.input.channels;
  const Product::Axis& vertical = product.vertical;
  for (std::int64_t first = 0; first < product.filters(); first += Product::kBlock) {
    Rows<Weight> rows{weight + first * product.rows(), product.width(first)};
    for (int ky = 0; ky < vertical.kernel; ++ky) {
      // The input's rows that this tap takes.
      const std::int64_t shift = std::int64_t{ky} * vertical.dilation - vertical.padding;
      const std::int64_t from = begin * vertical.stride + shift, to = (end - 1) * vertical.stride + shift;
      for (int kx = 0; kx < product.horizontal.kernel; ++kx, rows.weight += channels * rows.width) {
        for (const ActiveInputs::Part& part : inputs.parts()) {
          const ActiveInputs::Pixel* pixel = std::partition_point(
              part.begin(), part.end(), [&](const ActiveInputs::Pixel& one) { return one.y < from; });
          for (; pixel != part.end() && pixel->y <= to; ++pixel) {
            const std::int64_t to_y = reached(vertical, pixel->y, ky, end);
            const std::int64_t to_x = reached(product.horizontal, pixel->x, kx, product.output.width);
            if (to_y < 0 || to_x < 0) continue;
            use(rows, *pixel,
                ((to_y - begin) * product.output.width + to_x) * product.output.channels + first);
          }
        }
      }
    }
  }
}

template <bool kSpikes, bool kExact, class Weight>
HWY_ATTR void add_all(const Product& product, const Weight* weight, const ActiveInputs& inputs,
                      std::int64_t begin, std::int64_t end, float* output) {
  for_each_target(
      product, weight, inputs, begin, end,
      [&](const Rows<Weight>& rows, const ActiveInputs::Pixel& pixel, std::int64_t to) HWY_ATTR {
        const Listed listed{inputs.channels() + pixel.first, inputs.values() + pixel.first, pixel.count, 0};
        add_block<kSpikes, kExact, false>(rows, listed, output + to);
      });
}

// Of groups, each with filters of its own.
HWY_ATTR void add_groups(const Product& product, const ActiveInputs& inputs, std::int64_t begin,
                         std::int64_t end, float* output) {
  const std::int64_t in_group = product.input.channels / product.groups;
  for_each_target(product, product.weight.data(), inputs, begin, end,
                  [&](const Rows<float>& rows, const ActiveInputs::Pixel& pixel, std::int64_t to) HWY_ATTR {
                    for (std::int32_t i = pixel.first; i < pixel.first + pixel.count; ++i) {
                      const std::int64_t c = inputs.channels()[i];
                      add_row(rows.weight + c * rows.width, inputs.values()[i], rows.width,
                              output + to + c / in_group * product.filters());
                    }
                  });
}

template <bool kExact, class Weight>
HWY_ATTR void add_chosen(const Product& product, const Weight* weight, const ActiveInputs& inputs,
                         std::int64_t begin, std::int64_t end, float* output) {
  if (inputs.is_binary()) {
    add_all<true, kExact>(product, weight, inputs, begin, end, output);
  } else {
    add_all<false, kExact>(product, weight, inputs, begin, end, output);
  }
}

HWY_ATTR void convolve(const Product& product, const ActiveInputs& inputs, std::int64_t begin,
                       std::int64_t end, float* output) {
  const std::int64_t places = (end - begin) * product.output.width;
  begin_sums(product, places, output);
  if (product.groups > 1) {
    add_groups(product, inputs, begin, end, output);
  } else if (!product.weight16.empty()) {
    add_chosen<true>(product, product.weight16.data(), inputs, begin, end, output);
  } else if (product.is_exact) {
    add_chosen<true>(product, product.weight.data(), inputs, begin, end, output);
  } else {
    add_chosen<false>(product, product.weight.data(), inputs, begin, end, output);
  }
  if (!product.scale.empty()) apply_scale(product, places, output);
}

// Rows of weights [count] as floats.
template <class Weight>
HWY_ATTR HWY_INLINE void widen(const Weight* from, std::int64_t count, float* to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(load_lanes(d, from + i), d, to + i);
  for (; i < count; ++i) to[i] = kernels::to_float(from[i]);
}

template <bool kExact, bool kFar, class Weight>
HWY_ATTR HWY_INLINE void add_step(const Rows<Weight>& rows, const Listed& listed, bool is_binary,
                                  float* output) {
  if (is_binary) {
    add_block<true, kExact, kFar>(rows, listed, output);
  } else {
    add_block<false, kExact, kFar>(rows, listed, output);
  }
}

inline Listed list_of(const ActiveInputs& inputs, std::int32_t begin, std::int32_t end,
                      std::int32_t list_end) {
  return {inputs.channels() + begin, inputs.values() + begin, end - begin, list_end - end};
}

// At several steps: `cuts` [steps] says where the lists of a part of the inputs, [rows.first, rows.first +
// count), begin, and cuts [steps, 2 * steps) where they end.
template <bool kExact, class Weight>
HWY_ATTR void add_part(const Product& product, const Rows<Weight>& rows, const ActiveInputs& inputs,
                       std::int64_t count, const std::int32_t* cuts, float* widened, float* output) {
  const std::vector<ActiveInputs::Step>& steps = inputs.steps();
  const auto num_steps = static_cast<std::int64_t>(steps.size());
  const std::int64_t size = count * rows.width, blocks = rows.pair != 0 ? 2 : 1;
  std::int64_t listed = 0;
  for (std::int64_t t = 0; t < num_steps; ++t) listed += cuts[num_steps + t] - cuts[t];
  const bool is_near = listed >= 2 * count;  // each row is used again and again
  Rows<float> near{widened, rows.width, rows.first, rows.pair != 0 ? size : 0};
  if constexpr (std::is_same_v<Weight, float>) {
    near = rows;
  } else if (is_near) {
    for (std::int64_t block = 0; block < blocks; ++block) {
      widen(rows.weight + block * rows.pair, size, widened + block * size);
    }
  }
  // The weights of the next part lie after: into the second-level cache, a piece at each step.
  constexpr std::int64_t kLine = 64 / sizeof(Weight);
  const std::int64_t lines = is_near ? (size / kLine + num_steps - 1) / num_steps : 0;
  const Weight* next = rows.weight + size;
  for (std::int64_t t = 0; t < num_steps; ++t, output += product.output.channels) {
    for (std::int64_t line = 0; line < lines; ++line, next += kLine) {
      __builtin_prefetch(next, 0, 2);
      __builtin_prefetch(next + rows.pair, 0, 2);
    }
    const ActiveInputs::Step& step = steps[static_cast<std::size_t>(t)];
    const Listed list = list_of(inputs, cuts[t], cuts[num_steps + t], step.first + step.count);
    if (list.count == 0) continue;
    if (is_near) {
      add_step<kExact, false>(near, list, step.is_binary, output);
    } else {
      add_step<kExact, true>(rows, list, step.is_binary, output);
    }
  }
}

template <bool kExact, class Weight>
HWY_ATTR void multiply(const Product& product, const Weight* weight, const ActiveInputs& inputs,
                       MatrixRoom& room, float* output) {
  const std::vector<ActiveInputs::Step>& steps = inputs.steps();
  const std::int64_t channels = product.input.channels, parts = MatrixRoom::parts_of(product);
  constexpr std::int64_t kBlock = Product::kBlock;
  for (std::int64_t first = 0; first < product.filters();) {
    const bool is_pair = kHasPairs && first + 2 * kBlock <= product.filters();
    Rows<Weight> rows{weight + first * channels, product.width(first), 0, is_pair ? kBlock * channels : 0};
    if (steps.size() == 1) {
      const ActiveInputs::Step& step = steps.front();
      const Listed list = list_of(inputs, step.first, step.first + step.count, step.first + step.count);
      add_step<kExact, true>(rows, list, step.is_binary, output + first);
    } else {
      for (std::int64_t part = 0; part < parts; ++part) {
        rows.first = part * MatrixRoom::kPart;
        const std::int64_t count = std::min(MatrixRoom::kPart, channels - rows.first);
        const std::int32_t* const cuts = room.cuts.data() + static_cast<std::size_t>(part) * steps.size();
        add_part<kExact>(product, rows, inputs, count, cuts, room.rows.data(), output + first);
        rows.weight += count * rows.width;
      }
    }
    first += is_pair ? 2 * kBlock : kBlock;
  }
}

HWY_ATTR void multiply_chosen(const Product& product, const ActiveInputs& inputs, MatrixRoom& room,
                              float* output) {
  const auto places = static_cast<std::int64_t>(inputs.steps().size());
  begin_sums(product, places, output);
  if (!product.weight16.empty()) {
    multiply<true>(product, product.weight16.data(), inputs, room, output);
  } else if (product.is_exact) {
    multiply<true>(product, product.weight.data(), inputs, room, output);
  } else {
    multiply<false>(product, product.weight.data(), inputs, room, output);
  }
  if (!product.scale.empty()) apply_scale(product, places, output);
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

HWY_EXPORT(convolve);
HWY_EXPORT(multiply_chosen);
HWY_EXPORT(rows);

}  // namespace

std::int64_t MatrixRoom::parts_of(const Product& product) {
  return (product.input.channels + kPart - 1) / kPart;
}

void MatrixRoom::fit(const Product& product, std::int64_t steps) {
  const auto size = static_cast<std::size_t>((parts_of(product) + 1) * steps);
  cuts.resize(std::max(cuts.size(), size));
  rows.resize(static_cast<std::size_t>(kPart * 2 * Product::kBlock));
}

void MatrixRoom::cut(const Product& product, const ActiveInputs& inputs) {
  std::int32_t* to = cuts.data();
  const std::int64_t parts = parts_of(product);
  const auto steps = static_cast<std::int64_t>(inputs.steps().size());
  for (std::int64_t t = 0; t < steps; ++t) {
    const ActiveInputs::Step& step = inputs.steps()[static_cast<std::size_t>(t)];
    std::int32_t at = step.first;
    for (std::int64_t part = 0; part <= parts; ++part) {
      const std::int64_t begin = part * kPart;
      while (at < step.first + step.count && inputs.channels()[at] < begin) ++at;
      to[part * steps + t] = at;
    }
  }
}

void sparse_product(const Product& product, const ActiveInputs& inputs, std::int64_t first, std::int64_t last,
                    float* output) {
  kernels::cpu::simd_level();
  HWY_DYNAMIC_DISPATCH(convolve)(product, inputs, first, last, output);
}

void matrix_product(const Product& product, const ActiveInputs& inputs, MatrixRoom& room, float* output) {
  kernels::cpu::simd_level();
  if (inputs.steps().size() > 1) room.cut(product, inputs);
  HWY_DYNAMIC_DISPATCH(multiply_chosen)(product, inputs, room, output);
}

void add_rows(std::int64_t count, std::int64_t columns, const float* weight, const float* input,
              float* output) {
  kernels::cpu::simd_level();
  HWY_DYNAMIC_DISPATCH(rows)(count, columns, weight, input, output);
}

}  // namespace spikeloom::runtime
#endif
