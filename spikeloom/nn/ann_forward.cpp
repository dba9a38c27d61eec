#include "spikeloom/nn/ann_forward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <c10/core/GradMode.h>

#include "spikeloom/kernels/cuda/dropout.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/ops/device.h"

namespace spikeloom::nn {
namespace {

// 0, or the inverse of the probability of being kept, for each element in memory order.
at::Tensor dropout_mask(const at::Tensor& x, const ops::DropoutOptions& options) {
  const at::NoGradGuard no_grad;
  constexpr std::uint64_t kIterationBits = 48;
  at::Tensor mask = at::ones_like(x);  // in the memory order of x
  const at::Tensor iteration =
      at::full({}, static_cast<std::int64_t>(options.counter & ((std::uint64_t{1} << kIterationBits) - 1)),
               at::TensorOptions(at::kLong).device(x.device()));
  kernels::cuda::DropoutDraw draw;
  draw.iteration = reinterpret_cast<const std::uint64_t*>(iteration.data_ptr<std::int64_t>());
  draw.layer = options.counter >> kIterationBits;
  draw.key = options.key;
  draw.rate = options.rate;
  kernels::cuda::apply_dropout(ops::queue_of(x.device()), {1, x.numel(), false}, draw, mask.data_ptr<float>(),
                               mask.data_ptr<float>());
  return mask;
}

}  // namespace

at::Tensor ann_forward(const std::vector<std::unique_ptr<Block>>& blocks, const at::Tensor& input,
                       const ForwardOptions& options, const at::Tensor& class_of, int num_classes) {
  at::Tensor x = input.flatten(0, 1).contiguous(at::MemoryFormat::ChannelsLast);
  for (const auto& block : blocks) {
    if (const auto* weights = dynamic_cast<const WeightBlock*>(block.get())) {
      if (const auto draw = weights->dropout(options); draw.rate > 0.0) x = x * dropout_mask(x, draw);
      const bool convolution = weights->plan().spec.kind == model::LayerKind::kConvolution;
      if (!convolution && x.dim() == 4) x = x.movedim(1, -1).reshape({x.size(0), -1});
      x = dense_current(weights->plan(), x, weights->weight(), weights->bias());
      if (!weights->is_last()) x = at::relu(x);
    } else {
      x = at::avg_pool2d(x, block->plan().spec.kernel);
    }
  }
  // Mean over the neurons of each class.
  const at::Tensor members = at::one_hot(class_of.to(at::kLong), num_classes).to(x.scalar_type());
  return at::mm(x, members / members.sum(0, true));
}

}  // namespace spikeloom::nn
