#include "spikeloom/kernels/cpu/neunorm.h"

#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/neunorm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_NEUNORM
#define SPIKELOOM_KERNELS_CPU_NEUNORM
namespace spikeloom::kernels::cpu {

// Positions whose dx is kept at a time, at most.
constexpr std::int64_t kMaxPositions = 256;

template <class T>
struct NeuNormForwardArguments {
  NeuNormSize size;
  T decay;
  T coefficient;
  const T* spikes;
  const T* u;
  T* x;
  T* output;
};

template <class T>
struct NeuNormBackwardArguments {
  NeuNormSize size;
  T decay;
  T coefficient;
  const T* grad_output;
  const T* u;
  const T* x;
  T* grad_spikes;
  T* grad_u;
};

// Positions to walk over all steps at a time: about 4 KiB of float channels, so that a row is contiguous for
// long enough and is still in L1 when it is read again.
inline std::int64_t positions_at_a_time(const NeuNormSize& size) {
  return std::clamp<std::int64_t>(1024 / std::max<std::int64_t>(size.channels, 1), 1, kMaxPositions);
}

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// sum_c a[c], or sum_c a[c] * b[c] if b is not nullptr.
template <class T>
HWY_ATTR HWY_INLINE T sum_channels(std::int64_t channels, const T* a, const T* b) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d);
  auto odd = hn::Zero(d);
  std::int64_t c = 0;
  for (; c + 2 * lanes <= channels; c += 2 * lanes) {
    auto first = hn::LoadU(d, a + c);
    auto second = hn::LoadU(d, a + c + lanes);
    if (b != nullptr) {
      first = hn::Mul(first, hn::LoadU(d, b + c));
      second = hn::Mul(second, hn::LoadU(d, b + c + lanes));
    }
    even = hn::Add(even, first);
    odd = hn::Add(odd, second);
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; c < channels; ++c) sum += b != nullptr ? a[c] * b[c] : a[c];
  return sum;
}

// output = input + factor * weights, weights all 1 if nullptr.
template <class D, class T = hn::TFromD<D>>
HWY_ATTR HWY_INLINE void add_scaled(D d, std::int64_t begin, std::int64_t end, const T* input, T factor,
                                    const T* weights, T* output) {
  const auto scale = hn::Set(d, factor);
  for (std::int64_t c = begin; c < end; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto term = weights != nullptr ? hn::Mul(hn::LoadU(d, weights + c), scale) : scale;
    hn::StoreU(hn::Add(hn::LoadU(d, input + c), term), d, output + c);
  }
}

template <class T>
HWY_ATTR HWY_INLINE void add_scaled_channels(std::int64_t channels, const T* input, T factor,
                                             const T* weights, T* output) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = channels / lanes * lanes;
  add_scaled(d, 0, whole, input, factor, weights, output);
  add_scaled(single, whole, channels, input, factor, weights, output);
}

// The maps [begin, end), counted over batch and positions.
template <class T>
HWY_ATTR void forward_maps(const NeuNormForwardArguments<T>& arguments, std::int64_t begin,
                           std::int64_t end) {
  const NeuNormSize& size = arguments.size;
  const std::int64_t maps = size.batch * size.positions;
  const std::int64_t step = positions_at_a_time(size);
  for (std::int64_t first = begin; first < end; first += step) {
    const std::int64_t last = HWY_MIN(first + step, end);
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t at = t * maps + i;
        const std::int64_t position = i % size.positions;
        const T* in = arguments.spikes + at * size.channels;
        const T sum = sum_channels<T>(size.channels, in, nullptr);
        const T before = t > 0 ? arguments.x[at - maps] : T(0);
        const T now = arguments.decay * before + arguments.coefficient * sum;
        arguments.x[at] = now;
        const T* weights = size.shared_u ? nullptr : arguments.u + position * size.channels;
        const T factor = size.shared_u ? -(arguments.u[position] * now) : -now;
        add_scaled_channels(size.channels, in, factor, weights, arguments.output + at * size.channels);
      }
    }
  }
}

// One position of one step: dx, the row of grad_spikes, and this step's part of grad_u.
template <class T>
HWY_ATTR HWY_INLINE void backward_position(const NeuNormBackwardArguments<T>& arguments, std::int64_t at,
                                           std::int64_t position, T& dx, double& shared_sum) {
  const NeuNormSize& size = arguments.size;
  const T* g = arguments.grad_output + at * size.channels;
  const T x = arguments.x[at];
  if (size.shared_u) {
    const T sum = sum_channels<T>(size.channels, g, nullptr);
    shared_sum -= static_cast<double>(sum) * static_cast<double>(x);
    dx = arguments.decay * dx - arguments.u[position] * sum;
  } else {
    dx = arguments.decay * dx - sum_channels<T>(size.channels, g, arguments.u + position * size.channels);
    if (arguments.grad_u != nullptr) {
      T* grad_u = arguments.grad_u + position * size.channels;
      add_scaled_channels(size.channels, grad_u, -x, g, grad_u);
    }
  }
  add_scaled_channels<T>(size.channels, g, arguments.coefficient * dx, nullptr,
                         arguments.grad_spikes + at * size.channels);
}

