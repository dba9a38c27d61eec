// LIF neurons that keep bits and codes, with the pooling behind them and, on queues, the bias in front.
#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/reference/compact_lif.h"
#include "spikeloom/kernels/reference/lif.h"
#include "tests/kernels/harness/compact_state.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/harness/neurons.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_compact_lif {
namespace {

using test::floats_of;
using test::largest;
using test::values_of;
using Bytes = std::vector<std::uint8_t>;

struct Problem {
  PackedImages images;
  bool is_static = false;
  NeuronParams params = {};
  bool with_bias = false;
  std::vector<float> currents = {}, gradient = {};  ///< [T or 1, neurons], [T, pooled neurons]

  LifSize size() const { return {images.num_steps, images.neurons(), is_static}; }
  std::int64_t spike_bytes() const { return images.num_steps * packed_bytes(images.neurons()); }
  std::int64_t all_state_bytes() const { return images.num_steps * state_bytes(params, images.neurons()); }
  bool has_sums() const { return compact_state(params) == CompactState::kTailCode; }
};

// What a backend keeps and gives. G: gradient that comes in; T: currents, and the gradient that goes out.
template <class G, class T>
struct Results {
  Results(Run& run, const Problem& p)
      : current(run.input(values_of<T>(p.currents))),
        grad_pooled(run.input(values_of<G>(p.gradient))),
        spikes(run.output<std::uint8_t>(p.spike_bytes(), true)),
        inference(run.output<std::uint8_t>(p.spike_bytes(), true)),
        state(run.output<std::uint8_t>(p.all_state_bytes())),
        pooled(run.output<T>(p.images.num_steps * p.images.pooled_neurons())),
        grad_current(run.output<T>(static_cast<std::int64_t>(p.currents.size()))),
        again(run.output<T>(static_cast<std::int64_t>(p.currents.size()))) {}
  const T* current;
  const G* grad_pooled;
  Array<std::uint8_t>&spikes, &inference, &state;
  Array<T>&pooled, &grad_current, &again;
  Bytes dense;
  double count = -1.0, open = -1.0;
  LifParameterGradients sums{1e300, 1e300};
};

template <class G, class T>
void run_reference(const Problem& p, Results<G, T>& r) {
  const LifSize size = p.size();
  std::vector<float> sum = floats_of(values_of<T>(p.currents));  // the reference has no bias
  if (p.with_bias) {
    const auto bias = random_values<float>(p.images.channels, 5, 0.3);
    for (std::size_t i = 0; i < sum.size(); ++i)
      sum[i] += bias[i % static_cast<std::size_t>(p.images.channels)];
  }
  Bytes spikes(static_cast<std::size_t>(p.spike_bytes()), 0),
      inference = spikes, state(static_cast<std::size_t>(p.all_state_bytes()), 0);
  const auto forward = [&](Bytes& to, std::uint8_t* keep) {
    return reference::compact_lif_forward_range(size, p.params, sum.data(), to.data(), keep, 0, size.neurons);
  };
  r.count = static_cast<double>(forward(spikes, state.data()));
  forward(inference, nullptr);
  if (!spikes.empty()) std::memcpy(r.spikes.data(), spikes.data(), spikes.size());
  if (!spikes.empty()) std::memcpy(r.inference.data(), inference.data(), spikes.size());
  r.dense = state;
  reference::unpack_spikes(p.images, spikes.data(), r.pooled.data());
  r.sums = {};
  const auto backward = [&](T* to, LifParameterGradients* sums) {
    reference::compact_lif_backward_range(size, p.params, p.images, r.grad_pooled, spikes.data(),
                                          state.data(), to, 0, size.neurons, {}, sums);
  };
  backward(r.grad_current.data(), nullptr);
  backward(r.again.data(), p.has_sums() ? &r.sums : nullptr);
  r.open = static_cast<double>(open_windows(p.params, state));
}

template <class G, class T>
void run_cpu(const Problem& p, Results<G, T>& r) {
  CpuCompactState state(p.size(), p.params);
  const auto counts =
      cpu::compact_lif_forward(p.size(), p.params, r.current, r.spikes.data(), &state.state());
  cpu::compact_lif_forward(p.size(), p.params, r.current, r.inference.data(), nullptr);
  cpu::unpack_spikes(p.images, r.spikes.data(), r.pooled.data());
  const auto backward = [&](T* to, LifParameterGradients* sums) {
    cpu::compact_lif_backward(p.size(), p.params, p.images, r.grad_pooled, r.spikes.data(), state.state(), to,
                              sums);
  };
  backward(r.grad_current.data(), nullptr);
  backward(r.again.data(), p.has_sums() ? &r.sums : nullptr);
  r.count = static_cast<double>(counts.spikes);
  r.dense = state.dense();
  r.open = static_cast<double>(counts.open_windows);
}

template <class G, class T>
void run_queue(Run& run, const Problem& p, Results<G, T>& r) {
  const float* bias = p.with_bias ? run.input(random_values<float>(p.images.channels, 5, 0.3)) : nullptr;
  auto& count = run.in_out(std::vector<unsigned long long>{7});  // added to
  cuda::compact_lif_forward<T>(run.queue(), p.size(), p.params, p.images, r.current, bias,
                               {r.spikes.data(), r.state.data(), r.pooled.data(), count.data()});
  cuda::compact_lif_forward<T>(run.queue(), p.size(), p.params, p.images, r.current, bias,
                               {r.inference.data(), nullptr, nullptr, nullptr});
  auto& parameters = run.output<double>(2);
  void* const workspace = run.workspace(cuda::compact_lif_backward_workspace(p.images.neurons()));
  const auto backward = [&](T* to, double* sums) {
    cuda::compact_lif_backward(run.queue(), p.size(), p.params, p.images, r.grad_pooled, {}, r.spikes.data(),
                               r.state.data(), to, sums, sums != nullptr ? workspace : nullptr);
  };
  backward(r.grad_current.data(), nullptr);
  backward(r.again.data(), p.has_sums() ? parameters.data() : nullptr);
  r.count = static_cast<double>(count.value() - 7);
  r.dense = r.state.values();
  if (p.has_sums()) r.sums = {parameters.values()[0], parameters.values()[1]};
}

template <class G, class T>
Results<G, T> run_all(Run& run, const Problem& p) {
  Results<G, T> r(run, p);
  if (run.on(Backend::kReference)) run_reference<G, T>(p, r);
  if (run.on(Backend::kCpu)) run_cpu<G, T>(p, r);
  if (run.on(Backend::kQueue)) run_queue<G, T>(run, p, r);
  return r;
}

template <class G, class T>
void match(Run& run, const Problem& p) {
  Results<G, T> r = run_all<G, T>(run, p);
  run.gives("spikes", r.spikes);
  run.gives("spikes in inference", r.inference);
  run.gives("state", r.dense);
  run.gives("pooled", r.pooled);
  run.gives("count", r.count);
  if (!run.on(Backend::kQueue)) run.gives("open windows", r.open);  // queues do not count them
  // exp of the SIMD library and of a device differs in the last places; rounded to bfloat16 that is at most
  // one of its steps.
  const bool own_exp = run.on(Backend::kCpu) || run.on_device();
  const bool exact = !own_exp || p.params.surrogate != Surrogate::kSigmoid;
  const Tolerance tolerance{0.0, exact ? 0.0 : sizeof(T) == 2 ? 0.02 : 2e-6};
  run.gives("grad_current", r.grad_current, tolerance);
  run.gives("grad_current with sums", r.again, tolerance);
  if (!p.has_sums()) return;
  double largest_v = 0.0;  // of the decoded potentials, whose codes of 0 stand for 65536 widths
  for (std::size_t i = 0; run.on(Backend::kCpu) && i + 1 < r.dense.size(); i += 2) {
    const auto code = static_cast<std::uint16_t>(r.dense[i] | r.dense[i + 1] << 8);
    largest_v = std::max(largest_v, std::abs(static_cast<double>(VPreCode(p.params).decode(code, true))));
  }
  const double terms = static_cast<double>(p.images.num_steps * p.images.neurons()) * (1.0 + largest_v) *
                       (1.0 + largest(floats_of(r.grad_current.values())));
  const double unit = exact ? 1e-14 : 2e-6;  // the order of the sums differs
  run.gives("grad_decay", r.sums.decay, {unit * terms + 1e-300});
  run.gives("grad_v_threshold", r.sums.v_threshold, {unit * terms + 1e-300});
}

struct Size {
  PackedImages images;
  bool is_static;
};

const std::vector<Size>& sizes() {
  static const std::vector<Size> all = {
      {{1, 1, 1, 1, 1, 1}, false},   {{4, 2, 3, 5, 3, 1}, false},  {{4, 2, 3, 5, 7, 1}, false},
      {{3, 2, 4, 6, 16, 2}, false},  {{3, 1, 5, 7, 24, 2}, false}, {{9, 1, 8, 8, 64, 2}, true},
      {{2, 5, 1, 1, 100, 1}, false}, {{5, 1, 9, 7, 8, 3}, true},   {{2, 2, 12, 12, 32, 2}, false},
      {{4, 0, 4, 4, 8, 2}, false},   {{0, 2, 4, 4, 8, 2}, false},  {{5, 1, 3, 3, 8, 1}, false},
      {{6, 2, 5, 5, 33, 2}, false},  {{2, 1, 7, 5, 96, 2}, false}, {{3, 2, 1, 1, 128, 1}, true},
      {{3, 1, 5, 5, 5, 2}, true},    {{4, 1, 4, 4, 8, 2}, false},  {{8, 1, 7, 7, 16, 4}, false}};
  return all;
}

std::vector<NeuronParams> neurons() {
  std::vector<NeuronParams> all = plain_neurons();
  for (const auto& params : test::general_neurons()) all.push_back(params);
  return all;
}

std::string describe(const Problem& p) {
  return "T " + std::to_string(p.images.num_steps) + " N " + std::to_string(p.images.batch) + " " +
         std::to_string(p.images.height) + "x" + std::to_string(p.images.width) + "x" +
         std::to_string(p.images.channels) + " pool " + std::to_string(p.images.pool) +
         (p.is_static ? " static, " : ", ") + harness::describe(p.params);
}

void fill(Problem& p, bool extreme) {
  const std::int64_t count = (p.is_static ? 1 : p.images.num_steps) * p.images.neurons();
  p.currents = extreme ? test::extreme_currents(p.params, count) : random_values<float>(count, 3);
  p.gradient = random_values<float>(p.images.num_steps * p.images.pooled_neurons(), 4);
}

template <class G, class T>
std::vector<Case> cases(bool with_bias) {
  std::vector<Case> all;
  const auto add = [&](Problem p, bool extreme) {
    p.with_bias = with_bias;
    all.push_back({describe(p) + (extreme ? ", extreme" : ""), [p, extreme](Run& run) {
                     Problem filled = p;
                     fill(filled, extreme);
                     match<G, T>(run, filled);
                   }});
  };
  for (const Size& size : sizes()) {
    for (const auto& params : neurons()) add({size.images, size.is_static, params}, false);
  }
  if (with_bias) return all;
  // Many neurons, whose parameter gradients are sums of several parts.
  for (const auto& params : test::general_neurons()) {
    if (params.learnable) add({{3, 3, 20, 20, 24, 1}, false, params}, false);
  }
  // At the threshold, near it, and as far from it as numbers go; 64 neurons in vectors and those behind them.
  for (const Size& size : {Size{{1, 1, 1, 1, 83, 1}, false}, Size{{3, 1, 1, 1, 147, 1}, true},
                           Size{{3, 2, 3, 5, 8, 1}, false}, Size{{1, 3, 2, 2, 16, 2}, true}}) {
    for (NeuronParams params : neurons()) {
      for (const double width : {1.0, 0.1}) {
        params.surrogate_width = width;
        add({size.images, size.is_static, params}, true);
      }
    }
  }
  return all;
}

// The gradients of the kernel that keeps all of its state.
template <class S>
Outputs exact_gradients(const Problem& p) {
  const LifSize size = p.size();
  const std::vector<S> input(p.currents.begin(), p.currents.end()),
      gradient(p.gradient.begin(), p.gradient.end());
  std::vector<S> v_pre(gradient.size()), spikes(gradient.size()), grad_input(input.size());
  LifParameterGradients sums;
  reference::lif_forward(size, p.params, input.data(), v_pre.data(), spikes.data());
  reference::lif_backward(size, p.params, gradient.data(), v_pre.data(), spikes.data(), grad_input.data(),
                          &sums);
  // Neurons all of whose steps are far from the threshold, where the tail is all there is.
  std::vector<double> far;
  for (std::size_t i = 0; !p.is_static && i < v_pre.size(); ++i) {
    if (std::abs(widen(v_pre[i]) - p.params.v_threshold) >= 3.0 * p.params.surrogate_width)
      far.push_back(widen(grad_input[i]));
  }
  return {{"grad_current", {grad_input.begin(), grad_input.end()}, {}},
          {"grad_decay", {sums.decay}, {}},
          {"grad_v_threshold", {sums.v_threshold}, {}},
          {"far grad_current", far, {}}};
}

// What is lost: nothing where a window bit is enough, else what half a step of the code does to the terms
// that hold v_pre.
Tolerance lost(const NeuronParams& params) {
  if (compact_state(params) == CompactState::kWindowBit) return {1e-30};  // 0 has two signs
  const bool wide =
      params.learnable || params.surrogate == Surrogate::kRectangular || closes_with_tail_code(params);
  return {0.0, 0.0, wide ? 1e-3 : params.surrogate == Surrogate::kTriangular ? 6e-3 : 3e-5};
}

std::vector<Case> exact_cases() {
  std::vector<Case> all;
  const auto add = [&](const Problem& p, bool far_ones) {
    all.push_back(
        {describe(p),
         [p, far_ones](Run& run) {
           Results<float, float> r = run_all<float, float>(run, p);
           const auto gradient = r.grad_current.values();
           if (far_ones) {
             std::vector<double> far;
             const auto& input = p.currents;
             std::vector<float> v_pre(input.size()), spikes(input.size());
             reference::lif_forward(p.size(), p.params, input.data(), v_pre.data(), spikes.data());
             for (std::size_t i = 0; i < v_pre.size(); ++i) {
               if (std::abs(widen(v_pre[i]) - p.params.v_threshold) >= 3.0 * p.params.surrogate_width)
                 far.push_back(gradient[i]);
             }
             EXPECT_GT(largest(far), 0.0);
             run.gives("far grad_current", far, {0.0, 0.0, 5e-5});
             return;
           }
           run.gives("grad_current", gradient, lost(p.params));
           if (!p.params.learnable) return;
           run.gives("grad_decay", r.sums.decay, {0.0, 5e-3});
           run.gives("grad_v_threshold", r.sums.v_threshold, {0.0, 5e-3});
         },
         [p] { return p.params.learnable ? exact_gradients<double>(p) : exact_gradients<float>(p); }});
  };
  // Off the multiples of 1/4: a spike in double must be one in float. Gradients off 0: or the sums nearly
  // cancel, and say little about errors.
  const auto off = [](std::vector<float> values, float by) {
    for (float& value : values) value += by;
    return values;
  };
  for (const bool is_static : {false, true}) {
    for (NeuronParams params : neurons()) {
      if (params.learnable) continue;
      Problem p{{8, 2, 4, 4, 64, 1}, is_static, params};
      p.currents = random_values<float>((is_static ? 1 : 8) * 2048, 6);
      p.gradient = random_values<float>(8 * 2048, 7);
      add(p, false);
    }
    for (NeuronParams params : plain_neurons()) {
      for (const Reset reset : {params.reset, Reset::kNone}) {
        for (const double width : {1.0, 0.2}) {
          for (const bool current : {false, true}) {
            params.reset = reset;
            params.decay = 0.6;
            params.surrogate_width = width;
            params.learnable = true;
            params.current_decay = current ? 0.4 : 0.0;
            params.v_reset = current ? -0.2 : 0.0;
            Problem p{{6, 1, 1, 1, 3000, 1}, is_static, params};
            p.currents = off(random_values<float>((is_static ? 1 : 6) * 3000, 1, 0.7), 0.2137f);
            p.gradient = off(random_values<float>(6 * 3000, 2, 0.5), 1.0f);
            add(p, false);
          }
        }
      }
    }
  }
  for (const double width : {0.5, 0.1, 0.02}) {
    NeuronParams params;
    params.surrogate = Surrogate::kArctan;
    params.surrogate_width = width;
    params.decay = 0.9;
    Problem p{{6, 2, 4, 4, 64, 1}, false, params};
    p.currents = random_values<float>(6 * 2048, 6);
    p.gradient = random_values<float>(6 * 2048, 7);
    add(p, true);
  }
  return all;
}

}  // namespace
}  // namespace of_compact_lif

std::vector<Kernel> compact_lif_kernels() {
  using namespace of_compact_lif;
  const char* same = "that of float, rounded";
  const std::vector<Backend::Kind> everywhere{Backend::kCpu, Backend::kQueue};
  return {
      {"compact lif float", everywhere, "", [] { return cases<float, float>(false); }, exact_cases},
      {"compact lif bfloat16 float", everywhere, "", [] { return cases<BFloat16, float>(false); }, {}, same},
      {"compact lif bfloat16", everywhere, "", [] { return cases<BFloat16, BFloat16>(false); }, {}, same},
      {"compact lif with bias float",
       {Backend::kQueue},
       "on the CPU products add the bias",
       [] { return cases<float, float>(true); },
       {},
       "that of currents, summed over pixels: bias gradient"},
      {"compact lif with bias bfloat16",
       {Backend::kQueue},
       "on the CPU products add the bias",
       [] { return cases<BFloat16, BFloat16>(true); },
       {},
       "as of float"}};
}

}  // namespace spikeloom::kernels::harness
