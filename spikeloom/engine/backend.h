#pragma once
// What the engine asks of those who do the arithmetic. A backend knows one stage at a time; the order of
// things is the engine's.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/engine/loss.h"
#include "spikeloom/engine/pass.h"
#include "spikeloom/engine/update.h"
#include "spikeloom/model/program.h"

namespace spikeloom::engine {

/// The parameters of a program and their gradients, in a backend's memory.
struct ParameterStore {
  Buffer values;  ///< float [flat_size]
  std::vector<Buffer>
      gradients;              ///< of each slot, float or bfloat16; empty until a backward pass has come by
  std::uint64_t version = 1;  ///< grows with every change of the values

  float* of(const model::Slot& slot) const { return values.floats() + slot.offset; }
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// "cpu", "cuda:0": where it computes.
  virtual std::string name() const = 0;
  virtual Memory& memory() = 0;

  /// Why it does not run a stage of the program, in one line; empty if it does. Nothing falls back silently.
  virtual std::string refusal(const model::Program& program, const model::Stage& stage) const = 0;
  /// How it runs a stage, in some words: "compact state, bf16 products, event-driven where sparse".
  virtual std::string path(const model::Program& program, const model::Stage& stage) const = 0;

  /// Called once, before anything else. Both outlive the backend's use.
  virtual void attach(const model::Program& program, ParameterStore& parameters) = 0;

  /// The program's class_of is another one now.
  virtual void take_class_of() = 0;

  /// How a batch is parted: the first `stages` stages run with `samples` samples at a time.
  struct Slicing {
    int stages = 0;
    std::int64_t samples = 0;
  };
  virtual Slicing slicing(std::int64_t batch, bool static_input, bool training) const;
  virtual Buffer slice(const Buffer& values, std::int64_t steps, std::int64_t batch, std::int64_t first,
                       std::int64_t count);
  /// A stage's output over all slices, in the order of the samples.
  virtual Activation join(const std::vector<Samples>& slices, int stage);

  /// Called before the first stage of a training step, and what the step reads that changes from step to
  /// step: outside of a captured sequence.
  virtual void prepare(std::uint64_t iteration, double learning_rate) = 0;

  /// gather -> product -> normalisation: what the stage's neurons take but for shortcuts, [T * N, H, W, C],
  /// or one step of it for a static input. Fills the stage's activation but for what fire() does.
  virtual Buffer current(int stage, Samples& samples, const Pass& pass) = 0;
  /// a + b of two currents, in the type of a; one that has a single step is meant at every step.
  virtual Buffer add(Buffer a, const Buffer& b);
  /// The sum over steps of a gradient that is to have `count` values: itself where it has.
  virtual Buffer sum_steps(Buffer gradient, std::int64_t count);

  /// The stage's neurons.
  virtual void fire(int stage, Buffer current, Samples& samples, const Pass& pass) = 0;
  /// Gradients of a stage's output, from all of its readers -> that of its current. None: an empty buffer.
  virtual Buffer fire_backward(int stage, Samples& samples, std::vector<OutputGradient> gradients,
                               const Pass& pass) = 0;
  /// That of the current -> those of the stage's parameters, which are added to the store's, and of what its
  /// edges bring.
  virtual std::vector<OutputGradient> current_backward(int stage, Samples& samples, Buffer grad_current,
                                                       const Pass& pass) = 0;

  /// Votes [N, K], float.
  virtual Buffer votes(const Activation& last) = 0;
  /// Loss of a batch and its gradient with respect to the last stage's output. labels int64 [N]. Adds to the
  /// sums.
  virtual OutputGradient loss(const Activation& last, const Buffer& labels, const LossSpec& spec) = 0;
  /// Counts a batch of samples whose activity has been looked at, without a loss.
  virtual void count(std::int64_t samples) = 0;

  /// One update of the parameters from the store's gradients, which are dropped.
  virtual void update(const UpdateRule& rule, const std::vector<SlotUpdate>& slots, Moments& moments) = 0;

  /// The sums since the last call, which begin anew. Waits for the backend.
  virtual Sums collect() = 0;
  virtual void wait() {}
  /// Whether steps can be captured as a graph and replayed.
  virtual bool captures() const { return false; }

  /// Firing rate of a stage's neurons on its current times `scale`. Throws ConfigError where it cannot say.
  virtual double firing_rate(int stage, const Buffer& current, const Samples& samples, double scale);
};

}  // namespace spikeloom::engine
