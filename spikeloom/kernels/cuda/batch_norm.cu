#include <cmath>

#include "spikeloom/kernels/cuda/batch_norm.h"
#include "spikeloom/kernels/cuda/column_sums.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

std::int64_t octets_of(std::int64_t channels) { return (channels + 7) / 8; }

/// Index = group, part of its rows, and octet of channels: sums of u and u * v, with u = first - origin and v
/// = second - center, or u without `second`. To partial [groups, parts, 2, channels].
template <class T>
struct PartialSums {
  ColumnParts parts;
  Divisor octets, by_parts;
  std::int64_t channels;
  bool in_vectors;
  const T* first;
  const T* origin;
  const T* second;
  const float* center;
  double* partial;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t group = index;
    const std::int64_t column = octets.split(group) * 8, part = by_parts.split(group);
    const std::int64_t begin = part * parts.length;
    const std::int64_t end = begin + parts.length < parts.rows ? begin + parts.length : parts.rows;
    const std::int64_t left = channels - column;
    const bool whole = in_vectors && left >= 8;
    RawOctet<T> start{};
    RawOctet<float> middle{};
    if (origin != nullptr) start = load_some(origin + column, whole, left);
    if (center != nullptr) middle = load_part(center + column, left);
    double sums[8] = {}, products[8] = {};
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t at = (group * parts.rows + row) * channels + column;
      const RawOctet<T> a = load_some(first + at, whole, left);
      RawOctet<T> b = a;
      if (second != nullptr) b = load_some(second + at, whole, left);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) {
        const double u = static_cast<double>(value_of(a, i)) - static_cast<double>(value_of(start, i));
        const double v = second != nullptr
                             ? static_cast<double>(value_of(b, i)) - static_cast<double>(value_of(middle, i))
                             : u;
        sums[i] += u;
        products[i] += u * v;
      }
    }
    double* to = partial + (group * parts.count + part) * 2 * channels + column;
    for (int i = 0; i < 8 && i < left; ++i) {
      to[i] = sums[i];
      to[channels + i] = products[i];
    }
  }
};

struct SumPair {
  double sum, product;
};

/// What the functors that add parts up have in common: row = (group, channel).
struct AddPairs {
  using Value = SumPair;
  std::int64_t parts, channels;
  Divisor by_channels;
  const double* partial;

  SPIKELOOM_HOST_DEVICE SumPair partial_of(std::int64_t row, int lane) const {
    std::int64_t group = row;
    const std::int64_t c = by_channels.split(group);
    SumPair own{0.0, 0.0};
    for (std::int64_t part = lane; part < parts; part += kWarpLanes) {
      const double* from = partial + (group * parts + part) * 2 * channels + c;
      own.sum += from[0];
      own.product += from[channels];
    }
    return own;
  }
  SPIKELOOM_HOST_DEVICE static SumPair add(const SumPair& lower, const SumPair& upper) {
    return {lower.sum + upper.sum, lower.product + upper.product};
  }
};

template <class T>
struct FinishMoments : AddPairs {
  double rows;
  const T* x;
  ChannelMoments* moments;

  FinishMoments(const AddPairs& add_pairs, double row_count, const T* from, ChannelMoments* to)
      : AddPairs(add_pairs), rows(row_count), x(from), moments(to) {}
  SPIKELOOM_HOST_DEVICE SumPair partial(std::int64_t row, int lane) const { return partial_of(row, lane); }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t c, const SumPair& value) const {
    const double origin = rows > 0.0 ? static_cast<double>(to_float(x[c])) : 0.0;
    moments[c] = ChannelMoments::from_sums(rows, origin, value.sum, value.product);
  }
};

struct FinishSums : AddPairs {
  double epsilon;
  const float* variance;
  double* sums;

  FinishSums(const AddPairs& add_pairs, double eps, const float* of, double* to)
      : AddPairs(add_pairs), epsilon(eps), variance(of), sums(to) {}
  SPIKELOOM_HOST_DEVICE SumPair partial(std::int64_t row, int lane) const { return partial_of(row, lane); }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, const SumPair& value) const {
    std::int64_t group = row;
    const std::int64_t c = by_channels.split(group);
    sums[(group * 2 + 0) * channels + c] = value.sum;
    sums[(group * 2 + 1) * channels + c] = value.product / sqrt(static_cast<double>(variance[c]) + epsilon);
  }
};

