#pragma once
// A program as LibTorch's operators under autograd, everything in full: what engines are compared with.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/model/program.h"

namespace spikeloom::reference {

/// One slot of the program as a tensor of its shape.
struct Parameter {
  std::string name;
  at::Tensor
      value;  ///< a leaf that requires a gradient where it is trained; decays and thresholds are double
  model::Role role = model::Role::kConvolution;
  bool is_bias = false;
  bool trained = true;
};

/// How much a stage fired in one forward pass.
struct StageActivity {
  std::string name;
  at::Tensor spike_count;         ///< int64 scalar; 0 of a stage that does not fire
  std::int64_t neuron_steps = 0;  ///< neurons x samples x steps; 0 of a stage that does not fire
};

struct ForwardOptions {
  bool training = false;        ///< dropout on, normalisation by the batch, whose statistics are remembered
  std::uint64_t seed = 0;       ///< of the dropout masks
  std::uint64_t iteration = 0;  ///< which training iteration: makes the masks fresh
  std::vector<StageActivity>* activity = nullptr;  ///< filled if given, one entry a stage
};

/// Runs a program stage by stage, in float or double, with an operator for each step:
///   gather         sum over the edges of pool(neunorm(spikes)), or neunorm(pool(spikes)); then dropout
///   product        conv2d, or linear on [H, W, C] flattened, with bias
///   normalisation  y[t] = step_scale[t] (scale factor (x[t] - m) / sqrt(s2 + epsilon) + shift), m and s2
///   over
///                  steps, samples and positions (inference: the running ones)
///   shortcuts      + currents of earlier stages, as their neurons take them
///   neurons        LIF, ReLU or none; a recurrent stage adds W spikes[t-1] to its current, step by step
///   votes          mean spikes of a class's neurons, or mean current of a readout
/// A static input (one step) is convolved and normalised once, and its current taken at every step. Neurons
/// of the plain kind are the operator spikeloom::lif, all others a loop over the steps of LibTorch's own
/// operators, with the surrogate's slope. Not thread-safe.
class Network {
 public:
  /// Weights, biases, U and shifts are 0, scales and variances 1, decays and thresholds those of the neurons.
  /// dtype: float or double.
  explicit Network(model::Program program, at::ScalarType dtype = at::kDouble);

  /// Every parameter and buffer takes the values that the function gives for its name, row-major. Throws
  /// ShapeError for another number of values.
  using Values = std::function<std::vector<float>(const std::string& name)>;
  void assign(const Values& values);
  /// Weights normal, of mean 0 and standard deviation gain * (v_threshold / 0.75) * sqrt(2 / fan_in); of
  /// an artificial network gain * sqrt(2 / fan_in). In float the numbers of engine::initialise.
  void randomise(std::uint64_t seed, double gain = 2.0);

  /// input [T, N, C, H, W], N >= 1, or [1, N, C, H, W]: a still image, shown at every step. Returns votes
  /// [N, num_classes]. An artificial network runs once on the mean of the input over its steps. Gradients are
  /// LibTorch's: exact but for the spikes' surrogate, through every step and path. Throws ShapeError naming
  /// what was expected.
  at::Tensor forward(const at::Tensor& input, const ForwardOptions& options = {});

  /// One a slot, in the program's order.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const model::Program& program() const { return program_; }
  at::ScalarType dtype() const { return dtype_; }
  /// [neurons of the last stage] int32: the class each of them votes for.
  at::Tensor class_of() const;

  /// Behind an optimiser step: decay in [0, 1], v_threshold above 0.
  void clamp_neuron_parameters();

 private:
  const at::Tensor& value(int slot) const { return parameters_[static_cast<std::size_t>(slot)].value; }
  at::Tensor prepare_input(const at::Tensor& input) const;
  at::Tensor edge(const model::Edge& edge, const at::Tensor& input) const;
  at::Tensor gather(const model::Stage& stage, const at::Tensor& input, const ForwardOptions& options) const;
  at::Tensor product(const model::Stage& stage, const at::Tensor& gathered) const;
  at::Tensor normalise(const model::Norm& norm, const at::Tensor& current, bool training);
  at::Tensor fire(const model::Stage& stage, const at::Tensor& current, StageActivity& activity) const;

  model::Program program_;
  at::ScalarType dtype_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> outputs_;  // of the stages, in the forward pass that runs
};

}  // namespace spikeloom::reference
