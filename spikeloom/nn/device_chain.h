#pragma once
// A spiking network's layers on a device, with compact state: LibTorch does the convolutions and matrix
// products, the kernels of kernels/cuda everything else. No autograd: a training step is a fixed sequence of
// work that can be captured. On the CPU the kernels run on their host queue, so that all of this is tested
// without a device. Internal to nn and train.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/cuda/dropout.h"
#include "spikeloom/kernels/cuda/voting.h"
#include "spikeloom/nn/block.h"

namespace spikeloom::nn {

/// What steps add up on the device until somebody reads it.
struct DeviceSums {
  explicit DeviceSums(std::size_t layers, const at::Device& device);
  void clear();

  at::Tensor loss;        ///< double scalar: loss of a batch x its samples
  at::Tensor correct;     ///< int64 scalar
  at::Tensor not_finite;  ///< int32 scalar: 1 once a loss was NaN or infinite
  at::Tensor spikes;      ///< int64 [layers with weights]
};

/// The layers of a network in order, on the device of their parameters. The blocks must outlive it.
class DeviceChain {
 public:
  /// Throws ConfigError where these settings cannot run on a device: exact state, learnable decay or
  /// threshold, smooth spikes, double; NeuNorm between two poolings.
  DeviceChain(const std::vector<std::unique_ptr<Block>>& blocks, const model::NetworkSettings& settings,
              const at::Tensor& class_of, int num_classes);

  /// input [T or 1, N, C, H, W] float on the device -> votes [N, K] float. Adds spikes to `sums` unless it is
  /// nullptr.
  at::Tensor infer(const at::Tensor& input, DeviceSums* sums) const;

  /// Forward and backward pass of one batch: gradients() are those of the loss. labels [N] int64.
  /// `iteration`: int64 scalar on the device, which the dropout masks depend on. Adds loss, correct answers
  /// and spikes to `sums`. Nothing is read back. `costs`: filled if given; then each layer is waited for.
  void train(const at::Tensor& input, const at::Tensor& labels, const kernels::cuda::VotingLossParams& loss,
             std::uint64_t seed, const at::Tensor& iteration, DeviceSums& sums,
             std::vector<LayerCost>* costs);

  /// Of parameters(), in order, float or in the precision of the products; undefined before train().
  const std::vector<at::Tensor>& gradients() const { return gradients_; }
  /// Weight, bias where there is one, and U of each layer in turn: tensors of the blocks.
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  /// Of each parameter its rounded copy, which products use, or undefined: whoever changes parameters writes
  /// them too, or calls refresh().
  const std::vector<at::Tensor>& low_precision() const { return low_precision_; }
  /// Rounds all weights again.
  void refresh();

  std::vector<std::string> layer_names() const;
  /// Neurons x steps of a sample, of each layer.
  std::vector<std::int64_t> neuron_steps() const;
  /// Kept between forward and backward for a batch, the input not included.
  std::int64_t saved_bytes(std::int64_t batch) const;
  const at::Device& device() const { return device_; }

 private:
  struct Layer {
    WeightBlock* block = nullptr;
    kernels::NeuronParams neuron;
    std::int64_t pool = 1;
    at::Tensor u;  ///< of NeuNorm; undefined: none
    bool after_pooling = false;
    kernels::NeuNormParams neunorm;
    std::size_t weight = 0, bias = 0, neunorm_u = 0;  ///< places in parameters_
  };
  struct Kept {
    kernels::PackedImages images;
    bool static_input = false;
    at::Tensor spikes, state;
    at::Tensor x, u;    ///< of NeuNorm; u as its kernels want it, [P, C] or [P]
    at::Tensor pooled;  ///< spikes as the next layer wants them, where the neurons wrote them
  };

  at::ScalarType dtype_of(std::size_t layer) const { return layer == 0 ? at::kFloat : dtype_; }
  const at::Tensor& weight_of(std::size_t layer) const;
  bool is_convolution(std::size_t layer) const;
  kernels::cuda::DropoutDraw draw_of(std::size_t layer, std::uint64_t seed,
                                     const at::Tensor& iteration) const;
  at::Tensor first_input(const at::Tensor& input, const kernels::cuda::DropoutDraw& draw) const;
  at::Tensor layer_input(std::size_t layer, const Kept& before, const kernels::cuda::DropoutDraw& draw) const;
  at::Tensor as_rows(std::size_t layer, const at::Tensor& images) const;
  std::vector<Kept> forward(const at::Tensor& input, bool keep, std::uint64_t seed,
                            const at::Tensor& iteration, DeviceSums* sums,
                            std::vector<LayerCost>* costs) const;
  void backward(const at::Tensor& input, std::vector<Kept>& kept, at::Tensor gradient, std::uint64_t seed,
                const at::Tensor& iteration, std::vector<LayerCost>* costs);
  kernels::VotingSize voting_size(std::int64_t batch) const;
  at::Tensor bytes(std::int64_t count) const;

  std::vector<Layer> layers_;
  std::vector<at::Tensor> parameters_, low_precision_, gradients_;
  at::Device device_;
  at::ScalarType dtype_;
  std::int64_t num_steps_;
  at::Tensor class_of_;
  int num_classes_;
};

}  // namespace spikeloom::nn
