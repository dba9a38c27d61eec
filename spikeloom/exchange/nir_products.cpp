#include "spikeloom/exchange/nir_products.h"

#include <algorithm>

namespace spikeloom::exchange {

using formats::NirKind;

bool NirProduct::covers(NirKind kind) {
  return kind == NirKind::kAffine || kind == NirKind::kLinear || kind == NirKind::kConv1d ||
         kind == NirKind::kConv2d || kind == NirKind::kSumPool2d || kind == NirKind::kAvgPool2d;
}

NirProduct::NirProduct(const formats::NirNode& node, const formats::NirNodeShapes& shapes) {
  pooling_ = node.kind == NirKind::kSumPool2d || node.kind == NirKind::kAvgPool2d;
  windowed_ = pooling_ || node.kind == NirKind::kConv1d || node.kind == NirKind::kConv2d;
  if (const auto* bias = node.find("bias")) bias_ = bias->values;
  filters_ = shapes.output[0];
  channels_ = shapes.input[0];
  if (bias_.size() == 1) bias_.resize(static_cast<std::size_t>(filters_), bias_[0]);
  if (windowed_) {
    const auto windows = formats::nir_windows(node);
    const std::size_t first = 2 - windows.size();  // of one axis: the last
    for (std::size_t i = 0; i < windows.size(); ++i) {
      window_[first + i] = windows[i];
      in_[first + i] = shapes.input[1 + i];
      out_[first + i] = shapes.output[1 + i];
    }
  }
  if (pooling_) {
    if (node.kind == NirKind::kAvgPool2d)
      pool_factor_ = 1.0 / static_cast<double>(window_[0].size * window_[1].size);
    return;
  }
  if (windowed_) groups_ = static_cast<std::int64_t>(node.find("groups")->values.at(0));
  // [out, in] -> [in, out], for each group and tap: rows of the filters of a group.
  const auto& values = node.find("weight")->values;
  const std::int64_t taps = window_[0].size * window_[1].size, inner = channels_ / groups_,
                     group_filters = filters_ / groups_;
  weight_.resize(values.size());
  for (std::int64_t f = 0; f < filters_; ++f) {
    for (std::int64_t c = 0; c < inner; ++c) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        const std::int64_t channel = f / group_filters * inner + c;
        weight_[static_cast<std::size_t>((channel * taps + tap) * group_filters + f % group_filters)] =
            values[static_cast<std::size_t>((f * inner + c) * taps + tap)];
      }
    }
  }
}

double NirProduct::run(Span<const double> input, Span<const double> spikes, Span<double> output,
                       std::vector<double>& scratch) const {
  double operations = 0.0;
  if (windowed_) return run_windows(input, spikes, pool_factor_, output, scratch);
  if (bias_.empty()) {
    std::fill(output.begin(), output.end(), 0.0);
  } else {
    std::copy(bias_.begin(), bias_.end(), output.begin());
  }
  for (std::int64_t j = 0; j < channels_; ++j) {
    const double x = input.data()[j];
    if (x == 0.0) continue;
    const double* row = weight_.data() + j * filters_;
    for (std::int64_t f = 0; f < filters_; ++f) output.data()[f] += x * row[f];
    if (!spikes.empty()) operations += spikes.data()[j] * static_cast<double>(filters_);
  }
  return operations;
}

void NirProduct::pool_spikes(Span<const double> spikes, Span<double> output,
                             std::vector<double>& scratch) const {
  run_windows(spikes, {}, 1.0, output, scratch);
}

/// Scatters each input that is not zero over the outputs that see it: output[o] takes tap k of input i where
/// o * stride + k * dilation - padding = i.
double NirProduct::run_windows(Span<const double> input, Span<const double> spikes, double pool_factor,
                               Span<double> output, std::vector<double>& scratch) const {
  double operations = 0.0;
  const std::int64_t positions = out_[0] * out_[1], group_filters = pooling_ ? 1 : filters_ / groups_;
  const std::int64_t inner = channels_ / groups_;
  scratch.assign(static_cast<std::size_t>(positions * filters_), 0.0);  // [oy, ox, F]
  if (!bias_.empty()) {
    for (std::int64_t p = 0; p < positions; ++p)
      std::copy(bias_.begin(), bias_.end(), scratch.begin() + p * filters_);
  }
  const std::int64_t taps = window_[0].size * window_[1].size;
  for (std::int64_t c = 0; c < channels_; ++c) {
    const std::int64_t first = pooling_ ? c : c / inner * group_filters;
    for (std::int64_t y = 0; y < in_[0]; ++y) {
      for (std::int64_t x = 0; x < in_[1]; ++x) {
        const std::int64_t at = (c * in_[0] + y) * in_[1] + x;
        const double value = input.data()[at];
        if (value == 0.0) continue;
        const double of_each = spikes.empty() ? 0.0 : spikes.data()[at] * static_cast<double>(group_filters);
        for (std::int64_t ky = 0; ky < window_[0].size; ++ky) {
          const std::int64_t sy = y + window_[0].padding - ky * window_[0].dilation;
          if (sy < 0 || sy % window_[0].stride != 0 || sy / window_[0].stride >= out_[0]) continue;
          for (std::int64_t kx = 0; kx < window_[1].size; ++kx) {
            const std::int64_t sx = x + window_[1].padding - kx * window_[1].dilation;
            if (sx < 0 || sx % window_[1].stride != 0 || sx / window_[1].stride >= out_[1]) continue;
            double* sums = scratch.data() +
                           (sy / window_[0].stride * out_[1] + sx / window_[1].stride) * filters_ + first;
            if (pooling_) {
              *sums += value * pool_factor;
              continue;
            }
            const double* row = weight_.data() + (c * taps + ky * window_[1].size + kx) * group_filters;
            for (std::int64_t f = 0; f < group_filters; ++f) sums[f] += value * row[f];
            operations += of_each;
          }
        }
      }
    }
  }
  for (std::int64_t f = 0; f < filters_; ++f) {
    for (std::int64_t p = 0; p < positions; ++p)
      output.data()[f * positions + p] = scratch[static_cast<std::size_t>(p * filters_ + f)];
  }
  return operations;
}

}  // namespace spikeloom::exchange
