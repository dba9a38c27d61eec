#pragma once
// A network as a program: fused stages in the order in which they run, and the parameters that they use. The
// engine runs it, a backend says what of it it can run; neither looks at the structure string.
//
// A stage is   gather -> product (-> normalisation) (+ currents of other stages) -> neurons
//   gather         the spikes that its edges bring, through NeuNorm and pooling, summed (SEW), then dropout
//   product        convolution or fully connected layer, with bias
//   normalisation  of the product's current (tdBN, TEBN)
//   shortcuts      whole currents of earlier stages, added behind normalisation (MS)
//   recurrence     weights times the stage's own spikes of the step before, added last
// so that everything between two sets of neurons is one unit, which backends fuse.
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/kernels/neunorm_params.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"
#include "spikeloom/model/shape.h"

namespace spikeloom::model {

/// What a slot holds: decides its learning rate and weight decay.
enum class Role {
  kConvolution,
  kFullyConnected,  ///< recurrent weights too
  kNeuNorm,
  kNeuron,
  kNorm,  ///< scale, shift and step_scale of a normalisation: rate factor 1, weight decay with decay_all only
  kStatistics,  ///< running mean and variance: not trained
};

/// One parameter or buffer of the network: a range of the flat array of all of them.
struct Slot {
  /// "conv1.weight", "fc2.bias", "conv1.neunorm_u", "conv3.decay", "rfc1.recurrent_weight",
  /// "conv2.norm_scale", "conv2.norm_shift", "conv2.norm_mean", "conv2.norm_variance",
  /// "conv2.norm_step_scale".
  std::string name;
  /// [F, C, k, k], [F, values], [F], [N, N], [T], [C or 1, H, W], [] for a scalar: as files have it,
  /// row-major.
  std::vector<std::int64_t> shape;
  Role role = Role::kConvolution;
  bool is_bias = false;  ///< of a convolution or a fully connected layer
  bool trained = true;   ///< false: a buffer, without gradient and moments
  /// All values before a training; nothing where they are random (engine/initialise.h).
  std::optional<double> start;
  /// Values are kept within after each update.
  float lowest = -std::numeric_limits<float>::infinity(), highest = std::numeric_limits<float>::infinity();
  std::int64_t offset = 0;  ///< of its first value in the flat array, a multiple of kSlotAlignment
  std::int64_t size = 0;    ///< values

  /// Weights of a convolution and U lie in memory with the channels innermost: [F, k, k, C], [H, W, C].
  bool channels_last() const { return shape.size() >= 3; }
};

/// Values: 64 bytes of floats.
constexpr std::int64_t kSlotAlignment = 16;

/// What a stage reads of another one.
struct Edge {
  int stage = kInput;  ///< whose spikes; kInput: the network's input
  Pool pool;
  int neunorm_u = kNoSlot;          ///< slot of U
  bool neunorm_after_pool = false;  ///< NeuNorm acts on the pooled spikes

  bool is_plain() const { return neunorm_u == kNoSlot; }
};

struct Product {
  enum Kind { kConvolution, kFullyConnected } kind = kConvolution;
  int kernel = 1, stride = 1, padding = 0;  ///< of a convolution, pixels
  Shape input, output;                      ///< {neurons, 1, 1} of a fully connected layer
  int weight = kNoSlot, bias = kNoSlot;     ///< slots

  bool is_convolution() const { return kind == kConvolution; }
};

/// Batch normalisation of the product's current; the equations stand at NormKind.
struct Norm {
  static constexpr NormKind kNone = NormKind::kNone, kTdbn = NormKind::kTdbn, kTebn = NormKind::kTebn;
  NormKind kind = kNone;
  int scale = kNoSlot, shift = kNoSlot;    ///< slots [F]; start at 1 and 0
  int mean = kNoSlot, variance = kNoSlot;  ///< slots [F], running; start at 0 and 1
  int step_scale = kNoSlot;                ///< slot [T], of kTebn; starts at 1
  double momentum = 0.1;
  double epsilon = 1e-5;
  double factor = 1.0;  ///< of kTdbn: alpha * v_threshold, of an artificial network 1
};

struct Neuron {
  /// kLinear: the current as it is (readout of an ANN). kNone: no neurons, the current is added to that of
  /// another stage and used for nothing else. kReadout: no neurons, the current's mean over the steps votes.
  enum Kind { kLif, kRelu, kLinear, kNone, kReadout } kind = kLif;
  kernels::NeuronParams params;                ///< of kLif; learnable ones: where they start. IF has decay 1
  int decay = kNoSlot, v_threshold = kNoSlot;  ///< slots, where they are learnt

