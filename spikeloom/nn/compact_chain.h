#pragma once
// A network's layers run with compact state: bits and codes are kept between forward and backward, and float
// copies of spikes live only while a layer runs. Internal to nn.
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/nn/block.h"
#include "spikeloom/nn/compact_state.h"
#include "spikeloom/nn/event_product.h"

namespace spikeloom::nn {

/// A layer's weights as its products want them, kept as long as they do not change: for inference.
struct ConvertedWeights {
  std::uint32_t dense_version = 0, event_version = 0;
  at::Tensor dense;  ///< in the precision of the products
  std::optional<kernels::FixedPointWeights> event;
};

/// A layer with weights, and what lies between its neurons and the next weights.
struct CompactLayer {
  bool is_convolution() const { return block->plan().spec.kind == model::LayerKind::kConvolution; }

  WeightBlock* block = nullptr;
  std::vector<PoolBlock*> pools;
  /// At most one pooling and no NeuNorm follow: pooling is then part of the packed kernels.
  bool fused = true;
  EventLimits limits;
  mutable ConvertedWeights converted;
};

/// The layers of a network in order. The blocks must outlive it.
class CompactChain {
 public:
  CompactChain(const std::vector<std::unique_ptr<Block>>& blocks, const model::NetworkSettings& settings);

  /// Whether these settings can run with compact state: spiking, float, no learnable decay or threshold, not
  /// smooth.
  static bool supports(const model::NetworkSettings& settings, at::ScalarType dtype);

  /// input [T or 1, N, C, H, W] float -> spikes of the last layer, float [T, N, neurons]. Fills `state`
  /// (without what only backward needs if `keep` is false) and options.activity.
  at::Tensor forward(const at::Tensor& input, const ForwardOptions& options, bool keep,
                     CompactState& state) const;

  /// Gradient of the last layer's spikes, float [T, N, neurons] -> gradients of parameters(), in order.
  std::vector<at::Tensor> backward(const at::Tensor& grad_spikes, CompactState& state) const;

  /// How many samples of a batch run through the leading convolutions at a time, so that what a layer makes
  /// of them for a moment (currents, gradients) stays below ComputeSettings::working_set_mb: all of them
  /// where twice that is enough, or fewer where the batch can be parted.
  std::int64_t samples_at_a_time(std::int64_t batch, bool static_input, bool dropout) const;

  /// Network::measure_crossovers.
  std::vector<LayerCrossover> measure_crossovers(std::int64_t batch);
  /// False if there is no such layer.
  bool set_crossover(const LayerCrossover& crossover);

  /// Weight, bias where there is one, and U of each layer in turn.
  const std::vector<at::Tensor>& parameters() const { return parameters_; }

 private:
  std::size_t leading_convolutions() const;
  /// Layers [first, last) of state's samples.
  void run_forward(std::size_t first, std::size_t last, bool keep, CompactState& state) const;
  /// Layers [first, last) from the last: gradient of the last one's (pooled) spikes, in the precision of its
  /// products and channels last -> that of the spikes before the first (undefined for the first of all). Adds
  /// to the parameters' gradients.
  at::Tensor run_backward(std::size_t first, std::size_t last, at::Tensor gradient, CompactState& state,
                          std::vector<at::Tensor>& gradients) const;
  at::Tensor through_between(std::size_t layer, const CompactLayerState& kept, const at::Tensor& gradient,
                             std::vector<at::Tensor>& gradients) const;
  void add_gradient(const at::Tensor& parameter, const at::Tensor& gradient,
                    std::vector<at::Tensor>& gradients) const;
  at::Tensor between(const CompactLayer& layer, const at::Tensor& spikes) const;
  LayerCrossover crossover_of(std::size_t layer) const;
  EventChoice choose(std::size_t layer, const CompactState& state, bool keep) const;
  std::string path_of(std::size_t layer, EventChoice event) const;
  at::Tensor layer_input(std::size_t layer, const CompactState& state) const;
  at::Tensor drop(std::size_t layer, const CompactState& state, const at::Tensor& x) const;
  /// Where the windows before a layer are open, packed bits, if its input's gradient is to be computed only
  /// there, else undefined. `share`: of
  /// those that are, left alone if they were not looked at.
  at::Tensor skip_windows(std::size_t layer, const CompactState& state, double& share) const;
  at::Tensor dense_weight(std::size_t layer, bool keep) const;
  at::Tensor event_driven_current(std::size_t layer, CompactState& state, bool keep) const;
  std::size_t parameter_index(const at::Tensor& parameter) const;

  std::vector<CompactLayer> layers_;
  std::vector<at::Tensor> parameters_;
  /// Of a layer's products: the first is always float (little work; oneDNN is slow on few channels of
  /// bfloat16).
  at::ScalarType dtype_of(std::size_t layer) const { return layer == 0 ? at::kFloat : dtype_; }
  at::ScalarType dtype_;
  model::ComputeSettings compute_;
};

}  // namespace spikeloom::nn
