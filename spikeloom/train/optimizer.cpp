#include "spikeloom/train/optimizer.h"

#include <ATen/ATen.h>
#include <torch/types.h>
// The headers below need what <torch/types.h> declares.

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/ops/torch_compat.h"

namespace spikeloom::train {
namespace {

using torch::optim::AdamOptions;
using torch::optim::AdamParamState;
using torch::optim::OptimizerParamGroup;
using torch::optim::SGDOptions;
using torch::optim::SGDParamState;

// LibTorch refuses numbers beyond float with an error that names nothing; Adam divides the rate by 1 - beta1.
void check_fits_float(const std::string& name, double value) {
  constexpr double kLargest = 1e30;
  if (!(value <= kLargest)) {
    std::ostringstream text;
    text << value << " (factors included) is beyond what 32-bit arithmetic can use (1e30); lower it";
    throw ConfigError(text.str(), "", 0, "optimizer." + name);
  }
}

}  // namespace

double rate_factor(nn::ParameterRole role, const OptimizerSettings& settings) {
  switch (role) {
    case nn::ParameterRole::kFullyConnected:
      return settings.fully_connected_rate_factor;
    case nn::ParameterRole::kNeuNorm:
      return settings.neunorm_rate_factor;
    case nn::ParameterRole::kNeuron:
      return settings.neuron_rate_factor;
    case nn::ParameterRole::kConvolution:
      break;
  }
  return 1.0;
}

double weight_decay_of(const nn::Parameter& parameter, const OptimizerSettings& settings) {
  const bool is_weight = !parameter.is_bias && (parameter.role == nn::ParameterRole::kConvolution ||
                                                parameter.role == nn::ParameterRole::kFullyConnected);
  return is_weight || settings.decay_all ? settings.weight_decay : 0.0;
}

void check_optimizer(const std::vector<nn::Parameter>& parameters, const OptimizerSettings& settings) {
  check_fits_float("learning_rate", settings.learning_rate);
  check_fits_float("weight_decay", settings.weight_decay);
  check_fits_float("epsilon", settings.epsilon);
  for (const auto& parameter : parameters) {
    check_fits_float("learning_rate", settings.learning_rate * rate_factor(parameter.role, settings));
  }
}

at::Tensor saved_state(const OptimizerState& state, const std::string& part, const nn::Parameter& parameter,
                       bool scalar) {
  const std::string name = part + "." + parameter.name;
  const auto found =
      std::find_if(state.begin(), state.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == state.end()) {
    throw CheckpointError("the checkpoint has no optimiser state '" + name + "'");
  }
  if (scalar ? found->second.numel() != 1 : found->second.sizes() != parameter.value.sizes()) {
    throw CheckpointError("the checkpoint's optimiser state '" + name + "' has another shape");
  }
  return found->second;
}

class Optimizer::Impl {
 public:
  Impl(const std::vector<nn::Parameter>& parameters, const OptimizerSettings& settings)
      : parameters_(parameters), settings_(settings) {
    check_optimizer(parameters, settings);
    std::map<std::pair<nn::ParameterRole, double>, std::vector<at::Tensor>> by_role_and_decay;
    for (const auto& parameter : parameters) {
      by_role_and_decay[{parameter.role, weight_decay_of(parameter, settings)}].push_back(parameter.value);
      values_.push_back(parameter.value);
    }
    std::vector<OptimizerParamGroup> groups;
    std::vector<double> decays;
    for (auto& [key, values] : by_role_and_decay) {
      groups.emplace_back(values);
      factors_.push_back(rate_factor(key.first, settings));
      decays.push_back(key.second);
    }
    if (settings.kind == OptimizerSettings::kAdam) {
      auto options = AdamOptions(settings.learning_rate)
                         .betas({settings.beta1, settings.beta2})
                         .eps(settings.epsilon)
                         .weight_decay(settings.weight_decay);
      optimizer_ = std::make_unique<torch::optim::Adam>(groups, options);
    } else {
      auto options =
          SGDOptions(settings.learning_rate).momentum(settings.momentum).weight_decay(settings.weight_decay);
      optimizer_ = std::make_unique<torch::optim::SGD>(groups, options);
    }
    for (std::size_t i = 0; i < decays.size(); ++i) {
      auto& group = optimizer_->param_groups()[i].options();
      if (settings.kind == OptimizerSettings::kAdam) {
        static_cast<AdamOptions&>(group).weight_decay(decays[i]);
      } else {
        static_cast<SGDOptions&>(group).weight_decay(decays[i]);
      }
    }
    set_learning_rate(settings.learning_rate);
  }

