#include "spikeloom/backends/queue_backend.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "spikeloom/kernels/cuda/gradient_norm.h"
#include "spikeloom/kernels/cuda/optimizer.h"
#include "spikeloom/kernels/cuda/voting.h"

namespace spikeloom::backends {
namespace {

using engine::Buffer;
using engine::Type;

static_assert(sizeof(kernels::cuda::AdamCorrection) == 2 * sizeof(float), "lies in a buffer of two floats");

template <class T>
T* pointer(const Buffer& buffer) {
  return static_cast<T*>(buffer.data);
}

}  // namespace

void QueueBackend::attach(const model::Program& program, engine::ParameterStore& parameters) {
  program_ = &program;
  parameters_ = &parameters;
  const auto neurons = static_cast<std::int64_t>(program.class_of.size());
  class_of_ = allocate(neurons, Type::kFloat);  // as many bytes as 32-bit integers
  take_class_of();
  iteration_ = allocate(1, Type::kInt64);
  learning_rate_ = allocate(1, Type::kFloat);
  steps_ = allocate(1, Type::kInt64);
  correction_ = allocate(2, Type::kFloat);
  clip_ = allocate(1, Type::kFloat);
  squares_ = allocate(static_cast<std::int64_t>(program.slots.size()), Type::kDouble);
  loss_sum_ = allocate(1, Type::kDouble);
  correct_ = allocate(1, Type::kInt64);
  not_finite_ = allocate(1, Type::kFloat);
  spikes_ = allocate(static_cast<std::int64_t>(program.stages.size()), Type::kInt64);
  clear_sums();
}

void QueueBackend::take_class_of() { memory().from_host(program_->class_of.data(), class_of_); }

void QueueBackend::clear_sums() {
  for (const Buffer* sum : {&loss_sum_, &correct_, &not_finite_, &spikes_}) memory().fill_zero(*sum);
  samples_ = 0;
}

void QueueBackend::prepare(std::uint64_t iteration, double learning_rate) {
  const auto rate = static_cast<float>(learning_rate);
  memory().from_host(&iteration, iteration_);
  memory().from_host(&rate, learning_rate_);
}

Buffer QueueBackend::slot_values(int slot) const {
  if (slot == model::kNoSlot) return {};
  const model::Slot& what = program_->slot(slot);
  return engine::view_of(parameters_->of(what), what.size, Type::kFloat);
}

double QueueBackend::density_of(const Buffer& x) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(x.bytes()));
  memory().to_host(x, bytes.data());
  const Buffer on_host = engine::view_of(bytes.data(), x.count, x.type);
  std::int64_t not_zero = 0;
  with_pointer(on_host, [&](const auto* values) {
    for (std::int64_t i = 0; i < x.count; ++i) not_zero += kernels::to_float(values[i]) != 0.0f ? 1 : 0;
  });
  return static_cast<double>(not_zero) / static_cast<double>(std::max<std::int64_t>(x.count, 1));
}

unsigned long long* QueueBackend::spike_sum(int stage) const {
  return pointer<unsigned long long>(spikes_) + stage;
}

kernels::VotingSize QueueBackend::voting_size(const engine::Activation& last) const {
  return {program_->num_steps, last.images.batch, static_cast<std::int64_t>(program_->class_of.size()),
          program_->num_classes};
}

Buffer QueueBackend::votes(const engine::Activation& last) {
  const auto size = voting_size(last);
  Buffer votes = allocate(size.batch * size.classes, Type::kFloat);
  const auto* const class_of = pointer<std::int32_t>(class_of_);
  if (last.values) {
    kernels::cuda::readout(queue(), size, class_of, last.values.floats(), votes.floats());
  } else {
    kernels::cuda::voting(queue(), size, class_of, last.spikes.octets(), votes.floats());
  }
  return votes;
}

engine::OutputGradient QueueBackend::loss(const engine::Activation& last, const Buffer& labels,
                                          const engine::LossSpec& spec) {
  const auto size = voting_size(last);
  const Buffer votes = allocate(size.batch * size.classes, Type::kFloat);
  engine::OutputGradient gradient;
  gradient.stage = static_cast<int>(program_->stages.size()) - 1;
  gradient.values = allocate(size.num_steps * size.batch * size.population, output_gradient_type());
  const Buffer workspace = allocate(kernels::cuda::voting_loss_workspace(size, spec), Type::kByte);
  const auto* const class_of = pointer<std::int32_t>(class_of_);
  with_pointer(gradient.values, [&](auto* to) {
    kernels::VotingLossOutput<std::remove_pointer_t<decltype(to)>> output;
    output.votes = votes.floats();
    output.grad_spikes = to;
    output.loss_sum = pointer<double>(loss_sum_);
    output.correct = pointer<unsigned long long>(correct_);
    output.not_finite = pointer<std::uint32_t>(not_finite_);
    const auto* const targets = pointer<std::int64_t>(labels);
    if (last.values) {
      kernels::cuda::readout_loss(queue(), size, spec, class_of, last.values.floats(), targets, output,
                                  workspace.data);
    } else {
      kernels::cuda::voting_loss(queue(), size, spec, class_of, last.spikes.octets(), targets, output,
                                 workspace.data);
    }
  });
  count(size.batch);
  return gradient;
}

