#include "spikeloom/train/device_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "spikeloom/ops/layout.h"

namespace spikeloom::train {

kernels::cuda::VotingLossParams loss_params(const LossSettings& settings) {
  using kernels::cuda::VotingLossKind;
  kernels::cuda::VotingLossParams params;
  if (settings.kind == LossSettings::kCrossEntropy) {
    params.kind = VotingLossKind::kCrossEntropy;
    params.vote_scale = settings.vote_scale;
  } else {
    params.kind = settings.reduction == LossSettings::kMean ? VotingLossKind::kMeanSquares
                                                            : VotingLossKind::kSumOfSquares;
  }
  return params;
}

DeviceTrainer::DeviceTrainer(nn::Network& network, const OptimizerSettings& optimizer,
                             const LossSettings& loss, std::uint64_t seed, std::int64_t input_steps,
                             std::int64_t batch_size)
    : network_(network),
      own_chain_(network.device_chain() != nullptr ? nullptr : network.make_device_chain()),
      chain_(own_chain_ ? *own_chain_ : *network.device_chain()),
      optimizer_(network.parameters(), chain_, optimizer),
      loss_(loss_params(loss)),
      seed_(seed),
      input_steps_(input_steps),
      batch_size_(batch_size),
      sums_(chain_.layer_names().size(), chain_.device()),
      iteration_(at::zeros({}, at::TensorOptions(at::kLong).device(chain_.device()))) {
  full_ = buffers(batch_size);
}

const DeviceBatch& DeviceTrainer::buffers(std::int64_t samples) {
  if (samples == batch_size_ && full_.inputs.defined()) return full_;
  const auto& shape = network_.plan().input;
  const auto options = at::TensorOptions(chain_.device());
  rest_.inputs = ops::empty_channels_last({input_steps_, samples}, shape.channels, shape.height, shape.width,
                                          options.dtype(at::kFloat));
  rest_.labels = at::empty({samples}, options.dtype(at::kLong));
  return rest_;
}

void DeviceTrainer::run(const DeviceBatch& batch, std::vector<nn::LayerCost>* costs) {
  chain_.train(batch.inputs, batch.labels, loss_, seed_, iteration_, sums_, costs);
  optimizer_.step();
}

void DeviceTrainer::step(std::int64_t samples, std::int64_t iteration, double learning_rate) {
  // Steps that run as they are first: LibTorch chooses convolution algorithms and reserves memory in them.
  constexpr int kEagerSteps = 3;
  const at::NoGradGuard no_grad;
  iteration_.fill_(iteration);
  optimizer_.prepare(learning_rate);
  if (samples != batch_size_) return run(rest_, nullptr);
  if (chain_.device().is_cpu() || eager_steps_ < kEagerSteps) {
    ++eager_steps_;
    return run(full_, nullptr);
  }
  if (!graph_.is_captured()) graph_.capture([this] { run(full_, nullptr); });
  graph_.replay();
}

void DeviceTrainer::timed_step(std::int64_t iteration, double learning_rate,
                               std::vector<nn::LayerCost>& costs) {
  const at::NoGradGuard no_grad;
  iteration_.fill_(iteration);
  optimizer_.prepare(learning_rate);
  run(full_, &costs);
}

DeviceTrainer::Sums DeviceTrainer::collect(std::int64_t samples) {
  Sums sums;
  sums.loss = sums_.loss.item().toDouble();
  sums.correct = sums_.correct.item().toLong();
  sums.finite = sums_.not_finite.item().toInt() == 0;
  const at::Tensor spikes = sums_.spikes.to(at::kCPU).clone();
  const auto names = chain_.layer_names();
  const auto neuron_steps = chain_.neuron_steps();
  for (std::size_t l = 0; l < names.size(); ++l) {
    sums.activity.push_back({names[l], spikes[static_cast<std::int64_t>(l)], neuron_steps[l] * samples});
  }
  sums_.clear();
  return sums;
}

}  // namespace spikeloom::train
