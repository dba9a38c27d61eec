#pragma once
// A network as the runtime runs it: nodes in the order in which they run, with their weights in them. Where
// it came from (a model file of a training, a graph of another program) does not matter from here on.
//
// A node is   connections -> product -> (times a factor of the step) -> (+ currents of other nodes) ->
// neurons and works on one step of one sample, in memory [H, W, C], channels fastest.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/model/program.h"

namespace spikeloom::runtime {

/// NeuNorm of the values of a connection: x = decay x + coefficient * sum_c v[c], v[c] - u x.
struct NeuNorm {
  std::vector<float> u;  ///< [positions] or [positions, C]
  float decay = 0.0f, coefficient = 0.0f;
  bool after_pool = false;  ///< acts on the pooled values
};

/// What a node takes of another one.
struct Connection {
  int from = model::kInput;  ///< an earlier node; kInput: the network's input
  model::Pool pool;
  std::optional<NeuNorm> neunorm;
};

/// A cross-correlation over [H, W, C] with zero padding; a matrix product is one of a single pixel.
struct Product {
  model::Shape input, output;
  struct Axis {
    int kernel = 1, stride = 1, padding = 0, dilation = 1;
  } vertical, horizontal;
  int groups = 1;                           ///< divides the channels of input and output
  std::vector<float> weight;                ///< see at()
  std::vector<kernels::BFloat16> weight16;  ///< instead of it, where each weight is one
  kernels::FixedPointWeights fixed;         ///< instead of both, where sums are exact in integers
  std::vector<float> scale;                 ///< [F], or empty: weights are whole numbers of such steps
  std::vector<float> bias;                  ///< [F], or empty
  /// Weights are bfloat16 or whole, and inputs are rounded to bfloat16: a product needs no rounding, so that
  /// a fused multiply-add gives the bits of the two operations.
  bool is_exact = false;

  /// Filters that lie together: those of some channels and one tap stay in the first-level cache.
  static constexpr std::int64_t kBlock = 64;
  /// Rows of the weights: (tap, channel), the channel inner, the tap counted along rows of the kernel.
  std::int64_t rows() const { return std::int64_t{vertical.kernel} * horizontal.kernel * input.channels; }
  /// Whether all inputs reach all outputs.
  bool is_matrix() const {
    return input.height * input.width == 1 && output.height * output.width == 1 &&
           vertical.kernel * horizontal.kernel == 1 && groups == 1;
  }
  /// Filters that a channel adds to.
  std::int64_t filters() const { return output.channels / groups; }
  /// Filters of the block that begins with this one.
  std::int64_t width(std::int64_t first) const { return std::min(kBlock, filters() - first); }
  float weight_at(std::int64_t row, std::int64_t filter) const {
    const float value = fixed.rows > 0      ? fixed.values[static_cast<std::size_t>(fixed.at(row, filter))]
                        : !weight16.empty() ? kernels::to_float(weight16[at(row, filter)])
                                            : weight[at(row, filter)];
    return scale.empty() ? value : value * scale[static_cast<std::size_t>(filter)];
  }
  /// Place of a weight: [block of filters][row][filter of the block].
  std::size_t at(std::int64_t row, std::int64_t filter) const {
    const std::int64_t first = filter / kBlock * kBlock;
    return static_cast<std::size_t>(first * rows() + row * width(first) + filter - first);
  }
};

/// Neurons of a node. Each list has a value for all of them, or one for each, in memory order:
///   i[t] = current_decay i[t-1] + input_scale x[t],   v = decay v + i[t] + leak,   spike where v >=
///   v_threshold
struct Neurons {
  /// kValue: hands its current on as it is. kNone: its current is only added to that of another node. kMean:
  /// likewise the last node's, whose current votes.
  enum Kind { kSpiking, kRelu, kValue, kNone, kMean } kind = kSpiking;
  kernels::Reset reset = kernels::Reset::kZero;
  std::vector<float> decay{1.0f}, v_threshold{1.0f}, v_reset{0.0f}, current_decay{0.0f}, input_scale{1.0f},
      leak{0.0f};
};

/// What nodes are that have a factor for each step, and so a last step.
constexpr const char* kByStep = "is normalised by step (TEBN)";

struct Node {
  std::string name;
  std::vector<Connection> inputs;  ///< their values are summed
  Product product;
  /// Weights, what they multiply and the current are rounded to bfloat16, as in a training with such
  /// products.
  bool bfloat16 = false;
  std::vector<float> step_factor;  ///< of the current at each step; empty: 1 at every step (kByStep)
  std::vector<int> shortcuts;      ///< earlier nodes whose current is added
  std::vector<float> recurrent;    ///< [N, N], row i: what a spike of neuron i adds to each; empty: none
  Neurons neurons;

  bool reads_input() const { return inputs.size() == 1 && inputs.front().from == model::kInput; }
};

struct Network {
  model::Shape input;
  int num_classes = 0;
  int num_steps = 1;    ///< T of the training
  bool spiking = true;  ///< false: runs once, on the mean of the input over the steps
  std::vector<Node> nodes;
  std::vector<std::int32_t> class_of;  ///< the class that each neuron of the last node votes for

  std::int64_t weight_bytes() const;
};

/// The values of each slot of a program, row-major in the order of its shape.
using SlotValues = std::vector<std::vector<float>>;

/// How the engine that a program was trained with multiplies; the runtime rounds as it does.
struct Arithmetic {
  bool bfloat16 = false;  ///< products but for those of the input
  /// Which convolutions of spikes are event-driven in inference, with weights rounded to 1023 steps from 0 to
  /// the largest of a filter: those of so many filters and more.
  std::int64_t event_filters = INT64_MAX;
  std::int64_t fixed_filters = 128;  ///< of those, which are added up in integers; the others in float
};

/// The arithmetic of settings whose precision is settled.
Arithmetic arithmetic_of(const model::ComputeSettings& settings);

/// The network of a program. tdBN is folded into weights and biases, TEBN but for its factors of the steps.
/// Weights are let go of one by one (move `values` in), so that no more than one exists twice.
Network make_network(const model::Program& program, SlotValues values, const Arithmetic& arithmetic = {});

}  // namespace spikeloom::runtime
