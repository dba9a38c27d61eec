// Max pooling of packed spikes and of values.
#include "spikeloom/kernels/cpu/max_pool.h"
#include "spikeloom/kernels/cuda/max_pool.h"
#include "spikeloom/kernels/reference/max_pool.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_max_pool {
namespace {

using test::random_spikes;
using test::values_of;

struct Size {
  std::int64_t steps, batch, height, width, channels, factor;
  PackedImages images() const { return {steps, batch, height, width, channels, 1}; }
  PoolSize pool() const { return {steps * batch, height, width, channels, factor}; }
};

const Size kSizes[] = {{1, 1, 1, 1, 1, 1},    {1, 1, 1, 1, 3, 2},   {3, 2, 4, 6, 16, 2},
                       {2, 3, 5, 7, 19, 2},   {4, 1, 9, 8, 33, 3},  {1, 2, 8, 8, 64, 2},
                       {2, 2, 6, 5, 131, 2},  {2, 2, 6, 5, 130, 2}, {0, 2, 4, 4, 8, 2},
                       {2, 0, 4, 4, 8, 2},    {2, 2, 4, 4, 0, 2},   {3, 2, 17, 16, 67, 4},
                       {3, 2, 17, 16, 40, 4}, {2, 1, 3, 9, 5, 1},   {2, 5, 13, 12, 24, 2}};

std::string describe(const Size& size) {
  return "T " + std::to_string(size.steps) + " N " + std::to_string(size.batch) + " " +
         std::to_string(size.height) + "x" + std::to_string(size.width) + "x" +
         std::to_string(size.channels) + " by " + std::to_string(size.factor);
}

template <class T>
void pool_spikes(Run& run, const Size& size, const std::vector<float>& fired) {
  const PackedImages images = size.images(), out = max_pooled(images, size.factor);
  const auto* spikes = run.input(test::packed(size.steps, images.neurons(), fired), true);
  const T* gradient = run.input(values_of<T>(random_values<float>(size.steps * out.neurons(), 2)));
  auto& pooled = run.output<std::uint8_t>(size.steps * packed_bytes(out.neurons()), true);
  auto& grad_spikes = run.output<T>(size.steps * images.neurons());
  if (run.on(Backend::kReference)) {
    reference::max_pool_spikes(images, size.factor, spikes, pooled.data());
    reference::max_pool_spikes_backward(images, size.factor, gradient, spikes, grad_spikes.data());
  } else if (run.on(Backend::kCpu)) {
    cpu::max_pool_spikes(images, size.factor, spikes, pooled.data());
    cpu::max_pool_spikes_backward(images, size.factor, gradient, spikes, grad_spikes.data());
  } else {
    cuda::max_pool_spikes(run.queue(), images, size.factor, spikes, pooled.data());
    cuda::max_pool_spikes_backward(run.queue(), images, size.factor, gradient, spikes, grad_spikes.data());
  }
  run.gives("pooled", pooled);
  run.gives("grad_spikes", grad_spikes);
}

template <class T>
std::vector<Case> spike_cases() {
  std::vector<Case> all;
  for (const Size& size : kSizes) {
    for (const double rate : {0.05, 0.4}) {
      all.push_back({describe(size) + " rate " + std::to_string(rate), [size, rate](Run& run) {
                       pool_spikes<T>(run, size,
                                      random_spikes<float>(size.steps * size.images().neurons(), 1, rate));
                     }});
    }
  }
  return all;
}

// What the pooling of values gives for spikes as values: it is the definition, and has a derivative.
std::vector<Case> spikes_are_values() {
  std::vector<Case> all;
  for (const Size& size : kSizes) {
    const PackedImages images = size.images(), out = max_pooled(images, size.factor);
    const auto values = [=] { return random_spikes<float>(size.steps * images.neurons(), 1, 0.2); };
    all.push_back({describe(size), [=](Run& run) { pool_spikes<float>(run, size, values()); },
                   [=]() -> Outputs {
                     const auto in = values(), gradient = random_values<float>(size.steps * out.neurons(), 2);
                     std::vector<float> pooled(gradient.size()), grad(in.size());
                     reference::max_pool_forward(size.pool(), in.data(), pooled.data());
                     reference::max_pool_backward(size.pool(), gradient.data(), in.data(), grad.data());
                     const auto bits = test::packed(size.steps, out.neurons(), pooled);
                     return {{"pooled", {bits.begin(), bits.end()}, {}},
                             {"grad_spikes", {grad.begin(), grad.end()}, {}}};
                   }});
  }
  return all;
}

template <class T>
void pool_values(Run& run, const PoolSize& size, const std::vector<float>& floats, unsigned seed,
                 const Tolerance& tolerance = {}) {
  const std::int64_t pooled = size.images * size.output_height() * size.output_width() * size.channels;
  const T* input = run.input(values_of<T>(floats));
  const T* gradient = run.input(values_of<T>(random_values<float>(pooled, seed)));
  auto &output = run.output<T>(pooled), &grad = run.output<T>(static_cast<std::int64_t>(floats.size()));
  if (run.on(Backend::kReference)) {
    reference::max_pool_forward(size, input, output.data());
    reference::max_pool_backward(size, gradient, input, grad.data());
  } else if (run.on(Backend::kCpu)) {
    cpu::max_pool_forward(size, input, output.data());
    cpu::max_pool_backward(size, gradient, input, grad.data());
  } else {
    cuda::max_pool_forward(run.queue(), size, input, output.data());
    cuda::max_pool_backward(run.queue(), size, gradient, input, grad.data());
  }
  run.gives("output", output);
  run.gives("grad_input", grad, tolerance);
}

template <class T>
std::vector<Case> value_cases() {
  std::vector<Case> all;
  for (const Size& size : kSizes) {
    all.push_back({describe(size), [size](Run& run) {
                     auto floats = random_values<float>(size.steps * size.images().neurons(), 3);
                     for (std::size_t i = 0; i < floats.size(); ++i) {
                       if (i % 3 == 0)
                         floats[i] = std::max(floats[i], 0.0f);  // as behind a ReLU: equal maxima
                       if (i % 41 == 40) floats[i] = std::numeric_limits<float>::max() / 2;
                     }
                     pool_values<T>(run, size.pool(), floats, 4);
                   }});
  }
  return all;
}

std::vector<Case> value_gradients() {
  const PoolSize size{2, 5, 7, 3, 2};
  const auto values = [=] {
    std::mt19937 generator(1);
    std::vector<float> all(2 * 5 * 7 * 3);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = 0.25f * static_cast<float>(i);  // no two are close
    std::shuffle(all.begin(), all.end(), generator);
    return all;
  };
  return {{"", [=](Run& run) { pool_values<float>(run, size, values(), 2, {1e-8}); },
           [=]() -> Outputs {
             const auto floats = values();
             std::vector<double> at(floats.begin(), floats.end()), output(2 * 2 * 3 * 3);
             const auto weights = random_values<float>(2 * 2 * 3 * 3, 2);
             const auto loss = [&] {
               reference::max_pool_forward(size, at.data(), output.data());
               double sum = 0.0;
               for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * widen(weights[i]);
               return sum;
             };
             loss();
             return {{"output", output, {}}, {"grad_input", slopes(loss, at, 1e-2), {}}};
           }}};
}

}  // namespace
}  // namespace of_max_pool

std::vector<Kernel> max_pool_kernels() {
  using namespace of_max_pool;
  const std::vector<Backend::Kind> everywhere{Backend::kCpu, Backend::kQueue};
  return {
      {"max pooling of spikes float", everywhere, "", spike_cases<float>, spikes_are_values},
      {"max pooling of spikes bfloat16", everywhere, "", spike_cases<BFloat16>, {}, "that of float, copied"},
      {"max pooling float", everywhere, "", value_cases<float>, value_gradients},
      {"max pooling bfloat16", everywhere, "", value_cases<BFloat16>, {}, "that of float, copied"}};
}

}  // namespace spikeloom::kernels::harness