  bool fires() const { return kind == kLif; }
  /// Calls use(slot, the parameter, its gradient) for each that is learnt; the latter two point to members.
  template <class Use>
  void for_each_learnt(const Use& use) const {
    using kernels::LifParameterGradients;
    using kernels::NeuronParams;
    if (decay != kNoSlot) use(decay, &NeuronParams::decay, &LifParameterGradients::decay);
    if (v_threshold != kNoSlot) {
      use(v_threshold, &NeuronParams::v_threshold, &LifParameterGradients::v_threshold);
    }
  }
  /// params with what is learnt as it is now: value(slot).
  template <class Value>
  kernels::NeuronParams params_now(const Value& value) const {
    kernels::NeuronParams now = params;
    for_each_learnt([&](int slot, auto parameter, auto) { now.*parameter = value(slot); });
    return now;
  }
};

struct Stage {
  std::string name;  ///< "conv1", "conv4_shortcut", "fc2", "voting"
  std::vector<Edge>
      inputs;            ///< more than one behind a SEW block; each has its own pool, then they are summed
  double dropout = 0.0;  ///< rate, of what the product takes
  bool same_mask_each_step = false;
  int number = 0;  ///< of this stage from 0: keys its random numbers
  Product product;
  Norm norm;
  /// Earlier stages whose current, as their neurons take it (kNone: as it is), is added to this stage's.
  std::vector<int> shortcuts;
  int recurrent = kNoSlot;  ///< slot [N, N]: row i weighs the spikes that come in to neuron i
  Neuron neuron;
  kernels::NeuNormParams neunorm;  ///< of the NeuNorm that edges from this stage have

  bool reads_input() const { return inputs.size() == 1 && inputs.front().stage == kInput; }
  /// One set of spikes that nothing but pooling happens to: products can work on its bits.
  bool reads_spikes() const {
    return inputs.size() == 1 && inputs.front().stage != kInput && inputs.front().is_plain();
  }
  /// Statistics of a batch are those of all of its samples.
  bool needs_whole_batch() const { return norm.kind != NormKind::kNone; }
  /// Slots whose gradient is whole when the backward pass has left the stage, in an order that never changes.
  std::vector<int> trained_slots() const;
  /// Those that, multiplied by a factor, multiply the current so.
  std::vector<int> scaling_slots() const;
  /// What not every backend runs, in words: "a recurrent layer".
  std::vector<std::string> extras() const;
};

struct Program {
  Shape input;
  int num_classes = 0;
  int num_steps = 1;  ///< T; 1 for an artificial network, which sees the mean of its input
  bool spiking = true;
  std::vector<Stage> stages;  ///< a stage reads earlier ones only; the last one votes
  std::vector<Slot> slots;
  std::int64_t parameters = 0;         ///< values of all trained slots
  std::int64_t trained_size = 0;       ///< values of the flat array up to the buffers, gaps included
  std::int64_t flat_size = 0;          ///< values of the flat array, gaps included; buffers are at its end
  std::vector<std::int32_t> class_of;  ///< the class that each neuron of the last stage votes for

  const Slot& slot(int index) const { return slots[static_cast<std::size_t>(index)]; }
  /// kNoSlot if there is none.
  int find_slot(const std::string& name) const;
};

/// The program of a plan. `seed`: of the random assignment of voting neurons to classes.
Program make_program(const NetworkPlan& plan, const NetworkSettings& settings, std::uint64_t seed);

/// The program as text, a line a stage: "conv2  <- conv1 AP2  64C3 64x14x14  tdBN  + conv1  LIF".
std::string to_string(const Program& program);

}  // namespace spikeloom::model
