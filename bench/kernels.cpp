// Memory bandwidth of the CPU kernels at sizes of the paper's networks, against a plain copy. Every kernel
// reads and writes each value once, so GB/s of values touched (no cache line counted twice) says how far it
// is from the memory.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/aligned_vector.h"
#include "spikeloom/kernels/cpu/avg_pool.h"
#include "spikeloom/kernels/cpu/dropout.h"
#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/cpu/neunorm.h"
#include "spikeloom/kernels/cpu/simd_level.h"

namespace {

namespace kernels = spikeloom::kernels;

// CIFARNet's first layer, 128 maps of 32x32, at T = 8 and batch 16: 64 MiB an array.
constexpr std::int64_t kSteps = 8;
constexpr std::int64_t kBatch = 16;
constexpr std::int64_t kSide = 32;
constexpr std::int64_t kChannels = 128;
constexpr std::int64_t kNeurons = kBatch * kSide * kSide * kChannels;

// Aligned as LibTorch aligns its tensors.
using Array = kernels::AlignedVector<float>;

Array array(std::int64_t size) {
  Array values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((i * 2654435761u) % 1000u) * 2e-3f - 0.5f;
  }
  return values;
}

Array spikes(std::int64_t size) {
  Array values = array(size);
  for (float& value : values) value = value > 0.9f ? 1.0f : 0.0f;
  return values;
}

void report(benchmark::State& state, std::int64_t values) {
  state.SetBytesProcessed(state.iterations() * values * static_cast<std::int64_t>(sizeof(float)));
  state.SetLabel(std::string(kernels::cpu::simd_level()) + ", " + std::to_string(spikeloom::num_threads()) +
                 " threads");
}

void copy(benchmark::State& state) {
  const Array from = array(kSteps * kNeurons);
  Array to(from.size());
  const int threads = spikeloom::num_threads();
  for (auto _ : state) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int thread = 0; thread < threads; ++thread) {
      const std::size_t begin =
          from.size() * static_cast<std::size_t>(thread) / static_cast<std::size_t>(threads);
      const std::size_t end =
          from.size() * static_cast<std::size_t>(thread + 1) / static_cast<std::size_t>(threads);
      std::memcpy(to.data() + begin, from.data() + begin, (end - begin) * sizeof(float));
    }
    benchmark::ClobberMemory();
  }
  report(state, 2 * kSteps * kNeurons);
}

void lif_forward(benchmark::State& state) {
  const bool keep = state.range(0) != 0;
  const kernels::LifSize size{kSteps, kNeurons, false};
  const Array input = array(kSteps * kNeurons);
  Array v_pre(input.size()), out(input.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        kernels::cpu::lif_forward<float>(size, {}, input.data(), keep ? v_pre.data() : nullptr, out.data()));
  }
  report(state, (keep ? 3 : 2) * kSteps * kNeurons);
}

void lif_backward(benchmark::State& state) {
  const kernels::LifSize size{kSteps, kNeurons, false};
  kernels::NeuronParams params;
  params.surrogate = static_cast<kernels::Surrogate>(state.range(0));
  const Array grad = array(kSteps * kNeurons);
  const Array v_pre = array(kSteps * kNeurons);
  const Array fired = spikes(kSteps * kNeurons);
  Array out(grad.size());
  kernels::LifParameterGradients gradients;
  for (auto _ : state) {
    kernels::cpu::lif_backward<float>(size, params, grad.data(), v_pre.data(), fired.data(), out.data(),
                                      state.range(1) != 0 ? &gradients : nullptr);
    benchmark::ClobberMemory();
  }
  report(state, 4 * kSteps * kNeurons);
}

void neunorm(benchmark::State& state) {
  const bool backward = state.range(0) != 0;
  const kernels::NeuNormSize size{kSteps, kBatch, kSide * kSide, kChannels, state.range(1) != 0};
  const kernels::NeuNormParams params{0.8, 0.2 / kChannels};
  const Array in = spikes(kSteps * kNeurons);
  const Array u = array(size.positions * size.channels);
  Array x(static_cast<std::size_t>(kSteps * kBatch * size.positions)), grad_u(u.size()), out(in.size());
  for (auto _ : state) {
    if (backward) {
      kernels::cpu::neunorm_backward<float>(size, params, in.data(), u.data(), x.data(), out.data(),
                                            grad_u.data());
    } else {
      kernels::cpu::neunorm_forward<float>(size, params, in.data(), u.data(), x.data(), out.data());
    }
    benchmark::ClobberMemory();
  }
  report(state, 2 * kSteps * kNeurons);
}

void avg_pool(benchmark::State& state) {
  const kernels::PoolSize size{kSteps * kBatch, kSide, kSide, kChannels, 2};
  const Array in = spikes(kSteps * kNeurons);
  Array large(in.size()), small(in.size() / 4);
  for (auto _ : state) {
    if (state.range(0) != 0) {
      kernels::cpu::avg_pool_backward<float>(size, small.data(), large.data());
    } else {
      kernels::cpu::avg_pool_forward<float>(size, in.data(), small.data());
    }
    benchmark::ClobberMemory();
  }
  report(state, 5 * kSteps * kNeurons / 4);
}

void dropout(benchmark::State& state) {
  const kernels::DropoutSize size{kSteps, kNeurons, state.range(0) != 0};
  const Array in = spikes(kSteps * kNeurons);
  Array out(in.size());
  for (auto _ : state) {
    kernels::cpu::dropout_apply<float>(size, 0.5, {1, 2}, in.data(), out.data());
    benchmark::ClobberMemory();
  }
  report(state, 2 * kSteps * kNeurons);
}

BENCHMARK(copy)->UseRealTime();
BENCHMARK(lif_forward)->ArgName("keep")->Arg(1)->Arg(0)->UseRealTime();
BENCHMARK(lif_backward)->ArgNames({"surrogate", "sums"})->ArgsProduct({{0, 1, 2, 3}, {0, 1}})->UseRealTime();
BENCHMARK(neunorm)->ArgNames({"backward", "shared"})->ArgsProduct({{0, 1}, {0, 1}})->UseRealTime();
BENCHMARK(avg_pool)->ArgName("backward")->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK(dropout)->ArgName("same_mask")->Arg(0)->Arg(1)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
