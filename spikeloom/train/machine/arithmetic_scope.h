#pragma once
#include <vector>

namespace spikeloom::train {

/// While it lives, arithmetic runs as in every training: a number of threads for kernels, LibTorch and the
/// BLAS, and a floating-point mode (round to nearest, no traps, denormals flushed) for the calling thread and
/// OpenMP's. All that decides bits; so library and program give the same. Afterwards everything is as it was
/// before.
///
/// train(), evaluate_model(), benchmark_step(), training_signature() and TrainedNetwork::forward() open one
/// themselves: a loop of one's own needs one around it. The number of threads belongs to the process: have
/// one at a time, or several of the same number. Close it on the thread that opened it.
class ArithmeticScope {
 public:
  /// threads: 0 = num_threads() of base/threads.h. Throws ConfigError unless 0 <= threads <= 1024.
  explicit ArithmeticScope(int threads = 0);
  ~ArithmeticScope();
  ArithmeticScope(const ArithmeticScope&) = delete;
  ArithmeticScope& operator=(const ArithmeticScope&) = delete;

  int threads() const { return threads_; }

 private:
  int threads_, threads_before_, torch_threads_before_, blas_threads_before_;
  std::vector<unsigned> float_modes_;  ///< before, of each thread of OpenMP's pool
};

}  // namespace spikeloom::train
