#pragma once
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::kernels::cuda {

/// Average pooling of values that are no spikes (those of an artificial network): input [images, H, W, C] ->
/// output [images, H / k, W / k, C], float, the mean of each window of k x k pixels; rows and columns that do
/// not fill a window are dropped. Sums go row by row. Equal to reference::avg_pool_forward to the last bit.
/// Throws ShapeError for size.kernel < 1.
void value_pool_forward(const Queue& queue, const PoolSize& size, const float* input, float* output);

/// Its gradient: grad_output like the output -> grad_input like the input, 1/k^2 of the window's gradient, 0
/// for pixels that were dropped. Equal to reference::avg_pool_backward to the last bit. Throws as above.
void value_pool_backward(const Queue& queue, const PoolSize& size, const float* grad_output,
                         float* grad_input);

}  // namespace spikeloom::kernels::cuda
