#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace spikeloom::report {

/// A series of unknown length in bounded memory: every stride-th point of it and the last one. The stride
/// doubles whenever 2 * capacity points are kept, so that between capacity and 2 * capacity of a long series
/// remain.
template <class Point>
class Thinned {
 public:
  explicit Thinned(std::size_t capacity) : capacity_(capacity < 2 ? 2 : capacity) {}

  void add(Point point) {
    if (count_++ % stride_ != 0) {
      last_ = std::move(point);
      last_is_kept_ = false;
      return;
    }
    if (points_.size() == 2 * capacity_) {
      // Not the first one onto itself, which would empty it.
      for (std::size_t i = 1; i < capacity_; ++i) points_[i] = std::move(points_[2 * i]);
      points_.resize(capacity_);
      stride_ *= 2;  // the point that is added is number 2 * capacity * stride: still a multiple
    }
    points_.push_back(std::move(point));
    last_is_kept_ = true;
  }

  /// Takes the last points back as long as `is_void` says so of them; the next one that is added is kept.
  template <class IsVoid>
  void take_back(const IsVoid& is_void) {
    if (!last_is_kept_) {
      if (!is_void(last_)) return;
      last_is_kept_ = true;
    }
    while (!points_.empty() && is_void(points_.back())) points_.pop_back();
    count_ = points_.size() * stride_;
  }

  /// Whether some were left out.
  bool is_thinned() const { return stride_ > 1; }

  /// The points that remain, in order.
  std::vector<Point> take() {
    if (!last_is_kept_) points_.push_back(std::move(last_));
    return std::move(points_);
  }

 private:
  std::size_t capacity_, stride_ = 1, count_ = 0;  ///< points that were added, about
  std::vector<Point> points_;
  Point last_{};
  bool last_is_kept_ = true;
};

}  // namespace spikeloom::report
