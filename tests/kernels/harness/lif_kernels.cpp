// LIF neurons with all of their state.
#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/reference/lif.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/harness/neurons.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_lif {
namespace {

using test::epsilon;
using test::largest;

template <class T>
void run_lif(Run& run, const LifSize& size, const NeuronParams& params, const std::vector<T>& input_values,
             const std::vector<T>& gradient) {
  const std::int64_t count = size.num_steps * size.neurons, rows = size.static_input ? 1 : size.num_steps;
  const T* input = run.input(input_values);
  const T* grad_spikes = run.input(gradient);
  auto &v_pre = run.output<T>(count), &spikes = run.output<T>(count), &inference = run.output<T>(count);
  auto &grad_input = run.output<T>(rows * size.neurons), &again = run.output<T>(rows * size.neurons);
  LifParameterGradients sums{1e300, 1e300};
  std::int64_t fired = -1, fired_in_inference = -1;
  const auto all = [&](const auto& forward, const auto& backward) {
    fired = forward(v_pre.data(), spikes.data());
    fired_in_inference = forward(nullptr, inference.data());
    backward(grad_input.data(), &sums);
    backward(again.data(), nullptr);
  };
  if (run.on(Backend::kReference)) {
    all([&](T* v, T* o) { return reference::lif_forward(size, params, input, v, o); },
        [&](T* to, LifParameterGradients* of) {
          reference::lif_backward(size, params, grad_spikes, v_pre.data(), spikes.data(), to, of);
        });
  } else {
    all([&](T* v, T* o) { return cpu::lif_forward(size, params, input, v, o); },
        [&](T* to, LifParameterGradients* of) {
          cpu::lif_backward(size, params, grad_spikes, v_pre.data(), spikes.data(), to, of);
        });
  }
  run.gives("v_pre", v_pre);
  run.gives("spikes", spikes);
  run.gives("spikes in inference", inference);
  run.gives("count", static_cast<double>(fired));
  run.gives("count in inference", static_cast<double>(fired_in_inference));
  // exp of Highway and of the C library differ by a few units in the last place; the recursion keeps it so. A
  // gradient that a current or an integrator carries on may cancel in the end.
  const bool exact = params.surrogate != Surrogate::kSigmoid;
  Tolerance tolerance;
  if (!exact) {
    tolerance.of_largest = 16 * epsilon<T>();
    if (!is_plain(params)) tolerance.absolute = 16 * epsilon<T>() * largest(gradient);
  }
  run.gives("grad_input", grad_input, tolerance);
  run.gives("grad_input without sums", again, tolerance);
  // The order of the sums differs; the terms are at most about scale * v.
  double scale = largest(grad_input.values());
  if (!is_plain(params)) scale = std::max(scale, largest(gradient));
  const double terms = static_cast<double>(count) * (1 + scale) * (1 + largest(v_pre.values()));
  const double unit = exact ? 1e-15 : 16 * epsilon<T>();
  run.gives("grad_decay", sums.decay, {unit * terms + 1e-300});
  run.gives("grad_v_threshold", sums.v_threshold, {unit * terms + 1e-300});
}

// None, one, around the lanes of a vector, around the unit of 1024 neurons, and enough for threads.
const LifSize kSizes[] = {{0, 5},  {4, 0},    {1, 1},    {1, 7},    {3, 1},
                          {5, 33}, {4, 1023}, {3, 1024}, {2, 1025}, {3, 6011}};

std::vector<NeuronParams> neurons() {
  std::vector<NeuronParams> result;
  const auto add = [&](NeuronParams params) {
    for (const bool smooth : {false, true}) {
      params.smooth = smooth;
      result.push_back(params);
    }
  };
  for (NeuronParams params : plain_neurons()) {
    params.decay = 0.5;
    params.surrogate_width = 1.1;
    add(params);
  }
  for (const NeuronParams& params : test::general_neurons()) {
    if (!params.learnable || params.reset == Reset::kNone) add(params);  // others are of compact state
  }
  return result;
}

template <class T>
std::vector<Case> cases() {
  std::vector<Case> all;
  unsigned seed = 0;
  for (LifSize size : kSizes) {
    seed += 2;
    for (const NeuronParams& params : neurons()) {
      for (const bool is_static : {false, true}) {
        size.static_input = is_static;
        all.push_back({describe(size, params), [size, params, at = seed](Run& run) {
                         const std::int64_t rows = size.static_input ? 1 : size.num_steps;
                         run_lif(run, size, params, random_values<T>(rows * size.neurons, at - 1),
                                 random_values<T>(size.num_steps * size.neurons, at));
                       }});
      }
    }
  }
  return all;
}

// The gradient in smooth mode, in which spikes are the surrogate's primitive, against finite differences.
constexpr std::int64_t kSteps = 5, kNeurons = 7;

// Spikes, with the gates of the reset held at given values, unless nullptr: what a cut reset path means.
std::vector<double> smooth_spikes(const LifSize& size, const NeuronParams& params,
                                  const std::vector<double>& input, const std::vector<double>* gates) {
  std::vector<double> spikes(static_cast<std::size_t>(size.num_steps * size.neurons));
  for (std::int64_t i = 0; i < size.neurons; ++i) {
    double v_post = 0.0, current = 0.0;
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      const auto at = static_cast<std::size_t>(t * size.neurons + i);
      current = params.current_decay * current + input[size.static_input ? static_cast<std::size_t>(i) : at];
      const double v = params.decay * v_post + current;
      spikes[at] =
          reference::surrogate_primitive(params.surrogate, v - params.v_threshold, params.surrogate_width);
      const double gate = gates != nullptr ? (*gates)[at] : spikes[at];
      v_post = v;
      if (params.reset == Reset::kZero) v_post = v + (params.v_reset - v) * gate;
      if (params.reset == Reset::kSubtract) v_post = v - params.v_threshold * gate;
    }
  }
  return spikes;
}

