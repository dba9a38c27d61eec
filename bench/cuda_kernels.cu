// How close the CUDA kernels come to the memory's bandwidth, at the layers of CIFARNet: the bytes that each
// must move (every input read once, every output written once) over the median time, beside a
// device-to-device copy.
//   bench_cuda_kernels [--batch N] [--steps T] [--repeats R] [--json FILE]
#include <cstdio>
#ifndef __CUDACC__
int main() {
  std::fprintf(stderr, "bench_cuda_kernels: this build has no CUDA; configure with SPIKELOOM_CUDA=ON\n");
  return 2;
}
#else
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "spikeloom/kernels/cuda/augment_images.h"
#include "spikeloom/kernels/cuda/bias_gradient.h"
#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/cuda/gradient_norm.h"
#include "spikeloom/kernels/cuda/launch.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/kernels/cuda/optimizer.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/cuda/voting.h"

namespace {

using namespace spikeloom::kernels;
using cuda::Queue;

constexpr std::int64_t kCopyBytes = std::int64_t{1} << 30;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

/// Device memory.
template <class T>
class Memory {
 public:
  explicit Memory(std::int64_t count) : count_(count) {
    check(cudaMalloc(&data_, static_cast<std::size_t>(std::max<std::int64_t>(count, 1)) * sizeof(T)),
          "cudaMalloc");
  }
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  T* data() { return static_cast<T*>(data_); }
  std::int64_t count() const { return count_; }

 private:
  std::int64_t count_;
  void* data_ = nullptr;
};

/// Uniform numbers in [low, high): never zeros, on which memory and arithmetic are faster than on data.
template <class T>
struct FillUniform {
  T* values;
  float low, high;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t i) const {
    std::uint32_t x = static_cast<std::uint32_t>(i) * 2654435761u + 12345u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    if constexpr (sizeof(T) == 1) {
      values[i] = static_cast<T>(x);
    } else {
      values[i] = from_float<T>(low + (high - low) * (static_cast<float>(x >> 8) * (1.0f / 16777216.0f)));
    }
  }
};
template <class T>
void fill(Memory<T>& memory, float low, float high) {
  cuda::for_each({true, nullptr}, "fill", memory.count(), FillUniform<T>{memory.data(), low, high});
}

struct Row {
  std::string kernel, size;
  double bytes = 0.0, median_us = 0.0, slowest_us = 0.0;
  double gigabytes_per_s() const { return bytes / median_us * 1e-3; }
};

class Bench {
 public:
  explicit Bench(int repeats) : repeats_(repeats), from_(kCopyBytes), to_(kCopyBytes) {
    check(cudaStreamCreate(&stream_), "cudaStreamCreate");
    check(cudaEventCreate(&start_), "cudaEventCreate");
    check(cudaEventCreate(&stop_), "cudaEventCreate");
    fill(from_, 0.0f, 1.0f);
  }
  Queue queue() const { return {true, stream_}; }

