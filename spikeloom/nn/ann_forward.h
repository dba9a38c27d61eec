#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "spikeloom/nn/block.h"

namespace spikeloom::nn {

/// The artificial network of the same structure on any device, of LibTorch's own operators under autograd:
/// convolution, ReLU (not behind the last layer), average pooling, dropout with the masks of
/// dropout_params.h. input [1, N, C, H, W] -> activations of the voting neurons averaged by class, [N, K].
/// Equal to the blocks one after the other on the CPU but for the order of sums.
at::Tensor ann_forward(const std::vector<std::unique_ptr<Block>>& blocks, const at::Tensor& input,
                       const ForwardOptions& options, const at::Tensor& class_of, int num_classes);

}  // namespace spikeloom::nn
