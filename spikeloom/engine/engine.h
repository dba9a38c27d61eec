#pragma once
// Runs a program forward and backward on a backend: the only place that knows the order of things.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/engine/backend.h"
#include "spikeloom/engine/listener.h"
#include "spikeloom/model/program.h"

namespace spikeloom::engine {

/// A batch in the backend's memory.
struct Batch {
  Buffer input;                  ///< float [T or 1, N, H, W, C]
  std::int64_t input_steps = 1;  ///< T, or 1: a still image, shown at every step
  std::int64_t samples = 0;
  Buffer labels;  ///< int64 [N], each in [0, classes); only a training step reads them
  /// Where these are a part of a batch: the place of the first of them, and the samples of the batch (0:
  /// these are all). A spare one belongs to another part as well, and adds to no loss and no gradient.
  std::int64_t first = 0, whole = 0;
  bool spare = false;
};

/// A network that can run and learn. Not thread-safe.
class Engine {
 public:
  /// Parameters are 0. Throws ConfigError that lists what the backend does not run, stage by stage.
  Engine(model::Program program, std::unique_ptr<Backend> backend);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const model::Program& program() const { return program_; }
  Backend& backend() { return *backend_; }
  const Backend& backend() const { return *backend_; }

  /// The values of a slot, row-major in the order of its shape.
  std::vector<float> read(int slot) const;
  void write(int slot, Span<const float> values);
  /// The same for values that are in memory order: [F, k, k, C] of a convolution, [H, W, C] of a U.
  void write_in_memory_order(int slot, Span<const float> values);
  /// The gradient of a slot since the last update, row-major; empty before a backward pass.
  std::vector<float> gradient(int slot) const;
  /// The same order for values of the slot's shape in the flat array's memory order, and back.
  std::vector<float> row_major(int slot, const Buffer& flat) const;
  void from_row_major(int slot, Span<const float> values, const Buffer& flat);

  /// All values as they are now, [flat_size], and their exchange with others of that kind.
  Buffer copy_of_values() const;
  void exchange(Buffer& flat);

  /// The class that each neuron of the last stage votes for, [neurons], each in [0, classes).
  void set_class_of(const std::vector<std::int32_t>& class_of);

  /// Votes [N, K] of a batch, float, in the backend's memory. Spikes are counted in the sums. Throws
  /// ShapeError.
  Buffer infer(const Batch& batch, const Pass& pass = {});

  /// Forward and backward pass of a batch; the gradients are ready after it. Loss, right answers and spikes
  /// are added to the backend's sums. Nothing is waited for. Of a part of a batch, loss and gradients are
  /// what it adds to those of the batch. Throws ShapeError.
  void step(const Batch& batch, const LossSpec& loss, Pass pass, GradientListener* listener = nullptr);

  /// One update of the parameters; drops the gradients. Learnable decays and thresholds are put back into
  /// their ranges.
  void update(const UpdateRule& rule, const std::vector<SlotUpdate>& slots, Moments& moments);

  Sums collect() { return backend_->collect(); }

  /// Multiplies weights, or divides thresholds, of each stage in turn until it fires at `firing_rate` on the
  /// batch, found by bisection. Returns the rates that were reached; a stage that adds currents of others
  /// (MS) is looked at as if these were multiplied too, and then fires at another rate, with weights. Throws
  /// ConfigError for an artificial network or a rate outside of (0, 1).
  enum class CalibrationTarget { kWeights, kThresholds };
  std::vector<double> calibrate(const Batch& batch, double firing_rate, CalibrationTarget target);

 private:
  /// What later stages have said, of each stage: gradients of its output, and of its current where they added
  /// it.
  struct Incoming {
    explicit Incoming(std::size_t stages) : outputs(stages), currents(stages) {}
    std::vector<std::vector<OutputGradient>> outputs;
    std::vector<std::vector<Buffer>> currents;
  };

  void check(const Batch& batch) const;
  Samples samples_of(const Batch& batch) const;
  std::vector<Samples> run_forward(Samples& whole, const Pass& pass);
  /// again: it is computed once more, so what it is made of stays.
  Buffer whole_current(int stage, Samples& samples, const Pass& pass, bool again = false);
  void end_lap(const Pass& pass, Timeline::Kind kind, int stage = -1);
  void run_stages(int first, int last, Samples& samples, const Pass& pass);
  void run_backward(int first, int last, Samples& samples, Incoming& incoming, const Pass& pass,
                    GradientListener* listener);
  Buffer gradient_of_current(int stage, Samples& samples, Incoming& incoming, const Pass& pass);
  void release_dead(int stage, Samples& samples) const;
  void announce(int stage, GradientListener* listener) const;

  model::Program program_;
  std::unique_ptr<Backend> backend_;
  ParameterStore parameters_;
  std::vector<int> last_reader_;  ///< of each stage's output
  std::vector<int> last_adder_;   ///< of each stage's current
};

}  // namespace spikeloom::engine
