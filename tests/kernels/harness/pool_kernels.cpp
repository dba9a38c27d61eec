// Average pooling of values.
#include "spikeloom/kernels/cpu/avg_pool.h"
#include "spikeloom/kernels/cuda/value_pool.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_pool {
namespace {

std::int64_t inputs(const PoolSize& size) { return size.images * size.height * size.width * size.channels; }
std::int64_t outputs(const PoolSize& size) {
  return size.images * size.output_height() * size.output_width() * size.channels;
}

template <class T>
void forward(const Run& run, const PoolSize& size, const T* input, T* output) {
  if (run.on(Backend::kReference)) return reference::avg_pool_forward(size, input, output);
  if (run.on(Backend::kCpu)) return cpu::avg_pool_forward(size, input, output);
  if constexpr (sizeof(T) == 4) cuda::value_pool_forward(run.queue(), size, input, output);
}

template <class T>
void backward(const Run& run, const PoolSize& size, const T* grad_output, T* grad_input) {
  if (run.on(Backend::kReference)) return reference::avg_pool_backward(size, grad_output, grad_input);
  if (run.on(Backend::kCpu)) return cpu::avg_pool_backward(size, grad_output, grad_input);
  if constexpr (sizeof(T) == 4) cuda::value_pool_backward(run.queue(), size, grad_output, grad_input);
}

const PoolSize kSizes[] = {{0, 4, 4, 3, 2},  {2, 0, 4, 3, 2},    {2, 4, 4, 0, 2},   {1, 1, 1, 1, 1},
                           {1, 1, 1, 1, 2},  {1, 1, 1, 5, 1},    {2, 4, 6, 16, 2},  {3, 5, 7, 19, 2},
                           {2, 5, 7, 24, 2}, {2, 8, 7, 33, 3},   {2, 7, 9, 8, 3},   {2, 9, 8, 3, 4},
                           {3, 1, 5, 8, 2},  {2, 32, 32, 64, 2}, {9, 16, 17, 67, 2}};

template <class T>
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const PoolSize& size : kSizes) {
    all.push_back({std::to_string(size.images) + " images of " + std::to_string(size.height) + "x" +
                       std::to_string(size.width) + "x" + std::to_string(size.channels) + " by " +
                       std::to_string(size.kernel),
                   [size](Run& run) {
                     auto &output = run.output<T>(outputs(size)), &grad_input = run.output<T>(inputs(size));
                     forward(run, size, run.input(random_values<T>(inputs(size), 1)), output.data());
                     backward(run, size, run.input(random_values<T>(outputs(size), 2)), grad_input.data());
                     run.gives("output", output);
                     run.gives("grad_input", grad_input);
                   }});
  }
  return all;
}

// The map is linear: differences have no error but rounding.
template <class T>
std::vector<Case> gradients() {
  std::vector<Case> all;
  for (const PoolSize& size : {PoolSize{2, 5, 7, 3, 2}, PoolSize{1, 7, 6, 8, 3}}) {
    all.push_back({"by " + std::to_string(size.kernel),
                   [size](Run& run) {
                     auto& grad_input = run.output<T>(inputs(size));
                     backward(run, size, run.input(random_values<T>(outputs(size), 4)), grad_input.data());
                     run.gives("grad_input", grad_input, {sizeof(T) == 4 ? 1e-6 : 1e-11});
                   },
                   [size]() -> Outputs {
                     auto at = random_values<double>(inputs(size), 3);
                     const auto weights = random_values<T>(outputs(size), 4);
                     std::vector<double> output(weights.size());
                     const auto loss = [&] {
                       reference::avg_pool_forward(size, at.data(), output.data());
                       double sum = 0.0;
                       for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * widen(weights[i]);
                       return sum;
                     };
                     return {{"grad_input", slopes(loss, at, 1e-1), {}}};
                   }});
  }
  return all;
}

}  // namespace
}  // namespace of_pool

std::vector<Kernel> pool_kernels() {
  using namespace of_pool;
  return {
      {"average pooling float", {Backend::kCpu, Backend::kQueue}, "", cases<float>, gradients<float>},
      {"average pooling double", {Backend::kCpu}, "queues have no double", cases<double>, gradients<double>}};
}

}  // namespace spikeloom::kernels::harness
