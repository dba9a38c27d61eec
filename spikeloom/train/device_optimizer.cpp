#include "spikeloom/train/device_optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include "spikeloom/kernels/cuda/gradient_norm.h"
#include "spikeloom/kernels/cuda/optimizer.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/ops/device.h"

namespace spikeloom::train {
namespace {

static_assert(sizeof(kernels::cuda::AdamCorrection) == 2 * sizeof(float), "lies in a tensor of two floats");

kernels::cuda::AdamParams adam_params(const OptimizerSettings& settings) {
  return {settings.beta1, settings.beta2, settings.epsilon};
}

}  // namespace

DeviceOptimizer::DeviceOptimizer(const std::vector<nn::Parameter>& parameters, nn::DeviceChain& chain,
                                 const OptimizerSettings& settings)
    : parameters_(parameters), chain_(chain), settings_(settings) {
  check_optimizer(parameters, settings);
  const auto options = at::TensorOptions(chain.device());
  rate_ = at::empty({}, options.dtype(at::kFloat));
  step_count_ = at::empty({}, options.dtype(at::kLong));
  correction_ = at::empty({2}, options.dtype(at::kFloat));
  squares_ = at::empty({static_cast<std::int64_t>(parameters.size())}, options.dtype(at::kDouble));
  clip_ = at::empty({}, options.dtype(at::kFloat));
  for (const auto& parameter : parameters_) {
    const at::Tensor value = parameter.value.detach();
    const bool adam = settings_.kind == OptimizerSettings::kAdam;
    first_.push_back(adam || settings_.momentum != 0.0 ? at::zeros_like(value) : at::Tensor());
    second_.push_back(adam ? at::zeros_like(value) : at::Tensor());
  }
}

void DeviceOptimizer::prepare(double learning_rate) {
  ++steps_;
  rate_.fill_(learning_rate);
  step_count_.fill_(steps_);
}

template <class G>
void DeviceOptimizer::update(std::size_t i, const at::Tensor& gradient) {
  const auto queue = ops::queue_of(chain_.device());
  const at::Tensor& value = parameters_[i].value;
  kernels::cuda::ParameterUpdate<G> update;
  update.count = value.numel();
  update.weights = value.data_ptr<float>();
  update.gradient = static_cast<const G*>(gradient.data_ptr());
  const at::Tensor& rounded = chain_.low_precision()[i];
  if (rounded.defined()) update.weights_bf16 = static_cast<kernels::BFloat16*>(rounded.data_ptr());
  update.learning_rate = rate_.data_ptr<float>();
  update.rate_factor = static_cast<float>(rate_factor(parameters_[i].role, settings_));
  update.weight_decay = static_cast<float>(weight_decay_of(parameters_[i], settings_));
  if (settings_.max_gradient_norm > 0.0) update.clip = clip_.data_ptr<float>();
  if (settings_.kind == OptimizerSettings::kAdam) {
    kernels::cuda::adam_step(
        queue, update, adam_params(settings_),
        reinterpret_cast<const kernels::cuda::AdamCorrection*>(correction_.data_ptr<float>()),
        first_[i].data_ptr<float>(), second_[i].data_ptr<float>());
  } else {
    kernels::cuda::sgd_step(queue, update, static_cast<float>(settings_.momentum),
                            first_[i].defined() ? first_[i].data_ptr<float>() : nullptr);
  }
}

void DeviceOptimizer::step() {
  const auto queue = ops::queue_of(chain_.device());
  const auto& gradients = chain_.gradients();
  if (settings_.max_gradient_norm > 0.0) {
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const at::Tensor workspace = at::empty({kernels::cuda::square_sum_workspace(gradients[i].numel())},
                                             at::TensorOptions(at::kByte).device(chain_.device()));
      nn::with_pointer(gradients[i], [&](auto* values) {
        using G = std::remove_pointer_t<decltype(values)>;
        kernels::cuda::square_sum(queue, gradients[i].numel(), static_cast<const G*>(values),
                                  squares_.data_ptr<double>() + i, workspace.data_ptr());
      });
    }
    kernels::cuda::clip_factor(queue, squares_.numel(), squares_.data_ptr<double>(),
                               settings_.max_gradient_norm, clip_.data_ptr<float>());
  }
  if (settings_.kind == OptimizerSettings::kAdam) {
    kernels::cuda::adam_correction(
        queue, adam_params(settings_),
        reinterpret_cast<const std::uint64_t*>(step_count_.data_ptr<std::int64_t>()),
        reinterpret_cast<kernels::cuda::AdamCorrection*>(correction_.data_ptr<float>()));
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].scalar_type() == at::kBFloat16) {
      update<kernels::BFloat16>(i, gradients[i]);
    } else {
      update<float>(i, gradients[i]);
    }
    // Kernels write past the version counter, which tells nn when weights converted for inference are out of
    // date.
    parameters_[i].value.unsafeGetTensorImpl()->bump_version();
  }
}

OptimizerState DeviceOptimizer::state() const {
  OptimizerState result;
  if (steps_ == 0) return result;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    if (settings_.kind == OptimizerSettings::kAdam) {
      result.emplace_back("exp_avg." + name, first_[i].to(at::kCPU));
      result.emplace_back("exp_avg_sq." + name, second_[i].to(at::kCPU));
      result.emplace_back("step." + name, at::full({}, steps_, at::kLong));
    } else if (settings_.momentum != 0.0) {
      result.emplace_back("momentum_buffer." + name, first_[i].to(at::kCPU));
    }
  }
  return result;
}

void DeviceOptimizer::load_state(const OptimizerState& state) {
  if (state.empty()) return;  // saved before the first step
  steps_ = 1;                 // of SGD only whether there were any counts
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (settings_.kind == OptimizerSettings::kAdam) {
      first_[i].copy_(saved_state(state, "exp_avg", parameters_[i], false));
      second_[i].copy_(saved_state(state, "exp_avg_sq", parameters_[i], false));
      steps_ = saved_state(state, "step", parameters_[i], true).item().toLong();
    } else if (settings_.momentum != 0.0) {
      first_[i].copy_(saved_state(state, "momentum_buffer", parameters_[i], false));
    }
  }
}

}  // namespace spikeloom::train