struct SmoothProblem {
  SmoothProblem(NeuronParams neuron, bool is_static) : size{kSteps, kNeurons, is_static}, params(neuron) {
    params.decay = 0.6;
    params.v_threshold = 0.5;
    params.surrogate_width = 1.7;
    params.smooth = true;
    // Odd denominators: no potential lands on a kink of the piecewise surrogates.
    input = random_values<double>((is_static ? 1 : kSteps) * kNeurons, 11, 0.61803);
    for (double& value : input) value += 0.21237;
    weights = random_values<double>(kSteps * kNeurons, 12);
  }
  Outputs want() const {
    auto at = input;
    NeuronParams moved = params;
    const auto gates = smooth_spikes(size, params, input, nullptr);
    const auto loss = [&] {
      const auto spikes = smooth_spikes(size, moved, at, params.detach_reset ? &gates : nullptr);
      double sum = 0.0;
      for (std::size_t i = 0; i < spikes.size(); ++i) sum += weights[i] * spikes[i];
      return sum;
    };
    constexpr double kStep = 1e-6;
    const auto slope_of = [&](double& parameter) {
      std::vector<double> one{parameter};
      const double before = parameter;
      const auto result = slopes(
          [&] {
            parameter = one[0];
            return loss();
          },
          one, kStep);
      parameter = before;
      return result;
    };
    const auto grad_input = slopes(loss, at, kStep);
    EXPECT_GT(largest(grad_input), 0.01);  // or the comparison says nothing
    return {{"grad_input", grad_input, {}},
            {"grad_decay", slope_of(moved.decay), {}},
            {"grad_v_threshold", slope_of(moved.v_threshold), {}}};
  }
  void run(Run& run) const {
    std::vector<double> v_pre(weights.size()), spikes(weights.size());
    auto& grad_input = run.output<double>(static_cast<std::int64_t>(input.size()));
    LifParameterGradients sums;
    if (run.on(Backend::kReference)) {
      reference::lif_forward(size, params, input.data(), v_pre.data(), spikes.data());
      reference::lif_backward(size, params, weights.data(), v_pre.data(), spikes.data(), grad_input.data(),
                              &sums);
    } else {
      cpu::lif_forward(size, params, input.data(), v_pre.data(), spikes.data());
      cpu::lif_backward(size, params, weights.data(), v_pre.data(), spikes.data(), grad_input.data(), &sums);
    }
    // Rounding (1e-16 / step) and the third derivative (step^2) are both far below.
    run.gives("grad_input", grad_input, {2e-8});
    run.gives("grad_decay", sums.decay, {2e-7});
    run.gives("grad_v_threshold", sums.v_threshold, {2e-7});
  }

  LifSize size;
  NeuronParams params;
  std::vector<double> input, weights;
};

std::vector<Case> smooth_cases() {
  std::vector<Case> all;
  const auto add = [&](const NeuronParams& params, bool is_static) {
    const SmoothProblem problem(params, is_static);
    all.push_back({describe(problem.size, problem.params), [problem](Run& run) { problem.run(run); },
                   [problem] { return problem.want(); }});
  };
  for (NeuronParams params : plain_neurons()) {
    for (const bool without : {false, true}) {
      if (without && params.reset == Reset::kSubtract) continue;  // of kZero, once
      if (without) params.reset = Reset::kNone;
      for (const bool is_static : {false, true}) {
        NeuronParams neuron = params;
        add(neuron, is_static);
        neuron.current_decay = 0.37;
        add(neuron, is_static);
        neuron.v_reset = -0.23;
        if (neuron.reset == Reset::kZero) add(neuron, is_static);
      }
    }
  }
  return all;
}

}  // namespace
}  // namespace of_lif

std::vector<Kernel> lif_kernels() {
  using namespace of_lif;
  const char* elsewhere = "queues run neurons with compact state alone";
  return {{"lif float", {Backend::kCpu}, elsewhere, cases<float>, {}, "that of double is the same source"},
          {"lif double", {Backend::kCpu}, elsewhere, cases<double>, smooth_cases}};
}

}  // namespace spikeloom::kernels::harness
