#include "spikeloom/nn/inference_product.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>

namespace spikeloom::nn {
namespace {

// Rows of a block: whole numbers of the rows that kernels of BLAS take at a time, for each of a few threads.
constexpr std::int64_t kBlock = 64;
// Multiplications of a block from which on products are large ones for BLAS, however many blocks there are.
constexpr double kLargeProduct = 8e6;

}  // namespace

at::Tensor linear_by_blocks(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t rows = x.size(0), filled = (rows + kBlock - 1) / kBlock * kBlock;
  at::Tensor whole = x;
  if (filled != rows) {
    whole = at::empty({filled, x.size(1)}, x.options());
    whole.narrow(0, 0, rows).copy_(x);
    whole.narrow(0, rows, filled - rows).zero_();
  }
  if (static_cast<double>(kBlock) * static_cast<double>(weight.numel()) >= kLargeProduct) {
    return at::linear(whole, weight, bias).narrow(0, 0, rows);
  }
  const at::Tensor result = at::empty({filled, weight.size(0)}, x.options());
  for (std::int64_t row = 0; row < filled; row += kBlock) {
    result.narrow(0, row, kBlock).copy_(at::linear(whole.narrow(0, row, kBlock), weight, bias));
  }
  return result.narrow(0, 0, rows);
}

}  // namespace spikeloom::nn