  void set_learning_rate(double learning_rate) {
    auto& groups = optimizer_->param_groups();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const double rate = learning_rate * factors_[i];
      if (settings_.kind == OptimizerSettings::kAdam) {
        static_cast<AdamOptions&>(groups[i].options()).lr(rate);
      } else {
        static_cast<SGDOptions&>(groups[i].options()).lr(rate);
      }
    }
  }

  void step() {
    if (settings_.max_gradient_norm > 0.0) {
      torch::nn::utils::clip_grad_norm_(values_, settings_.max_gradient_norm);
    }
    optimizer_->step();
    for (auto& value : values_) {
      // LibTorch's SGD writes through data(), past the version counter, which tells nn when weights that it
      // has converted for inference are out of date.
      value.unsafeGetTensorImpl()->bump_version();
      // Dropped, not zeroed: the next backward pass then hands its tensors over instead of adding to old
      // ones.
      value.mutable_grad().reset();
    }
  }

  OptimizerState state() const {
    OptimizerState result;
    for (const auto& parameter : parameters_) {
      const auto found = optimizer_->state().find(key(parameter.value));
      if (found == optimizer_->state().end()) continue;  // no step yet
      if (settings_.kind == OptimizerSettings::kAdam) {
        const auto& state = static_cast<const AdamParamState&>(*found->second);
        result.emplace_back("exp_avg." + parameter.name, state.exp_avg());
        result.emplace_back("exp_avg_sq." + parameter.name, state.exp_avg_sq());
        result.emplace_back("step." + parameter.name, at::full({}, state.step(), at::kLong));
      } else if (settings_.momentum != 0.0) {
        const auto& state = static_cast<const SGDParamState&>(*found->second);
        result.emplace_back("momentum_buffer." + parameter.name, state.momentum_buffer());
      }
    }
    return result;
  }

  void load_state(const OptimizerState& state) {
    if (state.empty()) return;  // saved before the first step
    for (const auto& parameter : parameters_) {
      const auto take = [&](const std::string& part, bool scalar) {
        return saved_state(state, part, parameter, scalar);
      };
      if (settings_.kind == OptimizerSettings::kAdam) {
        auto entry = std::make_unique<AdamParamState>();
        entry->exp_avg(like(take("exp_avg", false), parameter.value));
        entry->exp_avg_sq(like(take("exp_avg_sq", false), parameter.value));
        entry->step(take("step", true).item().toLong());
        optimizer_->state()[key(parameter.value)] = std::move(entry);
      } else if (settings_.momentum != 0.0) {
        auto entry = std::make_unique<SGDParamState>();
        entry->momentum_buffer(like(take("momentum_buffer", false), parameter.value));
        optimizer_->state()[key(parameter.value)] = std::move(entry);
      }
    }
  }

 private:
  // A parameter's memory order decides the order of the optimiser's arithmetic: keep it.
  static at::Tensor like(const at::Tensor& saved, const at::Tensor& value) {
    at::Tensor copy = at::empty_like(value, value.options().requires_grad(false));
    copy.copy_(saved);
    return copy;
  }

#if SPIKELOOM_TORCH_AT_LEAST(2, 1)
  static void* key(const at::Tensor& value) { return value.unsafeGetTensorImpl(); }
#else
  static std::string key(const at::Tensor& value) {
    return c10::guts::to_string(value.unsafeGetTensorImpl());
  }
#endif

  std::vector<nn::Parameter> parameters_;
  std::vector<at::Tensor> values_;
  OptimizerSettings settings_;
  std::vector<double> factors_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

Optimizer::Optimizer(const std::vector<nn::Parameter>& parameters, const OptimizerSettings& settings)
    : impl_(std::make_unique<Impl>(parameters, settings)) {}
Optimizer::~Optimizer() = default;
void Optimizer::set_learning_rate(double learning_rate) { impl_->set_learning_rate(learning_rate); }
void Optimizer::step() { impl_->step(); }
OptimizerState Optimizer::state() const { return impl_->state(); }
void Optimizer::load_state(const OptimizerState& state) { impl_->load_state(state); }

}  // namespace spikeloom::train
