#pragma once
#include <array>
#include <cstdint>

namespace spikeloom::stream {

/// Durations in a fixed number of classes: any number of them in the memory of one. Quantiles are at most
/// 1/32 too high.
class LatencyHistogram {
 public:
  /// nanoseconds, >= 0.
  void add(std::int64_t nanoseconds) {
    ++counts_[class_of(static_cast<std::uint64_t>(nanoseconds < 0 ? 0 : nanoseconds))];
    ++total_;
  }
  std::int64_t total() const { return total_; }
  /// Microseconds that at least this share (0 .. 1) of the durations do not exceed; 0 without any.
  double quantile_us(double share) const {
    std::int64_t below = 0;
    for (std::size_t i = 0; i < kClasses; ++i) {
      below += counts_[i];
      if (below > 0 && static_cast<double>(below) >= share * static_cast<double>(total_)) {
        return 1e-3 * static_cast<double>(upper_end(i));
      }
    }
    return 0.0;
  }

 private:
  static constexpr int kBits = 5;  // 32 classes for each power of two
  static constexpr std::size_t kPerPower = std::size_t{1} << kBits, kClasses = (64 - kBits + 1) * kPerPower;

  static std::size_t class_of(std::uint64_t value) {
    int shift = 0;
    while (value >> shift >= 2 * kPerPower) ++shift;
    return static_cast<std::size_t>(shift) * kPerPower + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t upper_end(std::size_t index) {
    if (index < 2 * kPerPower) return index;
    const std::size_t shift = index / kPerPower - 1;
    return ((index - shift * kPerPower + 1) << shift) - 1;
  }

  std::array<std::int64_t, kClasses> counts_{};
  std::int64_t total_ = 0;
};

}  // namespace spikeloom::stream
