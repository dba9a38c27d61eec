#pragma once
// What lies between the stages while a batch, or a slice of it, runs through them.
#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/engine/buffer.h"
#include "spikeloom/engine/cost.h"
#include "spikeloom/engine/statistics_exchange.h"
#include "spikeloom/engine/timeline.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/model/program.h"

namespace spikeloom::engine {

struct Samples;

/// Is shown what each stage's neurons take, before they do.
class CurrentObserver {
 public:
  virtual ~CurrentObserver() = default;
  /// current: [T or 1, samples.count, H, W, C] in memory order, float or bfloat16, in the backend's memory;
  /// valid during the call only. Of a recurrent stage without what its own spikes bring.
  virtual void current(int stage, const Buffer& current, const Samples& samples) = 0;
};

struct Pass {
  bool training = false;        ///< dropout on
  bool keep = false;            ///< a backward pass follows
  bool accumulate = false;      ///< the gradients add to those that are there
  std::uint64_t seed = 0;       ///< of the dropout masks
  std::uint64_t iteration = 0;  ///< which training iteration: makes the masks fresh
  /// Where other processes have the rest of the batch: its statistics are those of all.
  StatisticsExchange* statistics = nullptr;
  /// Filled if given, one entry a stage; then each stage is waited for.
  std::vector<StageCost>* costs = nullptr;
  bool densities = false;               ///< fill StageCost::input_density too, which takes time of its own
  Timeline* timeline = nullptr;         ///< none: nothing is noted; else each stage is waited for
  CurrentObserver* observer = nullptr;  ///< none: nobody looks
};

/// What a backend keeps of a stage, known to itself only.
struct Kept {
  virtual ~Kept() = default;
};

/// What a stage leaves for those that read it, and for its own backward pass.
struct Activation {
  kernels::PackedImages images;   ///< of its output; pooling is a matter of who reads it
  bool static_input = false;      ///< its current has one step, the same for all
  Buffer spikes;                  ///< bytes [T, packed_bytes(neurons)], of neurons that fire
  Buffer values;                  ///< [T * N, H, W, C], of those that do not
  std::int64_t spike_count = -1;  ///< -1: not known on the host
  /// Its whole current, as its neurons take it, where a later stage adds it to its own.
  Buffer current;
  std::int64_t own_count = 0;     ///< values of the current before others are added
  std::unique_ptr<Kept> product;  ///< of gather and product
  std::unique_ptr<Kept> neurons;
};

/// Samples that run together: a batch, or a slice of one.
struct Samples {
  Buffer input;                  ///< float [T or 1, count, H, W, C]
  std::int64_t input_steps = 1;  ///< T, or 1: a still image, shown at every step
  std::int64_t count = 0;
  std::int64_t first = 0, batch = 0;  ///< which of how many samples of this process
  /// Which of how many samples of the batch, the other processes' included: dropout draws by place.
  std::int64_t whole_first = 0, whole = 0;
  bool spare = false;  ///< counted elsewhere: no part of the batch's statistics
  std::vector<Activation> stages;

  bool is_whole() const { return count == batch; }
  bool is_last_slice() const { return first + count == batch; }
};

/// The gradient of a stage's output as one of its readers has it.
struct OutputGradient {
  int stage = model::kNoStage;
  model::Pool pool;  ///< it is that of the pooled output; kNone or kAverage
  Buffer values;     ///< [T * N, H / k, W / k, C], float or bfloat16
  /// Of the NeuNorm on the edge, where the neurons' backward pass is to add it: [T, N, P] float.
  Buffer neunorm_dx;
  double neunorm_coefficient = 0.0;
  bool neunorm_after_pool = false;
};

}  // namespace spikeloom::engine