  /// Times `run`, and the copy before and after it, so that both see the same clocks.
  void measure(const std::string& kernel, const std::string& size, double bytes,
               const std::function<void()>& run) {
    copy_.push_back(time_copy());
    rows_.push_back(time(kernel, size, bytes, run));
    std::fprintf(stderr, "\r%zu kernels", rows_.size());
  }
  double copy_gigabytes_per_s() const {
    std::vector<double> sorted = copy_;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  double time_copy() {
    return time("copy", "", 2.0 * static_cast<double>(kCopyBytes),
                [&] {
                  check(cudaMemcpyAsync(to_.data(), from_.data(), static_cast<std::size_t>(kCopyBytes),
                                        cudaMemcpyDeviceToDevice, stream_),
                        "cudaMemcpyAsync");
                })
        .gigabytes_per_s();
  }
  Row time(const std::string& kernel, const std::string& size, double bytes,
           const std::function<void()>& run) {
    for (int i = 0; i < 3; ++i) run();
    std::vector<double> times;
    for (int i = 0; i < repeats_; ++i) {
      check(cudaEventRecord(start_, stream_), "cudaEventRecord");
      run();
      check(cudaEventRecord(stop_, stream_), "cudaEventRecord");
      check(cudaEventSynchronize(stop_), kernel.c_str());
      float ms = 0.0f;
      check(cudaEventElapsedTime(&ms, start_, stop_), "cudaEventElapsedTime");
      times.push_back(1e3 * static_cast<double>(ms));
    }
    std::sort(times.begin(), times.end());
    return {kernel, size, bytes, times[times.size() / 2], times.back()};
  }

  int repeats_;
  Memory<std::uint8_t> from_, to_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr, stop_ = nullptr;
  std::vector<double> copy_;
  std::vector<Row> rows_;
};

std::string name_of(const PackedImages& images, bool is_static) {
  return std::to_string(images.height) + "x" + std::to_string(images.width) + "x" +
         std::to_string(images.channels) + (images.pool > 1 ? " /" + std::to_string(images.pool) : "") +
         (is_static ? " static" : "");
}

/// LIF, layer input, dropout, NeuNorm and bias gradient of one layer in BFloat16.
void measure_layer(Bench& bench, const PackedImages& images, bool is_static) {
  const std::int64_t steps = images.num_steps, neurons = images.neurons(), pooled = images.pooled_neurons();
  const std::int64_t rows = is_static ? 1 : steps, positions = images.height * images.width;
  const LifSize size{steps, neurons, is_static};
  const std::string name = name_of(images, is_static);
  Memory<BFloat16> current(rows * neurons), grad_current(rows * neurons), values(steps * pooled),
      gradient(steps * pooled);
  Memory<std::uint8_t> spikes(steps * packed_bytes(neurons)), state(steps * neurons);
  Memory<float> bias(images.channels), bias_gradient(images.channels), x(steps * images.batch * positions),
      dx(steps * images.batch * positions), u(positions), grad_u(positions);
  Memory<std::uint8_t> bias_workspace(
      cuda::bias_gradient_workspace(rows * images.batch * positions, images.channels)),
      neunorm_workspace(cuda::neunorm_backward_workspace(images, true, false));
  Memory<unsigned long long> count(1);
  Memory<std::uint64_t> iteration(1);
  check(cudaMemset(count.data(), 0, sizeof(unsigned long long)), "cudaMemset");
  check(cudaMemset(iteration.data(), 0, sizeof(std::uint64_t)), "cudaMemset");
  fill(current, -0.6f, 1.2f);
  fill(gradient, -1.0f, 1.0f);
  fill(bias, -0.1f, 0.1f);
  fill(u, -0.1f, 0.1f);
  const Queue queue = bench.queue();
  const auto all = static_cast<double>(steps * neurons), read = static_cast<double>(rows * neurons) * 2.0;
  const double bits = all / 8.0, out = static_cast<double>(steps * pooled) * 2.0;
  const double maps = static_cast<double>(steps * images.batch * positions) * 4.0;

  const auto forward = [&](const char* kernel, const NeuronParams& params, double bytes, bool keep,
                           BFloat16* averages) {
    bench.measure(kernel, name, bytes, [&] {
      cuda::compact_lif_forward<BFloat16>(
          queue, size, params, images, current.data(), bias.data(),
          {spikes.data(), keep ? state.data() : nullptr, averages, count.data()});
    });
  };
  NeuronParams detached;
  detached.detach_reset = true;
  forward("lif forward, inference", {}, read + bits, false, nullptr);
  forward("lif forward, window bits", detached, read + 2.0 * bits, true, nullptr);
  const auto backward = [&](const char* kernel, const NeuronParams& params,
                            const cuda::NeuNormGradient& neunorm, double bytes) {
    bench.measure(kernel, name, bytes, [&] {
      cuda::compact_lif_backward(queue, size, params, images, gradient.data(), neunorm, spikes.data(),
                                 state.data(), grad_current.data());
    });
  };
  backward("lif backward, window bits", detached, {}, out + 2.0 * bits + read);
  forward("lif forward, codes", {}, read + bits + all, true, nullptr);
  forward("lif forward, codes, pooled", {}, read + bits + all + out, true, values.data());
  backward("lif backward, codes", {}, {}, out + bits + all + read);
  fill(dx, -1.0f, 1.0f);
  backward("lif backward, codes, NeuNorm", {}, {dx.data(), 0.01, false}, out + bits + all + read + maps);

  const NeuNormParams params{0.8, neunorm_coefficient(NeuNormScale::kMean, 0.8, images.channels)};
  bench.measure("neunorm scan", name, bits + maps,
                [&] { cuda::neunorm_scan(queue, images, params, false, spikes.data(), x.data()); });
  bench.measure("neunorm backward, shared u", name, out + 2.0 * maps, [&] {
    cuda::neunorm_backward(queue, images, params, {u.data(), true, false}, gradient.data(), x.data(),
                           dx.data(), grad_u.data(), neunorm_workspace.data());
  });
  cuda::DropoutDraw draw;
  draw.iteration = iteration.data();
  draw.key = 1;
  draw.rate = 0.5;
  const cuda::NeuNormInput neunorm{x.data(), u.data(), true, false};
  const auto input = [&](const char* kernel, const cuda::NeuNormInput* norm, const cuda::DropoutDraw* drop,
                         double bytes) {
    bench.measure(kernel, name, bytes,
                  [&] { cuda::layer_input(queue, images, spikes.data(), norm, drop, values.data()); });
  };
  input("layer input", nullptr, nullptr, bits + out);
  input("layer input, dropout", nullptr, &draw, bits + out);
  input("layer input, NeuNorm, dropout", &neunorm, &draw, bits + out + maps);
  bench.measure("dropout of a gradient", name, 2.0 * out, [&] {
    cuda::apply_dropout(queue, {steps, pooled}, draw, gradient.data(), values.data());
  });
  bench.measure("bias gradient", name, read, [&] {
    cuda::bias_gradient(queue, rows * images.batch * positions, images.channels, grad_current.data(),
                        bias_gradient.data(), bias_workspace.data());
  });
}

void measure_optimizers(Bench& bench, std::int64_t parameters) {
  Memory<float> weights(parameters), gradient(parameters), first(parameters), second(parameters), rate(1);
  Memory<BFloat16> copy(parameters);
  Memory<cuda::AdamCorrection> correction(1);
  Memory<std::uint64_t> step(1);
  Memory<double> sum(1);
  Memory<std::uint8_t> workspace(cuda::square_sum_workspace(parameters));
  fill(weights, -1.0f, 1.0f);
  fill(gradient, -1.0f, 1.0f);
  fill(first, -1.0f, 1.0f);
  fill(second, 0.1f, 1.0f);
  fill(rate, 1e-6f, 1e-6f);
  check(cudaMemset(step.data(), 0, sizeof(std::uint64_t)), "cudaMemset");
  const Queue queue = bench.queue();
  cuda::ParameterUpdate<float> update;
  update.count = parameters;
  update.weights = weights.data();
  update.gradient = gradient.data();
  update.weights_bf16 = copy.data();
  update.learning_rate = rate.data();
  const std::string name = std::to_string(parameters / 1000000) + " M parameters";
  const auto count = static_cast<double>(parameters);
  bench.measure("sgd step", name, 22.0 * count, [&] { cuda::sgd_step(queue, update, 0.9f, first.data()); });
  cuda::increment(queue, step.data());
  cuda::adam_correction(queue, {}, step.data(), correction.data());
  bench.measure("adam step", name, 30.0 * count,
                [&] { cuda::adam_step(queue, update, {}, correction.data(), first.data(), second.data()); });
  bench.measure("square sum", name, 4.0 * count,
                [&] { cuda::square_sum(queue, parameters, gradient.data(), sum.data(), workspace.data()); });
}

/// Too small to be bound by memory: the time says what they cost.
void measure_small(Bench& bench, std::int64_t steps, std::int64_t batch) {
  const VotingSize size{steps, batch, 100, 10};
  Memory<std::uint8_t> spikes(steps * packed_bytes(batch * size.population)),
      workspace(cuda::voting_loss_workspace(size));
  Memory<std::int32_t> class_of(size.population);
  Memory<std::int64_t> labels(batch);
  Memory<float> votes(batch * size.classes);
  Memory<BFloat16> gradient(steps * batch * size.population);
  check(cudaMemset(class_of.data(), 0, static_cast<std::size_t>(size.population) * sizeof(std::int32_t)),
        "cudaMemset");
  check(cudaMemset(labels.data(), 0, static_cast<std::size_t>(batch) * sizeof(std::int64_t)), "cudaMemset");
  fill(spikes, 0.0f, 1.0f);
  const Queue queue = bench.queue();
  bench.measure(
      "voting loss", "100 neurons", static_cast<double>(spikes.count() + 2 * gradient.count()), [&] {
        cuda::voting_loss<BFloat16>(queue, size, {}, class_of.data(), spikes.data(), labels.data(),
                                    {votes.data(), gradient.data(), nullptr, nullptr, nullptr, nullptr},
                                    workspace.data());
      });
  const cuda::ImageSize image{32, 32, 3};
  Memory<std::uint8_t> images(batch * 32 * 32 * 3);
  std::vector<cuda::ImageDraw> host_draws(static_cast<std::size_t>(batch));
  for (std::size_t n = 0; n < host_draws.size(); ++n) host_draws[n].image = static_cast<std::int64_t>(n);
  Memory<cuda::ImageDraw> draws(batch);
  check(cudaMemcpy(draws.data(), host_draws.data(), host_draws.size() * sizeof(cuda::ImageDraw),
                   cudaMemcpyHostToDevice),
        "cudaMemcpy");
  Memory<float> table(3 * 256);
  Memory<BFloat16> values(images.count());
  fill(images, 0.0f, 1.0f);
  fill(table, -1.0f, 1.0f);
  bench.measure("augment images", "32x32x3", 3.0 * static_cast<double>(images.count()), [&] {
    cuda::augment_images<BFloat16>(queue, image, batch, images.data(), draws.data(), table.data(), false,
                                   values.data(), nullptr);
  });
}

void write_json(const char* path, const Bench& bench, const cudaDeviceProp& device) {
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) throw std::runtime_error(std::string(path) + " cannot be written");
  std::fprintf(file, "{\"device\": \"%s\", \"copy_gb_per_s\": %.1f, \"kernels\": [", device.name,
               bench.copy_gigabytes_per_s());
  const char* separator = "\n";
  for (const Row& row : bench.rows()) {
    std::fprintf(file,
                 "%s  {\"kernel\": \"%s\", \"size\": \"%s\", \"bytes\": %.0f, \"median_us\": %.2f, "
                 "\"slowest_us\": %.2f, "
                 "\"gb_per_s\": %.1f}",
                 separator, row.kernel.c_str(), row.size.c_str(), row.bytes, row.median_us, row.slowest_us,
                 row.gigabytes_per_s());
    separator = ",\n";
  }
  std::fprintf(file, "\n]}\n");
  std::fclose(file);
}

