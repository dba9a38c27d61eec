#include "spikeloom/ops/voting.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/voting.h"
#include "spikeloom/ops/layout.h"
#include "spikeloom/ops/operator_handle.h"

namespace spikeloom::ops {
namespace {

void check_class_of(const at::Tensor& class_of, std::int64_t population, std::int64_t num_classes) {
  check_shape(class_of.dim() == 1 && class_of.size(0) == population, "voting: class_of",
              "must be [P] with P = " + std::to_string(population), class_of);
  if (class_of.scalar_type() != at::kInt) {
    throw ShapeError(std::string("voting: class_of must be int32, not ") +
                     at::toString(class_of.scalar_type()));
  }
  const std::int32_t* values = class_of.data_ptr<std::int32_t>();
  for (std::int64_t p = 0; p < population; ++p) {
    if (values[p] < 0 || values[p] >= num_classes) {
      throw ShapeError("voting: class_of[" + std::to_string(p) + "] = " + std::to_string(values[p]) +
                       " is not a class of 0 ... " + std::to_string(num_classes - 1));
    }
  }
}

at::Tensor voting_cpu(const at::Tensor& spikes, const at::Tensor& class_of, std::int64_t num_classes) {
  check_floating_cpu("voting: spikes", spikes);
  check_shape(spikes.dim() == 3, "voting: spikes", "must be [T, N, P]", spikes);
  const at::Tensor classes = class_of.contiguous();
  check_class_of(classes, spikes.size(2), num_classes);
  const at::Tensor s = spikes.contiguous();
  at::Tensor votes = at::empty({s.size(1), num_classes}, s.options());
  const kernels::VotingSize size{s.size(0), s.size(1), s.size(2), num_classes};
  AT_DISPATCH_FLOATING_TYPES(s.scalar_type(), "voting", [&] {
    kernels::cpu::voting_forward<scalar_t>(size, classes.data_ptr<std::int32_t>(), s.data_ptr<scalar_t>(),
                                           votes.data_ptr<scalar_t>());
  });
  return votes;
}

at::Tensor voting_backward_cpu(const at::Tensor& grad_votes, const at::Tensor& class_of,
                               std::int64_t num_steps) {
  check_floating_cpu("voting_backward: grad_votes", grad_votes);
  check_shape(grad_votes.dim() == 2, "voting_backward: grad_votes", "must be [N, K]", grad_votes);
  if (num_steps < 0) {
    throw ShapeError("voting_backward: num_steps must be at least 0, not " + std::to_string(num_steps));
  }
  const at::Tensor grad = grad_votes.contiguous();
  const at::Tensor classes = class_of.contiguous();
  check_class_of(classes, classes.numel(), grad.size(1));
  at::Tensor grad_spikes = at::empty({num_steps, grad.size(0), classes.size(0)}, grad.options());
  const kernels::VotingSize size{num_steps, grad.size(0), classes.size(0), grad.size(1)};
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "voting_backward", [&] {
    kernels::cpu::voting_backward<scalar_t>(size, classes.data_ptr<std::int32_t>(), grad.data_ptr<scalar_t>(),
                                            grad_spikes.data_ptr<scalar_t>());
  });
  return grad_spikes;
}

const auto& voting_op() {
  static const auto op = operator_handle<decltype(voting_cpu)>("spikeloom::voting");
  return op;
}

class VotingFunction : public torch::autograd::Function<VotingFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& spikes,
                            const at::Tensor& class_of, std::int64_t num_classes) {
    at::AutoDispatchBelowADInplaceOrView guard;
    at::Tensor votes = voting_op().call(spikes, class_of, num_classes);
    context->save_for_backward({class_of});
    context->saved_data["num_steps"] = spikes.size(0);
    return votes;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    static const auto op = operator_handle<decltype(voting_backward_cpu)>("spikeloom::voting_backward");
    const auto saved = context->get_saved_variables();
    return {op.call(gradients[0], saved[0], context->saved_data["num_steps"].toInt()), at::Tensor(),
            at::Tensor()};
  }
};

at::Tensor voting_autograd(const at::Tensor& spikes, const at::Tensor& class_of, std::int64_t num_classes) {
  return VotingFunction::apply(spikes, class_of, num_classes);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(spikeloom, m) {
  m.def("voting(Tensor spikes, Tensor class_of, int num_classes) -> Tensor");
  m.def("voting_backward(Tensor grad_votes, Tensor class_of, int num_steps) -> Tensor");
}
TORCH_LIBRARY_IMPL(spikeloom, CPU, m) {
  m.impl("voting", TORCH_FN(voting_cpu));
  m.impl("voting_backward", TORCH_FN(voting_backward_cpu));
}
TORCH_LIBRARY_IMPL(spikeloom, Autograd, m) { m.impl("voting", TORCH_FN(voting_autograd)); }

at::Tensor voting(const at::Tensor& spikes, const at::Tensor& class_of, std::int64_t num_classes) {
  return voting_op().call(spikes, class_of, num_classes);
}

}  // namespace spikeloom::ops
