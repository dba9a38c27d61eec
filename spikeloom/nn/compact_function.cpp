#include "spikeloom/nn/compact_function.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <utility>

namespace spikeloom::nn {
namespace {

using torch::autograd::variable_list;

// What the graph's node owns.
struct Holder : torch::CustomClassHolder {
  const CompactChain* chain = nullptr;
  CompactState state;
};

class CompactFunction : public torch::autograd::Function<CompactFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, at::TensorList parameters,
                            const CompactChain* chain, const at::Tensor& input,
                            const ForwardOptions* options) {
    auto holder = c10::make_intrusive<Holder>();
    holder->chain = chain;
    at::Tensor spikes = chain->forward(input, *options, true, holder->state);
    context->save_for_backward(parameters.vec());  // notices weights that were changed before backward
    context->saved_data["state"] = at::IValue::make_capsule(std::move(holder));
    return spikes;
  }

  static variable_list backward(torch::autograd::AutogradContext* context, variable_list grad_outputs) {
    context->get_saved_variables();
    const auto capsule = context->saved_data["state"].toCapsule();
    auto* holder = static_cast<Holder*>(capsule.get());
    variable_list gradients = holder->chain->backward(grad_outputs[0], holder->state);
    gradients.resize(gradients.size() + 3);  // chain, input, options
    return gradients;
  }
};

}  // namespace

at::Tensor compact_forward(const CompactChain& chain, const at::Tensor& input,
                           const ForwardOptions& options) {
  const auto& parameters = chain.parameters();
  const bool keep = at::GradMode::is_enabled() &&
                    std::any_of(parameters.begin(), parameters.end(),
                                [](const at::Tensor& parameter) { return parameter.requires_grad(); });
  if (!keep) {
    CompactState state;
    return chain.forward(input, options, false, state);
  }
  return CompactFunction::apply(at::TensorList(parameters), &chain, input, &options);
}

}  // namespace spikeloom::nn
