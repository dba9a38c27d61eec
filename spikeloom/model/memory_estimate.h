#pragma once
// What a network needs in memory, before anything of it is allocated.
#include <cstdint>

#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::model {

/// What the memory is for.
struct MemoryUse {
  std::int64_t batch_size = 1;
  bool training = true;      ///< false: forward only
  bool static_input = true;  ///< still images: one step of input, whatever num_steps is
  int moments = 0;           ///< the optimiser's values for each parameter: moments, and a moving average
  int loader_batches = 0;    ///< batches of float inputs that a loader holds
};

/// Bytes.
struct MemoryEstimate {
  /// float, the copies in other formats (bfloat16, 16-bit integers), and running statistics
  std::int64_t parameters = 0;
  std::int64_t gradients = 0;    ///< float
  std::int64_t optimizer = 0;    ///< float moments
  std::int64_t kept_state = 0;   ///< kept between forward and backward pass
  std::int64_t working_set = 0;  ///< of the layer that needs most
  std::int64_t inputs = 0;       ///< batches of the loader
  std::int64_t libraries = 0;    ///< program and libraries themselves

  std::int64_t total() const {
    return parameters + gradients + optimizer + kept_state + working_set + inputs + libraries;
  }
  /// The part that is certain: weights in float, their gradients and moments. A network for which that is
  /// more than there is cannot run.
  std::int64_t certain = 0;
};

/// The estimate for `plan`, which was made of `settings`. Parameters, gradients and moments are exact, kept
/// state is the most that compute.state = "compact" keeps (kernels/v_pre_code.h: bits and codes; of layers
/// that keep it also the current, in the precision of the products), the rest is right within a factor of
/// about two: what LibTorch and oneDNN take beside depends on version and processor. Data sets that lie in
/// memory are not part of it. Nothing overflows: sums stop at 2^60.
MemoryEstimate estimate_memory(const NetworkPlan& plan, const NetworkSettings& settings,
                               const MemoryUse& use);

}  // namespace spikeloom::model