// The positions [begin, end) of all maps, so that each element of grad_u belongs to one thread.
template <class T>
HWY_ATTR void backward_positions(const NeuNormBackwardArguments<T>& arguments, std::int64_t begin,
                                 std::int64_t end) {
  const NeuNormSize& size = arguments.size;
  const std::int64_t step = positions_at_a_time(size);
  T dx[kMaxPositions];
  double shared_sums[kMaxPositions];
  for (std::int64_t first = begin; first < end; first += step) {
    const std::int64_t count = HWY_MIN(step, end - first);
    for (std::int64_t i = 0; i < count; ++i) shared_sums[i] = 0.0;
    if (!size.shared_u && arguments.grad_u != nullptr) {
      for (std::int64_t c = first * size.channels; c < (first + count) * size.channels; ++c)
        arguments.grad_u[c] = T(0);
    }
    for (std::int64_t n = 0; n < size.batch; ++n) {
      for (std::int64_t i = 0; i < count; ++i) dx[i] = T(0);
      for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
        const std::int64_t at = (t * size.batch + n) * size.positions + first;
        for (std::int64_t i = 0; i < count; ++i) {
          backward_position(arguments, at + i, first + i, dx[i], shared_sums[i]);
        }
      }
    }
    for (std::int64_t i = 0; i < count && size.shared_u && arguments.grad_u != nullptr; ++i) {
      arguments.grad_u[first + i] = static_cast<T>(shared_sums[i]);
    }
  }
}

void forward_maps_float(const NeuNormForwardArguments<float>& arguments, std::int64_t begin,
                        std::int64_t end) {
  forward_maps(arguments, begin, end);
}

void forward_maps_double(const NeuNormForwardArguments<double>& arguments, std::int64_t begin,
                         std::int64_t end) {
  forward_maps(arguments, begin, end);
}

void backward_positions_float(const NeuNormBackwardArguments<float>& arguments, std::int64_t begin,
                              std::int64_t end) {
  backward_positions(arguments, begin, end);
}

void backward_positions_double(const NeuNormBackwardArguments<double>& arguments, std::int64_t begin,
                               std::int64_t end) {
  backward_positions(arguments, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(forward_maps_float);
HWY_EXPORT(forward_maps_double);
HWY_EXPORT(backward_positions_float);
HWY_EXPORT(backward_positions_double);

std::int64_t values(const NeuNormSize& size) {
  return size.num_steps * size.batch * size.positions * size.channels;
}

}  // namespace

template <class T>
void neunorm_forward(const NeuNormSize& size, const NeuNormParams& params, const T* spikes, const T* u, T* x,
                     T* output) {
  simd_level();
  const NeuNormForwardArguments<T> arguments{
      size, static_cast<T>(params.decay), static_cast<T>(params.coefficient), spikes, u, x, output};
  const Blocks blocks = make_blocks(size.batch * size.positions, positions_at_a_time(size));
  for_each_block(blocks, values(size), [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(forward_maps_float)(arguments, begin, end);
    } else {
      HWY_DYNAMIC_DISPATCH(forward_maps_double)(arguments, begin, end);
    }
  });
}

template <class T>
void neunorm_backward(const NeuNormSize& size, const NeuNormParams& params, const T* grad_output, const T* u,
                      const T* x, T* grad_spikes, T* grad_u) {
  simd_level();
  const NeuNormBackwardArguments<T> arguments{
      size,  static_cast<T>(params.decay), static_cast<T>(params.coefficient), grad_output, u, x, grad_spikes,
      grad_u};
  const Blocks blocks = make_blocks(size.positions, positions_at_a_time(size));
  for_each_block(blocks, values(size), [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(backward_positions_float)(arguments, begin, end);
    } else {
      HWY_DYNAMIC_DISPATCH(backward_positions_double)(arguments, begin, end);
    }
  });
}

template void neunorm_forward(const NeuNormSize&, const NeuNormParams&, const float*, const float*, float*,
                              float*);
template void neunorm_forward(const NeuNormSize&, const NeuNormParams&, const double*, const double*, double*,
                              double*);
template void neunorm_backward(const NeuNormSize&, const NeuNormParams&, const float*, const float*,
                               const float*, float*, float*);
template void neunorm_backward(const NeuNormSize&, const NeuNormParams&, const double*, const double*,
                               const double*, double*, double*);

}  // namespace spikeloom::kernels::cpu
#endif
