#include <cmath>

#include "spikeloom/kernels/cuda/gradient_norm.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

constexpr std::int64_t kPartValues = 16384;  ///< that a warp adds up

struct DoubleSum {
  using Value = double;
  SPIKELOOM_HOST_DEVICE static double add(double lower, double upper) { return lower + upper; }
};

/// Row = part of the values.
template <class T>
struct PartialSquares : DoubleSum {
  std::int64_t count;
  bool in_vectors;
  const T* values;
  double* sums;

  PartialSquares(std::int64_t value_count, const T* from, double* to)
      : count(value_count), in_vectors(is_aligned(from)), values(from), sums(to) {}

  SPIKELOOM_HOST_DEVICE double partial(std::int64_t part, int lane) const {
    double sum = 0.0;
    SPIKELOOM_UNROLL_BY_4
    for (std::int64_t i = lane * 8; i < kPartValues; i += kWarpLanes * 8) {
      const std::int64_t at = part * kPartValues + i, left = count - at;
      if (left <= 0) continue;
      const RawOctet<T> raw = load_some(values + at, in_vectors && left >= 8, left);
      SPIKELOOM_UNROLL
      for (int k = 0; k < 8; ++k) {
        const auto value = static_cast<double>(value_of(raw, k));
        sum += value * value;
      }
    }
    return sum;
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t part, double sum) const { sums[part] = sum; }
};

/// One row: all parts.
struct AddSquares : DoubleSum {
  std::int64_t parts;
  const double* sums;
  double* sum_of_all;

  AddSquares(std::int64_t part_count, const double* from, double* to)
      : parts(part_count), sums(from), sum_of_all(to) {}

  SPIKELOOM_HOST_DEVICE double partial(std::int64_t, int lane) const {
    double sum = 0.0;
    for (std::int64_t part = lane; part < parts; part += kWarpLanes) sum += sums[part];
    return sum;
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t, double sum) const { *sum_of_all = sum; }
};

struct ClipFactor {
  std::int64_t tensors;
  const double* square_sums;
  double max_norm;
  float* factor;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t) const {
    double sum = 0.0;
    for (std::int64_t i = 0; i < tensors; ++i) sum += square_sums[i];
    const double wanted = max_norm / (sqrt(sum) + 1e-6);
    *factor = wanted > 1.0 ? 1.0f : static_cast<float>(wanted);  // NaN stays
  }
};

template <class T>
struct FlagNotFinite {
  std::int64_t count;
  bool in_vectors;
  const T* values;
  std::uint32_t* flag;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const std::int64_t at = octet * 8, left = count - at;
    const RawOctet<T> raw = load_some(values + at, in_vectors && left >= 8, left);
    bool finite = true;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i)
      finite = finite && (bits_of_float(value_of(raw, i)) & 0x7fffffffu) < 0x7f800000u;
    if (!finite) raise_flag(flag);
  }
};

std::int64_t parts_of(std::int64_t count) { return (count + kPartValues - 1) / kPartValues; }

}  // namespace

std::int64_t square_sum_workspace(std::int64_t count) {
  return parts_of(count) * static_cast<std::int64_t>(sizeof(double));
}

template <class T>
void square_sum(const Queue& queue, std::int64_t count, const T* values, double* sum, void* workspace) {
  auto* sums = static_cast<double*>(workspace);
  const std::int64_t parts = parts_of(count);
  reduce_rows<kWarpLanes>(queue, "square_sum", parts, PartialSquares<T>(count, values, sums));
  reduce_rows<kWarpLanes>(queue, "square_sum", 1, AddSquares(parts, sums, sum));
}

void clip_factor(const Queue& queue, std::int64_t tensors, const double* square_sums, double max_norm,
                 float* factor) {
  for_each(queue, "clip_factor", 1, ClipFactor{tensors, square_sums, max_norm, factor});
}

template <class T>
void flag_not_finite(const Queue& queue, std::int64_t count, const T* values, std::uint32_t* flag) {
  for_each(queue, "flag_not_finite", (count + 7) / 8,
           FlagNotFinite<T>{count, is_aligned(values), values, flag});
}

template void square_sum(const Queue&, std::int64_t, const float*, double*, void*);
template void square_sum(const Queue&, std::int64_t, const BFloat16*, double*, void*);
template void flag_not_finite(const Queue&, std::int64_t, const float*, std::uint32_t*);
template void flag_not_finite(const Queue&, std::int64_t, const BFloat16*, std::uint32_t*);

}  // namespace spikeloom::kernels::cuda
