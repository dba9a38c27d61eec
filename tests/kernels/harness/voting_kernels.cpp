// Votes, and their losses.
#include "spikeloom/kernels/cpu/voting.h"
#include "spikeloom/kernels/cuda/voting.h"
#include "spikeloom/kernels/reference/voting.h"
#include "spikeloom/kernels/reference/voting_loss.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_voting {
namespace {

using test::random_spikes;

const VotingSize kSizes[] = {{1, 1, 1, 1},      {4, 3, 10, 3},   {5, 130, 100, 11},
                             {5, 300, 100, 11}, {8, 33, 77, 10}, {3, 2, 40, 2},
                             {1, 7, 10, 10},    {3, 0, 4, 2},    {0, 2, 4, 2}};

// The last class gets no neuron where there is more than one, unless there is a neuron for each.
std::vector<std::int32_t> classes(const VotingSize& size) {
  std::vector<std::int32_t> class_of;
  const std::int64_t used =
      size.classes > 1 && size.population != size.classes ? size.classes - 1 : size.classes;
  for (std::int64_t p = 0; p < size.population; ++p)
    class_of.push_back(static_cast<std::int32_t>(p * 7 % used));
  return class_of;
}

std::string describe(const VotingSize& size) {
  return "T " + std::to_string(size.num_steps) + " N " + std::to_string(size.batch) + " P " +
         std::to_string(size.population) + " K " + std::to_string(size.classes);
}

template <class T>
void vote(Run& run, const VotingSize& size, const std::vector<T>& spike_values) {
  const std::int64_t count = size.num_steps * size.batch * size.population;
  const auto* class_of = run.input(classes(size));
  const T *spikes = run.input(spike_values),
          *grad_votes = run.input(random_values<T>(size.batch * size.classes, 2));
  auto &votes = run.output<T>(size.batch * size.classes), &grad_spikes = run.output<T>(count);
  if (run.on(Backend::kReference)) {
    reference::voting_forward(size, class_of, spikes, votes.data());
    reference::voting_backward(size, class_of, grad_votes, grad_spikes.data());
  } else {
    cpu::voting_forward(size, class_of, spikes, votes.data());
    cpu::voting_backward(size, class_of, grad_votes, grad_spikes.data());
  }
  run.gives("votes", votes);
  run.gives("grad_spikes", grad_spikes);
}

template <class T>
std::vector<Case> vote_cases() {
  std::vector<Case> all;
  for (const VotingSize& size : kSizes) {
    all.push_back({describe(size), [size](Run& run) {
                     vote<T>(run, size, random_values<T>(size.num_steps * size.batch * size.population, 1));
                   }});
  }
  return all;
}

std::vector<Case> vote_gradients() {
  const VotingSize size{4, 3, 10, 3};
  return {{describe(size),
           [=](Run& run) {
             auto& grad = run.output<double>(120);
             const auto* class_of = run.input(classes(size));
             const double* grad_votes = run.input(random_values<double>(9, 2));
             if (run.on(Backend::kReference)) {
               reference::voting_backward(size, class_of, grad_votes, grad.data());
             } else {
               cpu::voting_backward(size, class_of, grad_votes, grad.data());
             }
             run.gives("grad_spikes", grad, {1e-11});
           },
           [=]() -> Outputs {
             auto at = random_values<double>(120, 5);
             const auto weights = random_values<double>(9, 2);
             const auto class_of = classes(size);
             const auto loss = [&] {
               std::vector<double> votes(9);
               reference::voting_forward(size, class_of.data(), at.data(), votes.data());
               double sum = 0.0;
               for (std::size_t i = 0; i < votes.size(); ++i) sum += votes[i] * weights[i];
               return sum;
             };
             return {{"grad_spikes", slopes(loss, at, 1e-1), {}}};
           }}};
}

std::vector<VotingLossParams> losses() {
  std::vector<VotingLossParams> all;
  for (const auto kind :
       {VotingLossKind::kMeanSquares, VotingLossKind::kSumOfSquares, VotingLossKind::kCrossEntropy}) {
    for (const double smoothing : {0.0, 0.1}) {
      for (const bool each_step : {false, true}) {
        VotingLossParams params;
        params.kind = kind;
        params.vote_scale = 8.0;
        params.label_smoothing = smoothing;
        params.each_step = each_step;
        all.push_back(params);
        params.tet_weight = 0.3;
        params.tet_target = 0.75;
        if (each_step) all.push_back(params);
        if (smoothing == 0.0) continue;
        params.whole_batch = 40;  // more than any batch has
        all.push_back(params);
        params.counted = false;
        all.push_back(params);
      }
    }
  }
  return all;
}

std::string describe(const VotingSize& size, const VotingLossParams& params) {
  return describe(size) + " kind " + std::to_string(static_cast<int>(params.kind)) + " smoothing " +
         std::to_string(params.label_smoothing) + (params.each_step ? " each step" : "") + " weight " +
         std::to_string(params.tet_weight) + (params.whole_batch != 0 ? " part" : "") +
         (params.counted ? "" : " not counted");
}

std::vector<std::int64_t> labels(const VotingSize& size) {
  std::vector<std::int64_t> all;
  for (std::int64_t n = 0; n < size.batch; ++n) all.push_back(n * 3 % size.classes);
  return all;
}

// of_values: a readout; else of packed spikes. of_differences: the gradient alone is looked at.
template <class T>
void run_loss(Run& run, const VotingSize& size, const VotingLossParams& params, bool of_values,
              bool of_differences) {
  const std::int64_t neurons = size.batch * size.population, count = size.num_steps * neurons;
  const auto* class_of = run.input(classes(size));
  const auto* label = run.input(labels(size));
  const float* values = run.input(random_values<float>(count, 2));
  const auto* spikes = run.input(test::packed(size.num_steps, neurons, random_spikes<float>(count, 1)), true);
  auto &votes = run.output<float>(size.batch * size.classes),
       &alone = run.output<float>(size.batch * size.classes);
  auto& gradient = run.output<T>(count);
  auto &loss = run.in_out(std::vector<double>{0.0}), &loss_sum = run.in_out(std::vector<double>{100.0});
  auto& correct = run.in_out(std::vector<unsigned long long>{1000});
  auto& not_finite = run.in_out(std::vector<std::uint32_t>{0});
  const VotingLossOutput<T> to{votes.data(),    gradient.data(), loss.data(),
                               loss_sum.data(), correct.data(),  not_finite.data()};
  if (run.on(Backend::kReference)) {
    const auto wide = random_spikes<float>(count, 1);
    reference::voting_forward(size, class_of, of_values ? values : wide.data(), alone.data());
    if (of_values) {
      reference::readout_loss(size, params, class_of, values, label, to);
    } else {
      reference::voting_loss(size, params, class_of, spikes, label, to);
    }
  } else {
    void* const workspace = run.workspace(cuda::voting_loss_workspace(size, params));
    if (of_values) {
      cuda::readout(run.queue(), size, class_of, values, alone.data());
      cuda::readout_loss(run.queue(), size, params, class_of, values, label, to, workspace);
    } else {
      cuda::voting(run.queue(), size, class_of, spikes, alone.data());
      cuda::voting_loss(run.queue(), size, params, class_of, spikes, label, to, workspace);
    }
  }
  if (of_differences) {
    run.gives("gradient", gradient, {1e-7});
    return;
  }
  const double of_votes = of_values ? 3e-7 : 0.0, unit = 1e-12 + 10.0 * of_votes;
  const double step =
      (sizeof(T) == 2 ? 1.0 / 128 : 1e-6) + 10.0 * of_votes;  // where a value lies between two
  run.gives("votes", votes, {of_votes});
  run.gives("votes alone", alone, {of_votes});
  run.gives("loss", loss, {unit, unit});
  run.gives("loss sum", loss_sum, {unit, unit});
  run.gives("correct", correct);
  run.gives("not finite", not_finite);
  run.gives("gradient", gradient, {1e-30, step});
}

template <class T>
std::vector<Case> loss_cases(bool of_values) {
  std::vector<Case> all;
  for (const VotingSize& size : kSizes) {
    if (size.num_steps == 0 || size.batch == 0) continue;  // no loss: see the kernels' own tests
    for (const auto& params : losses()) {
      all.push_back(
          {describe(size, params), [=](Run& run) { run_loss<T>(run, size, params, of_values, false); }});
    }
  }
  return all;
}

std::vector<Case> loss_gradients(bool of_values) {
  const VotingSize size{4, 3, 10, 3};
  std::vector<Case> all;
  for (const auto& params : losses()) {
    all.push_back(
        {describe(size, params), [=](Run& run) { run_loss<float>(run, size, params, of_values, true); },
         [=]() -> Outputs {
           const auto floats = of_values ? random_values<float>(120, 2) : random_spikes<float>(120, 1);
           std::vector<double> at(floats.begin(), floats.end()), votes(9);
           const auto class_of = classes(size);
           const auto label = labels(size);
           const auto loss = [&] {
             double value = 0.0;
             reference::readout_loss<double, double>(size, params, class_of.data(), at.data(), label.data(),
                                                     {votes.data(), nullptr, &value});
             return value;
           };
           return {{"gradient", slopes(loss, at, 1e-5), {}}};
         }});
  }
  return all;
}

}  // namespace
}  // namespace of_voting

std::vector<Kernel> voting_kernels() {
  using namespace of_voting;
  const char *values = "queues vote on packed spikes: see the losses",
             *queue = "the CPU has the host queue's", *rounded = "that of float, rounded",
             *same = "that of double is the same source";
  const std::vector<Backend::Kind> queues{Backend::kQueue};
  return {{"voting float", {Backend::kCpu}, values, vote_cases<float>, {}, same},
          {"voting double", {Backend::kCpu}, values, vote_cases<double>, vote_gradients},
          {"voting loss float", queues, queue, [] { return loss_cases<float>(false); },
           [] { return loss_gradients(false); }},
          {"voting loss bfloat16", queues, queue, [] { return loss_cases<BFloat16>(false); }, {}, rounded},
          {"readout loss float", queues, queue, [] { return loss_cases<float>(true); },
           [] { return loss_gradients(true); }},
          {"readout loss bfloat16", queues, queue, [] { return loss_cases<BFloat16>(true); }, {}, rounded}};
}

}  // namespace spikeloom::kernels::harness