void print(const Bench& bench) {
  std::printf("\r%-32s %-18s %9s %10s %10s %8s %7s\n", "kernel", "size", "MB", "median us", "slowest us",
              "GB/s", "of copy");
  const double copy = bench.copy_gigabytes_per_s();
  for (const Row& row : bench.rows()) {
    std::printf("%-32s %-18s %9.1f %10.1f %10.1f %8.0f %6.1f%%\n", row.kernel.c_str(), row.size.c_str(),
                row.bytes * 1e-6, row.median_us, row.slowest_us, row.gigabytes_per_s(),
                100.0 * row.gigabytes_per_s() / copy);
  }
}

void run(int argc, char** argv) {
  std::int64_t batch = 256, steps = 8;
  int repeats = 30;
  const char* json = nullptr;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--batch") batch = std::atoll(argv[i + 1]);
    if (option == "--steps") steps = std::atoll(argv[i + 1]);
    if (option == "--repeats") repeats = std::atoi(argv[i + 1]);
    if (option == "--json") json = argv[i + 1];
  }
  if (batch < 1 || steps < 1 || repeats < 1)
    throw std::runtime_error("batch, steps and repeats are 1 or more");
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  Bench bench(repeats);
  // 128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting: its convolution layers' spikes.
  measure_layer(bench, {steps, batch, 32, 32, 128, 1}, true);
  measure_layer(bench, {steps, batch, 32, 32, 128, 1}, false);
  measure_layer(bench, {steps, batch, 32, 32, 256, 2}, false);
  measure_layer(bench, {steps, batch, 16, 16, 512, 2}, false);
  measure_layer(bench, {steps, batch, 8, 8, 1024, 1}, false);
  measure_optimizers(bench, 45000000);
  measure_small(bench, steps, batch);
  std::printf("\r%s, %d multiprocessors, L2 %d MiB; T = %lld, batch %lld, %d repeats; copy %.0f GB/s\n",
              device.name, device.multiProcessorCount, device.l2CacheSize >> 20,
              static_cast<long long>(steps), static_cast<long long>(batch), repeats,
              bench.copy_gigabytes_per_s());
  print(bench);
  if (json != nullptr) write_json(json, bench, device);
}

}  // namespace

int main(int argc, char** argv) {
  if (cuda::device_count() == 0) {
    std::fprintf(stderr, "bench_cuda_kernels: this machine has no CUDA device\n");
    return 2;
  }
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cuda_kernels: %s\n", error.what());
    return 1;
  }
  return 0;
}
#endif
