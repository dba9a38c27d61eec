// The event-driven layer at sizes of the paper's networks, by firing rate in percent. `dense_flops` is what a
// dense convolution of the same result would do a second: to be compared with its rate on the same machine.
#include <benchmark/benchmark.h>

#include <vector>

#include "spikeloom/base/random.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/window_gradient.h"

namespace {

namespace kernels = spikeloom::kernels;
using kernels::BFloat16;
using kernels::EventLayer;

// 3x3 convolutions on T * N = 64 images: channels, filters, side and pooling of the spikes that come in.
struct Shape {
  const char* name;
  std::int64_t channels, filters, side, pool;
};
constexpr Shape kShapes[] = {
    {"CIFARNet conv2, 128 to 256 at 32x32", 128, 256, 32, 1},
    {"CIFARNet conv3, 256 to 512 at 32x32 pooled", 256, 512, 32, 2},
    {"CIFARNet conv4, 512 to 1024 at 16x16 pooled", 512, 1024, 16, 2},
    {"CIFARNet conv5, 1024 to 512 at 8x8", 1024, 512, 8, 1},
    {"neuromorphic L conv4, 384 to 384 at 17x17", 384, 384, 17, 1},
};

struct Problem {
  EventLayer layer;
  std::vector<std::uint8_t> spikes;
  kernels::AlignedVector<float> weights;

  Problem(const Shape& shape, double rate) {
    layer.images = {8, 8, shape.side, shape.side, shape.channels, shape.pool};
    layer.kernel = 3;
    layer.padding = 1;
    layer.filters = shape.filters;
    spikeloom::RandomStream stream(1, spikeloom::RandomPurpose::kBench);
    const std::int64_t bytes = kernels::packed_bytes(layer.images.neurons());
    spikes.assign(static_cast<std::size_t>(layer.images.num_steps * bytes), 0);
    for (std::int64_t t = 0; t < layer.images.num_steps; ++t) {
      for (std::int64_t i = 0; i < layer.images.neurons(); ++i) {
        kernels::set_bit(spikes.data() + t * bytes, i, stream.uniform() < static_cast<float>(rate));
      }
    }
    weights.resize(static_cast<std::size_t>(layer.weight_rows() * layer.filters));
    for (float& weight : weights) weight = stream.uniform() - 0.5f;
  }

  std::size_t outputs() const { return static_cast<std::size_t>(layer.output_pixels() * layer.filters); }

  void report(benchmark::State& state, const Shape& shape) const {
    const auto operations =
        2.0 * static_cast<double>(layer.output_pixels() * layer.weight_rows() * layer.filters);
    state.counters["dense_flops"] = benchmark::Counter(
        operations, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
    state.SetLabel(shape.name);
  }
};

void forward(benchmark::State& state) {
  const Shape& shape = kShapes[state.range(0)];
  const Problem problem(shape, 0.01 * static_cast<double>(state.range(1)));
  const auto fixed = kernels::cpu::fixed_point_weights(problem.layer, problem.weights.data(),
                                                       kernels::row_strides(problem.layer));
  kernels::AlignedVector<BFloat16> output(problem.outputs());
  for (auto _ : state) {
    kernels::cpu::event_forward(problem.layer, problem.spikes.data(), fixed, nullptr, output.data());
    benchmark::ClobberMemory();
  }
  problem.report(state, shape);
}

template <class G>
void weight_gradient(benchmark::State& state) {
  const Shape& shape = kShapes[state.range(0)];
  const Problem problem(shape, 0.01 * static_cast<double>(state.range(1)));
  kernels::AlignedVector<G> gradient(problem.outputs());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] = kernels::from_float<G>(static_cast<float>((i * 2654435761u) % 1000u) * 2e-3f - 1.0f);
  }
  kernels::AlignedVector<float> weights(problem.weights.size());
  for (auto _ : state) {
    kernels::cpu::event_weight_gradient(problem.layer, problem.spikes.data(), gradient.data(), weights.data(),
                                        kernels::row_strides(problem.layer));
    benchmark::ClobberMemory();
  }
  problem.report(state, shape);
}

// The rate is that of open windows.
void window_gradient(benchmark::State& state) {
  const Shape& shape = kShapes[state.range(0)];
  const Problem problem(shape, 0.01 * static_cast<double>(state.range(1)));
  if (!kernels::cpu::can_skip_closed_windows(problem.layer))
    return state.SkipWithError("not for this layer or processor");
  kernels::AlignedVector<BFloat16> gradient(problem.outputs()), weights;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] = kernels::from_float<BFloat16>(static_cast<float>((i * 2654435761u) % 1000u) * 2e-3f - 1.0f);
  }
  for (const float weight : problem.weights) weights.push_back(kernels::from_float<BFloat16>(weight));
  kernels::AlignedVector<BFloat16> result(
      static_cast<std::size_t>(problem.layer.images.num_steps * problem.layer.images.neurons()));
  // As a convolution's weights lie in channels-last memory.
  const kernels::WeightStrides strides{problem.layer.weight_rows(), shape.channels, 1};
  for (auto _ : state) {
    kernels::cpu::window_gradient(problem.layer, problem.spikes.data(), gradient.data(), weights.data(),
                                  strides, result.data());
    benchmark::ClobberMemory();
  }
  problem.report(state, shape);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgsProduct({{0, 1, 2, 3, 4}, {5, 10, 20, 30}})
      ->ArgNames({"layer", "rate"})
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

BENCHMARK(forward)->Apply(sizes);
BENCHMARK(weight_gradient<BFloat16>)->Apply(sizes);
BENCHMARK(weight_gradient<float>)->Apply(sizes);
BENCHMARK(window_gradient)->Apply(sizes);

}  // namespace
