#include "spikeloom/kernels/cuda/bias_gradient.h"
#include "spikeloom/kernels/cuda/column_sums.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

/// Rows that are loaded, and added as a tree, at a time.
constexpr int kRowsAhead = 8;

/// Index = part of the rows and octet of columns; the last octet may be shorter.
template <class T>
struct PartialColumns {
  static constexpr int kMinBlocks = 2;
  ColumnParts parts;
  Divisor octets;
  std::int64_t channels;
  bool in_vectors;
  const T* gradient;
  float* partial;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t part = index;
    const std::int64_t column = octets.split(part) * 8;
    const std::int64_t first = part * parts.length;
    const std::int64_t last = first + parts.length < parts.rows ? first + parts.length : parts.rows;
    float sums[8] = {};
    for (std::int64_t row = first; row < last; row += kRowsAhead) {
      RawOctet<T> raw[kRowsAhead];
      SPIKELOOM_UNROLL
      for (int j = 0; j < kRowsAhead; ++j) {
        raw[j] = {};
        if (row + j < last) {
          raw[j] = load_some(gradient + (row + j) * channels + column, in_vectors, channels - column);
        }
      }
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) sums[i] += tree(raw, i);
    }
    for (int i = 0; i < 8; ++i) {
      if (column + i < channels) partial[part * channels + column + i] = sums[i];
    }
  }

 private:
  SPIKELOOM_HOST_DEVICE static float tree(const RawOctet<T> (&raw)[kRowsAhead], int i) {
    static_assert(kRowsAhead == 8, "written out for 8");
    return ((value_of(raw[0], i) + value_of(raw[1], i)) + (value_of(raw[2], i) + value_of(raw[3], i))) +
           ((value_of(raw[4], i) + value_of(raw[5], i)) + (value_of(raw[6], i) + value_of(raw[7], i)));
  }
};

std::int64_t octets_of(std::int64_t channels) { return (channels + 7) / 8; }

}  // namespace

std::int64_t bias_gradient_workspace(std::int64_t rows, std::int64_t channels) {
  return ColumnParts(rows, octets_of(channels)).count * channels * static_cast<std::int64_t>(sizeof(float));
}

template <class T>
void bias_gradient(const Queue& queue, std::int64_t rows, std::int64_t channels, const T* gradient,
                   float* sums, void* workspace) {
  const std::int64_t octets = octets_of(channels);
  const ColumnParts parts(rows, octets);
  auto* partial = static_cast<float*>(workspace);
  const bool in_vectors = channels % 8 == 0 && is_aligned(gradient);
  for_each(queue, "bias_gradient", parts.count * octets,
           PartialColumns<T>{parts, Divisor(octets), channels, in_vectors, gradient, partial});
  reduce_rows<kWarpLanes>(queue, "bias_gradient", channels,
                          AddParts{parts.count, channels, partial, sums, 1.0});
}

template void bias_gradient(const Queue&, std::int64_t, std::int64_t, const float*, float*, void*);
template void bias_gradient(const Queue&, std::int64_t, std::int64_t, const BFloat16*, float*, void*);

}  // namespace spikeloom::kernels::cuda