struct Combine {
  std::int64_t slices, channels;
  const ChannelMoments* moments;
  float* mean;
  float* variance;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t c) const {
    ChannelMoments all{0.0, 0.0, 0.0};
    for (std::int64_t s = 0; s < slices; ++s) all = ChannelMoments::combined(all, moments[s * channels + c]);
    mean[c] = static_cast<float>(all.mean);
    variance[c] = static_cast<float>(all.variance());
  }
};

struct UpdateRunning {
  double momentum, rows;
  BatchNormStatistics<float> batch;
  float* mean;
  float* variance;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t c) const {
    update_running(momentum, rows, batch.mean[c], batch.variance[c], mean[c], variance[c]);
  }
};

SPIKELOOM_HOST_DEVICE inline double step_scale_at(const BatchNormAffine<float>& affine, std::int64_t t) {
  return affine.step_scale != nullptr ? static_cast<double>(affine.step_scale[t]) : 1.0;
}

/// Index = (group, channel): a [groups, channels] and, for the forward pass, b likewise; for the backward
/// pass (totals not nullptr) b and c [channels].
struct Coefficients {
  BatchNormSize size;
  BatchNormParams params;
  BatchNormStatistics<float> statistics;
  BatchNormAffine<float> affine;
  double total_rows;
  const double* totals;
  Divisor by_channels;
  float* a;
  float* b;
  float* of_x;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t t = index;
    const std::int64_t c = by_channels.split(t);
    const double p = step_scale_at(affine, t), variance = static_cast<double>(statistics.variance[c]);
    const double slope = batch_norm_slope(params, static_cast<double>(affine.scale[c]), variance);
    a[index] = static_cast<float>(slope * p);
    if (totals == nullptr) {
      b[index] = static_cast<float>(static_cast<double>(affine.shift[c]) * p);
    } else if (t == 0) {
      const double share = slope / total_rows, inv_std = 1.0 / sqrt(variance + params.epsilon);
      b[c] = static_cast<float>(share * totals[c]);
      of_x[c] = static_cast<float>(share * totals[size.channels + c] * inv_std);
    }
  }
};

/// Index = row and octet of channels. gradient = nullptr: forward, to = (x - mean) a + b; else backward.
template <class T>
struct Apply {
  std::int64_t channels;
  Divisor octets, group_rows;
  bool in_vectors;
  const float* mean;
  const float* a;
  const float* b;
  const float* of_x;
  const T* gradient;
  const T* x;
  T* to;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t row = index;
    const std::int64_t column = octets.split(row) * 8, left = channels - column;
    const std::int64_t at = row * channels + column, t = group_rows.quotient(row);
    const bool whole = in_vectors && left >= 8;
    const RawOctet<T> value = load_some(x + at, whole, left);
    const RawOctet<float> centers = load_part(mean + column, left);
    const RawOctet<float> slopes = load_part(a + t * channels + column, left);
    float result[8];
    if (gradient == nullptr) {
      const RawOctet<float> shifts = load_part(b + t * channels + column, left);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) {
        result[i] = (value_of(value, i) - value_of(centers, i)) * value_of(slopes, i) + value_of(shifts, i);
      }
    } else {
      const RawOctet<T> g = load_some(gradient + at, whole, left);
      const RawOctet<float> shares = load_part(b + column, left), factors = load_part(of_x + column, left);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) {
        const float distance = value_of(value, i) - value_of(centers, i);
        result[i] =
            value_of(slopes, i) * value_of(g, i) - (value_of(shares, i) + distance * value_of(factors, i));
      }
    }
    store_some(raw_of<T>(result), whole, left, to + at);
  }
};

