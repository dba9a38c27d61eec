#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "spikeloom/engine/listener.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/parallel/c10d.h"

namespace spikeloom::parallel {

/// How gradients travel.
enum class GradientFormat {
  kFloat,
  /// Half the bytes. Each process rounds its gradient g_r to bfloat16 (u = 2^-8), one adds them up in float
  /// and rounds the sum: |error| <= 2.01 u sum_r |g_r|, about 0.8 % of it.
  kBfloat16,
};

/// Adds up the gradients of processes that train together while the backward pass still runs, and a few
/// numbers of each step beside them. After wait() each process has the same sums, to the last bit. Gradients
/// are float.
class StepExchange : public engine::GradientListener {
 public:
  /// Called once a step, after its forward pass: what it returns is added up over the processes.
  void set_step_sums(std::function<std::vector<double>()> step_sums) { step_sums_ = std::move(step_sums); }
  /// Of the step before: after wait().
  const std::vector<double>& sums() const { return sums_; }

 protected:
  std::function<std::vector<double>()> step_sums_;
  std::vector<double> sums_;
};

/// In host memory: slots that are ready are put together into buckets, which a thread of its own sends; large
/// ones go as they are, where they lie.
class GradientExchange : public StepExchange {
 public:
  /// bucket_bytes: so many at a time at least, but for the last of a step.
  explicit GradientExchange(Communicator& communicator, GradientFormat format = GradientFormat::kFloat,
                            std::int64_t bucket_bytes = std::int64_t{1} << 20);
  ~GradientExchange() override;

  void ready(int slot, const engine::Buffer& gradient) override;
  /// Throws ParallelError.
  void wait() override;

 private:
  /// One thing to send; where `parts` is not empty, it is put together from them.
  struct Bucket {
    float* values = nullptr;
    std::int64_t count = 0;
    std::vector<float> together;
    std::vector<engine::Buffer> parts;
    std::vector<double>* doubles = nullptr;
  };

  void send(Bucket bucket);
  void send_together();
  void work();
  void reduce(const Bucket& bucket);
  void reduce_rounded(float* values, std::int64_t count);

  Communicator& communicator_;
  const GradientFormat format_;
  const std::int64_t bucket_count_;
  bool begun_ = false;                      ///< a step
  Bucket open_;                             ///< small slots so far
  std::vector<kernels::BFloat16> rounded_;  ///< of the thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Bucket> waiting_, sent_;
  bool busy_ = false, stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

/// In the memory of CUDA devices, one for each process: a slot is asked of the device as soon as it is ready,
/// and the host waits once a step.
class DeviceGradientExchange : public StepExchange {
 public:
  /// host: for the numbers of a step. Both must outlive it.
  DeviceGradientExchange(DeviceSums& device, Communicator& host) : device_(device), host_(host) {}

  void ready(int slot, const engine::Buffer& gradient) override;
  /// Throws ParallelError.
  void wait() override;

 private:
  DeviceSums& device_;
  Communicator& host_;
};

}  // namespace spikeloom::parallel