namespace {

// One slot's update.
struct SlotStep {
  kernels::cuda::Queue queue;
  const engine::UpdateRule& rule;
  const model::Slot& slot;
  const engine::SlotUpdate& what;
  const engine::Moments& moments;
  const kernels::cuda::AdamCorrection* correction;

  template <class G>
  void run(kernels::cuda::ParameterUpdate<G> update) const {
    float* const first = moments.first ? moments.first.floats() + slot.offset : nullptr;
    update.count = slot.size;
    update.rate_factor = static_cast<float>(what.rate_factor);
    update.weight_decay = static_cast<float>(what.weight_decay);
    if (rule.kind == engine::UpdateRule::kAdam) {
      kernels::cuda::adam_step(queue, update, {rule.beta1, rule.beta2, rule.epsilon, rule.decoupled_decay},
                               correction, first, moments.second.floats() + slot.offset);
    } else {
      kernels::cuda::sgd_step(queue, update, static_cast<float>(rule.momentum), first, rule.nesterov);
    }
  }
};

}  // namespace

void QueueBackend::update(const engine::UpdateRule& rule, const std::vector<engine::SlotUpdate>& slots,
                          engine::Moments& moments) {
  if (rule.max_gradient_norm > 0.0) {
    std::int64_t i = 0;
    for (const engine::SlotUpdate& what : slots) {
      const Buffer& gradient = parameters_->gradients[static_cast<std::size_t>(what.slot)];
      if (!gradient) continue;
      const Buffer workspace = allocate(kernels::cuda::square_sum_workspace(gradient.count), Type::kByte);
      with_pointer(gradient, [&](auto* values) {
        using G = std::remove_pointer_t<decltype(values)>;
        kernels::cuda::square_sum(queue(), gradient.count, static_cast<const G*>(values),
                                  pointer<double>(squares_) + i, workspace.data);
      });
      ++i;
    }
    kernels::cuda::clip_factor(queue(), i, pointer<double>(squares_), rule.max_gradient_norm, clip_.floats());
  }
  if (rule.kind == engine::UpdateRule::kAdam) {
    kernels::cuda::adam_correction(queue(), {rule.beta1, rule.beta2, rule.epsilon, rule.decoupled_decay},
                                   pointer<std::uint64_t>(moments.step_count),
                                   pointer<kernels::cuda::AdamCorrection>(correction_));
  }
  for (const engine::SlotUpdate& what : slots) {
    const model::Slot& slot = program_->slot(what.slot);
    Buffer& gradient = parameters_->gradients[static_cast<std::size_t>(what.slot)];
    if (!gradient) continue;
    const SlotStep step{queue(), rule,    slot,
                        what,    moments, pointer<kernels::cuda::AdamCorrection>(correction_)};
    const Buffer low = rounded(what.slot);
    with_pointer(gradient, [&](auto* values) {
      using G = std::remove_pointer_t<decltype(values)>;
      kernels::cuda::ParameterUpdate<G> update;
      update.weights = parameters_->of(slot);
      update.gradient = values;
      update.weights_bf16 = pointer<kernels::BFloat16>(low);
      update.learning_rate = learning_rate_.floats();
      if (rule.max_gradient_norm > 0.0) update.clip = clip_.floats();
      step.run(update);
    });
    // Dropped, not zeroed: the next backward pass then hands its own over instead of adding to old ones.
    gradient.reset();
  }
  if (rule.average_decay > 0.0) {
    kernels::cuda::average_step(queue(), program_->flat_size, moments.average_decay.floats(),
                                parameters_->values.floats(), moments.average.floats());
  }
}

engine::Sums QueueBackend::collect() {
  engine::Sums sums;
  std::uint32_t not_finite = 0;
  wait();
  sums.samples = samples_;
  memory().to_host(loss_sum_, &sums.loss);
  memory().to_host(correct_, &sums.correct);
  memory().to_host(not_finite_, &not_finite);
  sums.finite = not_finite == 0;
  sums.spikes.resize(program_->stages.size());
  memory().to_host(spikes_, sums.spikes.data());
  clear_sums();
  return sums;
}

}  // namespace spikeloom::backends