/// Index = channel.
struct ChannelGradients {
  BatchNormSize size;
  double factor;
  BatchNormAffine<float> affine;
  const double* sums;
  BatchNormGradients<float> gradients;
  double* totals;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t c) const {
    double a = 0.0, b = 0.0;
    for (std::int64_t t = 0; t < size.groups; ++t) {
      a += step_scale_at(affine, t) * sums[(t * 2 + 0) * size.channels + c];
      b += step_scale_at(affine, t) * sums[(t * 2 + 1) * size.channels + c];
    }
    totals[c] = a;
    totals[size.channels + c] = b;
    gradients.shift[c] = static_cast<float>(a);
    gradients.scale[c] = static_cast<float>(factor * b);
  }
};

/// Row = group.
struct StepGradients {
  using Value = double;
  BatchNormSize size;
  double factor;
  BatchNormAffine<float> affine;
  const double* sums;
  float* gradient;

  SPIKELOOM_HOST_DEVICE double partial(std::int64_t t, int lane) const {
    double sum = 0.0;
    for (std::int64_t c = lane; c < size.channels; c += kWarpLanes) {
      sum += factor * static_cast<double>(affine.scale[c]) * sums[(t * 2 + 1) * size.channels + c];
      sum += static_cast<double>(affine.shift[c]) * sums[(t * 2 + 0) * size.channels + c];
    }
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static double add(double lower, double upper) { return lower + upper; }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t t, double sum) const {
    gradient[t] = static_cast<float>(sum);
  }
};

template <class T>
AddPairs sum_parts(const Queue& queue, const char* kernel, std::int64_t groups, std::int64_t group_rows,
                   std::int64_t channels, const T* first, const T* origin, const T* second,
                   const float* center, void* workspace) {
  const std::int64_t octets = octets_of(channels);
  const ColumnParts parts(group_rows, octets);
  auto* partial = static_cast<double*>(workspace);
  const bool in_vectors = channels % 8 == 0 && is_aligned(first) && is_aligned(origin) && is_aligned(second);
  for_each(queue, kernel, groups * parts.count * octets,
           PartialSums<T>{parts, Divisor(octets), Divisor(parts.count), channels, in_vectors, first, origin,
                          second, center, partial});
  return {parts.count, channels, Divisor(channels), partial};
}

}  // namespace

std::int64_t batch_norm_workspace(const BatchNormSize& size) {
  const std::int64_t octets = octets_of(size.channels);
  const std::int64_t of_groups = size.groups * ColumnParts(size.group_rows, octets).count,
                     of_all = ColumnParts(size.rows(), octets).count;
  const std::int64_t parts = of_groups > of_all ? of_groups : of_all;
  const std::int64_t sums = parts * 2 * size.channels * static_cast<std::int64_t>(sizeof(double));
  const std::int64_t coefficients =
      2 * (size.groups + 1) * size.channels * static_cast<std::int64_t>(sizeof(float));
  return sums > coefficients ? sums : coefficients;
}

template <class T>
void batch_norm_moments(const Queue& queue, const BatchNormSize& size, const T* x, ChannelMoments* moments,
                        void* workspace) {
  const char* kernel = "batch_norm_moments";
  const T* none = nullptr;
  const AddPairs pairs =
      sum_parts<T>(queue, kernel, 1, size.rows(), size.channels, x, x, none, nullptr, workspace);
  reduce_rows<kWarpLanes>(queue, kernel, size.channels,
                          FinishMoments<T>(pairs, static_cast<double>(size.rows()), x, moments));
}

void batch_norm_combine(const Queue& queue, std::int64_t slices, std::int64_t channels,
                        const ChannelMoments* moments, float* mean, float* variance) {
  for_each(queue, "batch_norm_combine", channels, Combine{slices, channels, moments, mean, variance});
}

void batch_norm_update_running(const Queue& queue, std::int64_t channels, std::int64_t rows, double momentum,
                               const BatchNormStatistics<float>& batch, float* running_mean,
                               float* running_variance) {
  for_each(queue, "batch_norm_update_running", channels,
           UpdateRunning{momentum, static_cast<double>(rows), batch, running_mean, running_variance});
}

