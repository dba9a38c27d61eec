#pragma once
// One step through a network: a layer with everything that belongs to it. Internal to nn.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"
#include "spikeloom/nn/network.h"
#include "spikeloom/nn/parameter.h"
#include "spikeloom/ops/dropout.h"

namespace spikeloom::nn {

/// A layer's U, [C, H, W] or [1, H, W], at its start value.
at::Tensor make_neunorm_u(const model::Shape& shape, const model::NeuNormSettings& settings,
                          at::ScalarType dtype);
/// NeuNorm with the coefficient that the settings ask for.
at::Tensor apply_neunorm(const at::Tensor& spikes, const at::Tensor& u,
                         const model::NeuNormSettings& settings);

class Block {
 public:
  virtual ~Block() = default;
  /// x [T, N, ...] (T = 1 for a still image before the first neurons) -> [T, N, ...].
  virtual at::Tensor forward(const at::Tensor& x, const ForwardOptions& options) = 0;
  virtual void collect(std::vector<Parameter>& parameters) = 0;
  const std::string& name() const { return plan_.name; }
  const model::LayerPlan& plan() const { return plan_; }

 protected:
  explicit Block(model::LayerPlan plan) : plan_(std::move(plan)) {}
  model::LayerPlan plan_;
};

/// Convolution, fully connected or voting layer: dropout -> weights -> neurons (-> NeuNorm).
class WeightBlock : public Block {
 public:
  /// number: of this weight layer from 0, keys its random numbers. last: of the network (an ANN's has no
  /// ReLU).
  WeightBlock(const model::LayerPlan& plan, const model::NetworkSettings& settings, std::uint64_t seed,
              int number, bool last, at::ScalarType dtype);

  at::Tensor forward(const at::Tensor& x, const ForwardOptions& options) override;
  void collect(std::vector<Parameter>& parameters) override;

  /// The input current of the neurons: dropout and weights only.
  at::Tensor current(const at::Tensor& x, const ForwardOptions& options);
  /// The neurons and what follows them.
  at::Tensor fire(const at::Tensor& current, const ForwardOptions& options);
  /// Firing rate of the neurons on `current` when it is multiplied by `scale`.
  double firing_rate(const at::Tensor& current, double scale);
  /// Multiplies weights and bias by `scale`.
  void scale_weights(double scale);
  /// Sets the threshold; the surrogate's width keeps its ratio to it.
  void set_v_threshold(double v_threshold);
  double v_threshold() const;
  /// The neurons with their threshold of now. Throws nothing.
  kernels::NeuronParams neuron() const;
  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }
  const at::Tensor& neunorm_u() const { return neunorm_u_; }
  const model::NeuNormSettings& neunorm() const { return neunorm_; }
  std::int64_t num_steps() const { return num_steps_; }
  /// Whether it is the last of the network.
  bool is_last() const { return last_; }
  /// The dropout before the weights, with this iteration's key; rate 0 where there is none.
  ops::DropoutOptions dropout(const ForwardOptions& options) const;
  /// Puts learnable decays and thresholds back into their ranges after an optimiser step.
  void clamp_neuron();

 private:
  kernels::NeuronParams neuron_;
  model::NetworkKind kind_;
  model::DropoutSettings dropout_;
  model::NeuNormSettings neunorm_;
  std::int64_t num_steps_;
  int number_;
  bool last_;
  bool learn_decay_, learn_v_threshold_;
  at::Tensor weight_, bias_, neunorm_u_, decay_, v_threshold_;
};

/// Average pooling (-> NeuNorm, if that is set to come after the pooling).
class PoolBlock : public Block {
 public:
  PoolBlock(const model::LayerPlan& plan, const model::NetworkSettings& settings, at::ScalarType dtype);
  at::Tensor forward(const at::Tensor& x, const ForwardOptions& options) override;
  void collect(std::vector<Parameter>& parameters) override;
  const at::Tensor& neunorm_u() const { return neunorm_u_; }

 private:
  model::NeuNormSettings neunorm_;
  at::Tensor neunorm_u_;
};

}  // namespace spikeloom::nn
