#pragma once
// The harness: every kernel behind one table, one table a backend (the reference, and the CPU kernels at
// every SIMD level that this machine has), and buffers that show what a kernel reads and writes.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "spikeloom/kernels/dropout_params.h"
#include "spikeloom/kernels/neunorm_params.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/pool_params.h"
#include "spikeloom/kernels/voting_params.h"
#include "tests/kernels/values.h"

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

}  // namespace spikeloom::kernels::test
