#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"
#include "spikeloom/nn/parameter.h"

namespace spikeloom::nn {

class Block;
class CompactChain;
class DeviceChain;
class WeightBlock;

/// How much a layer fired in one forward pass.
struct LayerActivity {
  std::string name;
  at::Tensor spike_count;         ///< int64 scalar
  std::int64_t neuron_steps = 0;  ///< neurons x samples x steps
};

/// Below how many spikes a value that comes in (behind pooling by k up to k * k) a layer's currents and the
/// gradient of its weights are event-driven, with model::Path::kAuto.
struct LayerCrossover {
  std::string layer;
  double forward_below = 0.0;
  double gradient_below = 0.0;
  /// Share of open surrogate windows below which the gradient of its input is computed only where they are
  /// open.
  double input_gradient_below = 0.0;
};

/// What one layer with weights cost in one pass.
struct LayerCost {
  std::string name;
  std::string path;  ///< which arithmetic: "dense fp32", "dense bf16"
  double input_density =
      0.0;  ///< fraction of its inputs that are not 0, behind pooling and dropout; if asked for
  double forward_ms = 0.0;  ///< from the packed spikes before it to its own
  double backward_ms =
      0.0;  ///< from the gradient of its spikes to that of the spikes before it; 0 in inference
  std::int64_t saved_bytes = 0;  ///< kept for backward, weights not counted
  LayerCrossover crossover;      ///< in force
  /// Share of the neurons before it whose surrogate window is open; -1 where that was not looked at.
  double open_windows = -1.0;
};

struct ForwardOptions {
  bool training = false;                           ///< dropout on
  std::uint64_t seed = 0;                          ///< of the dropout masks
  std::uint64_t iteration = 0;                     ///< which training iteration: makes the masks fresh
  std::vector<LayerActivity>* activity = nullptr;  ///< filled if given, one entry a layer with neurons
  /// Filled if given and the state is compact; must live until backward has run.
  std::vector<LayerCost>* costs = nullptr;
  bool densities = false;  ///< fill LayerCost::input_density too, which takes time of its own
};

/// A network built from its description: convolution, LIF, NeuNorm, pooling, fully connected and voting
/// layers. Layer by layer, all T steps at once. Not thread-safe.
class Network {
 public:
  /// Initialises the weights from `seed` (see initialise.h); biases start at 0, U at settings.neunorm.u_init.
  /// dtype float or double. Throws ShapeError, and ConfigError for what it does not have: max and global
  /// average pooling, residual blocks, recurrent layers, Readout, batch normalisation, neurons other than
  /// LIF, resets to another value than 0 or to none.
  Network(model::NetworkPlan plan, model::NetworkSettings settings, std::uint64_t seed,
          at::ScalarType dtype = at::kFloat);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// input [T, N, C, H, W], N >= 1, or [1, N, C, H, W]: a still image, shown at every step and convolved
  /// once. Returns votes [N, num_classes]. An ANN runs once on the mean of the input over its steps. With
  /// compact state (settings.compute; not for an ANN, double, or learnable decays or thresholds) the input
  /// gets no gradient. Throws ShapeError naming what was expected.
  at::Tensor forward(const at::Tensor& input, const ForwardOptions& options = {});

  /// Moves all parameters to a CUDA device, or back. On a device forward() gives votes only, without
  /// gradients (an ANN's has them; a spiking network is trained by device_chain()). Throws ConfigError for
  /// settings that cannot run there (device_chain.h), DeviceError.
  void to(const at::Device& device);
  const at::Device& device() const { return device_; }
  /// forward() of an ANN as it runs on a device, on the network's own: for tests.
  at::Tensor ann_votes(const at::Tensor& input, const ForwardOptions& options);
  /// Of a spiking network on a device, else nullptr.
  DeviceChain* device_chain() { return device_chain_.get(); }
  /// The same layers with the device's kernels on the network's own device, be it the CPU: for tests and for
  /// train/. Throws as to() does.
  std::unique_ptr<DeviceChain> make_device_chain() const;

  const std::vector<Parameter>& parameters() const { return parameters_; }
  const model::NetworkPlan& plan() const { return plan_; }
  const model::NetworkSettings& settings() const { return settings_; }
  at::ScalarType dtype() const { return dtype_; }
  /// [neurons of the voting layer] int32: the class each of them votes for.
  const at::Tensor& class_of() const { return class_of_; }

  /// Call after each optimiser step: decay stays in [0, 1], v_threshold above 0.
  void clamp_neuron_parameters();

  enum class CalibrationTarget { kWeights, kThresholds };
  /// Scales each layer in turn (its weights, or its threshold and surrogate width) until it fires at
  /// `firing_rate` on `input`, found by bisection. Returns the rate that each layer reached. Throws
  /// ConfigError for an ANN or a rate outside (0, 1).
  std::vector<double> calibrate(const at::Tensor& input, double firing_rate, CalibrationTarget target);

  /// Times the event-driven and the dense arithmetic of each layer that has both, at a batch size, and takes
  /// what it finds from then on; before that the densities of settings.compute hold for every layer. Some
  /// seconds for a large network. Empty where nothing is to be chosen (another path than auto, exact state,
  /// few filters).
  std::vector<LayerCrossover> measure_crossovers(std::int64_t batch);
  /// Takes measured ones. Throws ConfigError for a layer that the network does not have.
  void set_crossovers(const std::vector<LayerCrossover>& crossovers);

 private:
  at::Tensor prepare_input(const at::Tensor& input) const;
  at::Tensor forward_on_device(const at::Tensor& x, const ForwardOptions& options);

  model::NetworkPlan plan_;
  model::NetworkSettings settings_;
  at::ScalarType dtype_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<WeightBlock*> weight_blocks_;
  std::unique_ptr<CompactChain> chain_;  ///< null: exact state
  std::unique_ptr<DeviceChain> device_chain_;
  at::Device device_ = at::kCPU;
  std::vector<Parameter> parameters_;
  at::Tensor class_of_;
};

}  // namespace spikeloom::nn
