// NeuNorm: of values on the CPU; of packed spikes, with the pooling behind it or in front, on queues.
#include "spikeloom/kernels/cpu/neunorm.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/neunorm.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_neunorm {
namespace {

using test::epsilon;
using test::floats_of;
using test::largest;
using test::random_spikes;
using test::values_of;

const NeuNormSize kSizes[] = {{0, 2, 3, 4, true},    {2, 0, 3, 4, true},   {2, 3, 0, 4, false},
                              {1, 1, 1, 1, true},    {1, 1, 1, 1, false},  {3, 2, 5, 7, true},
                              {3, 2, 5, 7, false},   {2, 1, 9, 33, false}, {4, 3, 11, 67, true},
                              {2, 3, 300, 1, false}, {3, 2, 3, 600, true}, {3, 4, 64, 128, false}};

std::int64_t weights(const NeuNormSize& size) { return size.positions * (size.shared_u ? 1 : size.channels); }

template <class T>
void run_values(Run& run, const NeuNormSize& size, const NeuNormParams& params,
                const std::vector<T>& spike_values, const std::vector<T>& u_values,
                const std::vector<T>& grad, bool of_differences) {
  const auto count = static_cast<std::int64_t>(spike_values.size());
  const T *spikes = run.input(spike_values), *u = run.input(u_values), *grad_output = run.input(grad);
  auto &x = run.output<T>(size.num_steps * size.batch * size.positions), &output = run.output<T>(count);
  auto &grad_spikes = run.output<T>(count), &again = run.output<T>(count),
       &grad_u = run.output<T>(weights(size));
  const auto all = [&](const auto& forward, const auto& backward) {
    forward(size, params, spikes, u, x.data(), output.data());
    backward(size, params, grad_output, u, x.data(), grad_spikes.data(), grad_u.data());
    backward(size, params, grad_output, u, x.data(), again.data(), static_cast<T*>(nullptr));
  };
  if (run.on(Backend::kReference)) {
    all([](auto... a) { reference::neunorm_forward<T>(a...); },
        [](auto... a) { reference::neunorm_backward<T>(a...); });
  } else {
    all([](auto... a) { cpu::neunorm_forward<T>(a...); }, [](auto... a) { cpu::neunorm_backward<T>(a...); });
  }
  if (of_differences) {
    run.gives("grad_spikes", grad_spikes, {1e-9});
    run.gives("grad_u", grad_u, {1e-9});
    return;
  }
  // Sums of 0 and 1 are exact; others lose at most a unit in the last place of the sum of magnitudes a term.
  const bool binary = std::all_of(spike_values.begin(), spike_values.end(),
                                  [](T value) { return value == T(0) || value == T(1); });
  const Tolerance forward{binary ? 0.0
                                 : 4 * epsilon<T>() * (1 + largest(spike_values)) * (1 + largest(u_values))};
  run.gives("x", x, forward);
  run.gives("output", output, forward);
  const double term = largest(grad) * (1 + largest(u_values));
  const double terms = static_cast<double>(size.num_steps * size.batch) *
                       (size.shared_u ? static_cast<double>(size.channels) : 1.0);
  run.gives("grad_spikes", grad_spikes, {4 * epsilon<T>() * term});
  run.gives("grad_spikes without grad_u", again, {4 * epsilon<T>() * term});
  run.gives("grad_u", grad_u, {4 * epsilon<T>() * terms * largest(x.values()) * term});
}

std::string describe(const NeuNormSize& size) {
  return "T " + std::to_string(size.num_steps) + " N " + std::to_string(size.batch) + " P " +
         std::to_string(size.positions) + " C " + std::to_string(size.channels) +
         (size.shared_u ? " shared" : "");
}

template <class T>
std::vector<Case> value_cases() {
  std::vector<Case> all;
  unsigned seed = 50;
  for (const NeuNormSize& size : kSizes) {
    for (const bool binary : {true, false}) {
      seed += 3;
      all.push_back(
          {describe(size) + (binary ? " binary" : ""), [=](Run& run) {
             const std::int64_t count = size.num_steps * size.batch * size.positions * size.channels;
             run_values<T>(run, size, {0.8, neunorm_coefficient(NeuNormScale::kMean, 0.8, size.channels)},
                           binary ? random_spikes<T>(count, seed) : random_values<T>(count, seed),
                           random_values<T>(weights(size), seed + 1), random_values<T>(count, seed + 2),
                           false);
           }});
    }
  }
  return all;
}

std::vector<Case> value_gradients() {
  std::vector<Case> all;
  for (const bool shared : {true, false}) {
    const NeuNormSize size{4, 2, 3, 5, shared};
    const NeuNormParams params{0.7, neunorm_coefficient(NeuNormScale::kLiteral, 0.7, 5)};
    const auto spikes = random_values<double>(120, 1), u = random_values<double>(weights(size), 2),
               grad = random_values<double>(120, 3);
    all.push_back(
        {describe(size), [=](Run& run) { run_values<double>(run, size, params, spikes, u, grad, true); },
         [=]() -> Outputs {
           auto at_spikes = spikes, at_u = u;
           const auto loss = [&] {
             std::vector<double> x(24), output(120);
             reference::neunorm_forward(size, params, at_spikes.data(), at_u.data(), x.data(), output.data());
             double sum = 0.0;
             for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * grad[i];
             return sum;
           };
           // The output is bilinear in spikes and u: no truncation error.
           return {{"grad_spikes", slopes(loss, at_spikes, 1e-4), {}},
                   {"grad_u", slopes(loss, at_u, 1e-4), {}}};
         }});
  }
  return all;
}

const PackedImages kImages[] = {{1, 1, 1, 1, 1, 1},    {3, 2, 3, 5, 3, 1},   {3, 2, 4, 6, 16, 2},
                                {2, 1, 5, 7, 24, 2},   {4, 0, 4, 4, 8, 2},   {0, 2, 4, 4, 8, 2},
                                {3, 2, 5, 5, 33, 2},   {2, 1, 7, 5, 96, 2},  {3, 2, 2, 2, 128, 1},
                                {2, 2, 4, 3, 1024, 2}, {2, 1, 3, 3, 512, 1}, {9, 40, 2, 2, 64, 2}};

struct PackedProblem {
  PackedImages images;
  bool shared, behind;
  NeuNormSize size() const {
    const std::int64_t positions =
        behind ? images.pooled_height() * images.pooled_width() : images.height * images.width;
    return {images.num_steps, images.batch, positions, images.channels, shared};
  }
  NeuNormParams params() const {
    return {0.8, neunorm_coefficient(NeuNormScale::kMean, 0.8, images.channels)};
  }
  PoolSize pool() const {
    return {images.num_steps * images.batch, images.height, images.width, images.channels, images.pool};
  }
};

std::vector<double> doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// x in float; gradients in double, so that the reference has no rounding of its own: pooling first where it
// stands behind NeuNorm. dx comes from the gradient of the spikes, which is what the reference writes.
template <class T>
void run_packed(Run& run, const PackedProblem& p) {
  const PackedImages& images = p.images;
  const NeuNormSize size = p.size();
  const auto fired = random_spikes<float>(images.num_steps * images.neurons(), 1);
  const auto u = random_values<float>(weights(size), 2);
  const auto gradient = values_of<T>(random_values<float>(images.num_steps * images.pooled_neurons(), 3));
  const std::int64_t maps = size.num_steps * size.batch * size.positions;
  auto& x = run.output<float>(maps);
  if (run.on(Backend::kQueue)) {
    auto &dx = run.output<float>(maps), &grad_u = run.output<float>(weights(size));
    cuda::neunorm_scan(run.queue(), images, p.params(), p.behind,
                       run.input(test::packed(images.num_steps, images.neurons(), fired)), x.data());
    void* const workspace = run.workspace(cuda::neunorm_backward_workspace(images, p.shared, p.behind));
    cuda::neunorm_backward(run.queue(), images, p.params(), {run.input(u), p.shared, p.behind},
                           run.input(gradient), x.data(), dx.data(), grad_u.data(), workspace);
    const double of_g = largest(floats_of(gradient));  // of what the pooling spreads, at most
    const double pooled = p.behind ? 1.0 : static_cast<double>(images.pool * images.pool);
    const double sums = of_g / pooled * (1 + largest(u)) * static_cast<double>(images.channels);
    const double terms = static_cast<double>(size.num_steps * size.batch) *
                         (p.shared ? static_cast<double>(images.channels) : 1.0);
    run.gives("x", x);
    run.gives("dx", dx, {1e-5 * sums + 1e-12});
    run.gives("grad_u", grad_u, {1e-6 * terms * of_g / pooled * (1 + largest(x.values())) + 1e-12});
    return;
  }
  std::vector<float> read = fired;
  if (p.behind) {
    read.resize(static_cast<std::size_t>(images.num_steps * images.pooled_neurons()));
    reference::avg_pool_forward(p.pool(), fired.data(), read.data());
  }
  std::vector<float> output(read.size());
  reference::neunorm_forward(size, p.params(), read.data(), u.data(), x.data(), output.data());
  std::vector<double> g = doubles(floats_of(gradient));
  if (!p.behind) {
    const std::vector<double> pooled = g;
    g.resize(fired.size());
    reference::avg_pool_backward(p.pool(), pooled.data(), g.data());
  }
  const std::vector<double> wide_u = doubles(u), wide_x = doubles(x.values());
  std::vector<double> grad_spikes(g.size()), grad_u(u.size()), dx(wide_x.size());
  reference::neunorm_backward(size, p.params(), g.data(), wide_u.data(), wide_x.data(), grad_spikes.data(),
                              grad_u.data());
  for (std::size_t i = 0; i < dx.size(); ++i) {
    const std::size_t at = i * static_cast<std::size_t>(images.channels);
    dx[i] = (grad_spikes[at] - g[at]) / p.params().coefficient;
  }
  run.gives("x", x);
  run.gives("dx", dx);
  run.gives("grad_u", grad_u);
}

template <class T>
std::vector<Case> packed_cases() {
  std::vector<Case> all;
  for (const PackedImages& images : kImages) {
    for (const bool shared : {true, false}) {
      for (const bool behind : {false, true}) {
        const PackedProblem p{images, shared, behind};
        all.push_back(
            {describe(p.size()) + " pool " + std::to_string(images.pool) + (behind ? " behind" : ""),
             [p](Run& run) { run_packed<T>(run, p); }});
      }
    }
  }
  return all;
}

}  // namespace
}  // namespace of_neunorm

std::vector<Kernel> neunorm_kernels() {
  using namespace of_neunorm;
  const char *packed = "queues read packed spikes", *values = "the CPU unpacks first",
             *matched = "match has it, of the reference in double";
  return {
      {"neunorm float", {Backend::kCpu}, packed, value_cases<float>, {}, "that of double is the same source"},
      {"neunorm double", {Backend::kCpu}, packed, value_cases<double>, value_gradients},
      {"neunorm of packed spikes float", {Backend::kQueue}, values, packed_cases<float>, {}, matched},
      {"neunorm of packed spikes bfloat16", {Backend::kQueue}, values, packed_cases<BFloat16>, {}, matched}};
}

}  // namespace spikeloom::kernels::harness
