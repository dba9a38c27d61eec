#pragma once
#include <ATen/core/Tensor.h>

#include "spikeloom/data/loader.h"

namespace spikeloom::train {

/// A loader's batch as LibTorch sees it, [T, N, C, H, W] float, without copying: valid as long as the batch.
/// `shape`: of the data set.
at::Tensor batch_inputs(const data::Batch& batch, const data::SampleShape& shape);
/// A batch's labels [N] int64, without copying.
at::Tensor batch_labels(const data::Batch& batch);

}  // namespace spikeloom::train