template <class T>
void batch_norm_normalise(const Queue& queue, const BatchNormSize& size, const BatchNormParams& params,
                          const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                          const T* x, T* y, void* workspace) {
  const char* kernel = "batch_norm_normalise";
  const std::int64_t octets = octets_of(size.channels), values = size.groups * size.channels;
  auto* a = static_cast<float*>(workspace);
  float* b = a + values;
  for_each(
      queue, kernel, values,
      Coefficients{size, params, statistics, affine, 0.0, nullptr, Divisor(size.channels), a, b, nullptr});
  const bool in_vectors = size.channels % 8 == 0 && is_aligned(x) && is_aligned(y);
  for_each(queue, kernel, size.rows() * octets,
           Apply<T>{size.channels, Divisor(octets), Divisor(size.group_rows), in_vectors, statistics.mean, a,
                    b, nullptr, nullptr, x, y});
}

template <class T>
void batch_norm_backward_sums(const Queue& queue, const BatchNormSize& size, const BatchNormParams& params,
                              const BatchNormStatistics<float>& statistics, const T* grad_y, const T* x,
                              double* sums, void* workspace) {
  const char* kernel = "batch_norm_backward_sums";
  const T* none = nullptr;
  const AddPairs pairs = sum_parts<T>(queue, kernel, size.groups, size.group_rows, size.channels, grad_y,
                                      none, x, statistics.mean, workspace);
  reduce_rows<kWarpLanes>(queue, kernel, size.groups * size.channels,
                          FinishSums(pairs, params.epsilon, statistics.variance, sums));
}

void batch_norm_parameter_gradients(const Queue& queue, const BatchNormSize& size,
                                    const BatchNormParams& params, const BatchNormAffine<float>& affine,
                                    const double* sums, const BatchNormGradients<float>& gradients,
                                    double* totals) {
  const char* kernel = "batch_norm_parameter_gradients";
  for_each(queue, kernel, size.channels,
           ChannelGradients{size, params.factor, affine, sums, gradients, totals});
  if (gradients.step_scale == nullptr) return;
  reduce_rows<kWarpLanes>(queue, kernel, size.groups,
                          StepGradients{size, params.factor, affine, sums, gradients.step_scale});
}

template <class T>
void batch_norm_backward(const Queue& queue, const BatchNormSize& size, const BatchNormParams& params,
                         const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                         std::int64_t total_rows, const double* totals, const T* grad_y, const T* x,
                         T* grad_x, void* workspace) {
  const char* kernel = "batch_norm_backward";
  const std::int64_t octets = octets_of(size.channels), values = size.groups * size.channels;
  auto* a = static_cast<float*>(workspace);
  float* b = a + values;
  float* of_x = b + size.channels;
  for_each(queue, kernel, values,
           Coefficients{size, params, statistics, affine, static_cast<double>(total_rows), totals,
                        Divisor(size.channels), a, b, of_x});
  const bool in_vectors = size.channels % 8 == 0 && is_aligned(grad_y) && is_aligned(x) && is_aligned(grad_x);
  for_each(queue, kernel, size.rows() * octets,
           Apply<T>{size.channels, Divisor(octets), Divisor(size.group_rows), in_vectors, statistics.mean, a,
                    b, of_x, grad_y, x, grad_x});
}

#define SPIKELOOM_BATCH_NORM(T)                                                                           \
  template void batch_norm_moments(const Queue&, const BatchNormSize&, const T*, ChannelMoments*, void*); \
  template void batch_norm_normalise(const Queue&, const BatchNormSize&, const BatchNormParams&,          \
                                     const BatchNormStatistics<float>&, const BatchNormAffine<float>&,    \
                                     const T*, T*, void*);                                                \
  template void batch_norm_backward_sums(const Queue&, const BatchNormSize&, const BatchNormParams&,      \
                                         const BatchNormStatistics<float>&, const T*, const T*, double*,  \
                                         void*);                                                          \
  template void batch_norm_backward(const Queue&, const BatchNormSize&, const BatchNormParams&,           \
                                    const BatchNormStatistics<float>&, const BatchNormAffine<float>&,     \
                                    std::int64_t, const double*, const T*, const T*, T*, void*)
SPIKELOOM_BATCH_NORM(float);
SPIKELOOM_BATCH_NORM(BFloat16);
#undef SPIKELOOM_BATCH_NORM

}  // namespace spikeloom::kernels::cuda
