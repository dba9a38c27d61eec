#pragma once
// The harness: every kernel behind one table, one table a backend (the reference, and the CPU kernels at
// every SIMD level that this machine has), and buffers that show what a kernel reads and writes.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "spikeloom/kernels/dropout_params.h"
#include "spikeloom/kernels/neunorm_params.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/pool_params.h"
#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels::test {

/// "reference", or the name of a SIMD level of the CPU kernels.
struct Backend {
  std::string name;

  template <class T>
  std::int64_t lif_forward(const LifSize& size, const NeuronParams& params, const T* input, T* v_pre,
                           T* spikes) const;
  template <class T>
  void lif_backward(const LifSize& size, const NeuronParams& params, const T* grad_spikes, const T* v_pre,
                    const T* spikes, T* grad_input, LifParameterGradients* gradients) const;
  template <class T>
  void neunorm_forward(const NeuNormSize& size, const NeuNormParams& params, const T* spikes, const T* u,
                       T* x, T* output) const;
  template <class T>
  void neunorm_backward(const NeuNormSize& size, const NeuNormParams& params, const T* grad_output,
                        const T* u, const T* x, T* grad_spikes, T* grad_u) const;
  template <class T>
  void avg_pool_forward(const PoolSize& size, const T* input, T* output) const;
  template <class T>
  void avg_pool_backward(const PoolSize& size, const T* grad_output, T* grad_input) const;
  template <class T>
  void dropout_apply(const DropoutSize& size, double p, DropoutKey key, const T* input, T* output) const;
  template <class T>
  void voting_forward(const VotingSize& size, const std::int32_t* class_of, const T* spikes, T* votes) const;
  template <class T>
  void voting_backward(const VotingSize& size, const std::int32_t* class_of, const T* grad_votes,
                       T* grad_spikes) const;
};

/// The CPU kernels at every level of this machine; with the reference in front if asked for.
std::vector<Backend> cpu_backends();
std::vector<Backend> all_backends();

/// Sets the number of threads for a scope.
class ThreadCount {
 public:
  explicit ThreadCount(int count);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

/// An array that starts one element after an aligned address, is full of NaN, and notices writes outside.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::int64_t size)
      : size_(static_cast<std::size_t>(size)), values_(size_ + 2 * kGuard + 1, guard_value()) {
    for (std::size_t i = 0; i < size_; ++i) data()[i] = std::numeric_limits<T>::quiet_NaN();
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(static_cast<std::int64_t>(values.size())) {
    for (std::size_t i = 0; i < size_; ++i) data()[i] = values[i];
  }

  T* data() { return values_.data() + kGuard + 1; }
  std::vector<T> values() const {
    const auto first = values_.begin() + static_cast<std::ptrdiff_t>(kGuard) + 1;
    return {first, first + static_cast<std::ptrdiff_t>(size_)};
  }
  bool guards_intact() const {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const bool outside = i < kGuard + 1 || i >= kGuard + 1 + size_;
      if (outside && values_[i] != guard_value()) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 32;
  static constexpr T guard_value() { return T(-12345); }
  std::size_t size_;
  std::vector<T> values_;
};

/// Normal deviates; every other one rounded to a multiple of 1/4, so that potentials meet the threshold
/// exactly.
template <class T>
std::vector<T> random_values(std::int64_t size, unsigned seed, double scale = 1.0) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = scale * normal(generator);
    values[i] = static_cast<T>(i % 2 == 0 ? value : std::round(value * 4) / 4);
  }
  return values;
}

/// Currents whose first step lies at the threshold, within few steps of a code from it, some widths away, or
/// as far as numbers go; infinite and not a number, too.
inline std::vector<float> extreme_currents(const NeuronParams& params, std::int64_t size) {
  const auto v_threshold = static_cast<float>(params.v_threshold);
  const auto width = static_cast<float>(params.surrogate_width);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> some = {v_threshold, kInfinity, -kInfinity, 3e38f,
                             -3e38f,      0.0f,      1e-40f,     std::numeric_limits<float>::quiet_NaN()};
  for (const float distance : {1e-7f, 3e-6f, 7.7e-6f, 1e-5f, 0.1f, 0.4999f, 0.5f, 0.9999f, 1.0f, 30.0f,
                               127.0f, 128.0f, 32767.0f, 65536.0f, 1e5f, 1e10f}) {
    some.push_back(v_threshold + distance * width);
    some.push_back(v_threshold - distance * width);
  }
  std::vector<float> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = some[i % some.size()];
  return values;
}

/// What the general paths are for: codes of all neurons, other resets, a synaptic current.
inline std::vector<NeuronParams> general_neurons() {
  std::vector<NeuronParams> all;
  for (const auto surrogate :
       {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
    const auto add = [&](Reset reset, bool detach, double v_reset, double current_decay, bool learnable) {
      NeuronParams params;
      params.surrogate = surrogate;
      params.reset = reset;
      params.detach_reset = detach;
      params.v_reset = v_reset;
      params.current_decay = current_decay;
      params.learnable = learnable;
      all.push_back(params);
    };
    add(Reset::kZero, false, 0.0, 0.0, true);
    add(Reset::kSubtract, false, 0.0, 0.0, true);
    add(Reset::kZero, true, -0.3, 0.0, true);
    add(Reset::kNone, false, 0.0, 0.7, true);
    add(Reset::kNone, false, 0.0, 0.0, false);
    add(Reset::kZero, false, 0.2, 0.0, false);
    add(Reset::kZero, false, 0.0, 0.5, false);
    add(Reset::kSubtract, false, 0.0, 0.6, false);
    add(Reset::kSubtract, true, 0.0, 0.6, false);
    all.back().decay = 1.0;  // integrate and fire
  }
  return all;
}

/// 0 or 1.
template <class T>
std::vector<T> random_spikes(std::int64_t size, unsigned seed, double rate = 0.3) {
  std::mt19937 generator(seed);
  std::bernoulli_distribution fires(rate);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = fires(generator) ? T(1) : T(0);
  return values;
}

/// The number of values that differ by more than the tolerance or are not finite; tolerance 0 asks for equal
/// bits.
template <class T>
std::int64_t mismatches(const std::vector<T>& got, const std::vector<T>& want, double tolerance = 0.0) {
  if (got.size() != want.size()) return -1;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    const bool bits_differ = std::memcmp(&got[i], &want[i], sizeof(T)) != 0;
    if (!(difference <= tolerance) || (tolerance == 0.0 && bits_differ)) ++count;
  }
  return count;
}

template <class T>
double largest(const std::vector<T>& values) {
  double result = 0.0;
  for (const T value : values) result = std::max(result, std::abs(static_cast<double>(value)));
  return result;
}

template <class T>
constexpr double epsilon() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

}  // namespace spikeloom::kernels::test
