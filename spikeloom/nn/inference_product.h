#pragma once
// Fully connected layers in inference. Internal to nn.
#include <ATen/core/Tensor.h>

namespace spikeloom::nn {

/// x [rows, values], weight [F, values], bias [F] or undefined -> [rows, F], as at::linear, but so that a
/// row's result does not depend on how many other rows there are: BLAS takes other kernels, which add in
/// another order, for the rows that are left over at the end and for small products. Rows are filled up with
/// zeros to whole blocks, and small products are made block by block. tests/nn/inference_test.cpp holds it to
/// equal bits.
at::Tensor linear_by_blocks(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace spikeloom::nn
