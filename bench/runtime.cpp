// What a trained network costs where it runs, on one thread:
//   bench_runtime RUN_OR_MODEL RECORDING [SECONDS]
// The steps of a recording, binned as the model's recipe says, go through a session again and again: latency
// of a step (p50, p99, largest), samples a second, resident memory against the weights' size, and the time
// from the start of loading to the first decision. Throughput goes beside
//   spikeloom bench infer ... --threads 1
// of the same network, in turns on a quiet machine. For the size of the library:
//   strip -o stripped.so build/release/lib/libspikeloom_runtime.so && stat -c %s stripped.so
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "spikeloom/data/single_file.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/session.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace spikeloom;
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: %s RUN_OR_MODEL RECORDING [SECONDS]\n", argv[0]);
    return 2;
  }
  const double wanted = argc == 4 ? std::atof(argv[3]) : 10.0;
  try {
    const std::int64_t before = resident_bytes();
    const Clock::time_point start = Clock::now();
    const runtime::Model model = runtime::load_model(argv[1]);
    runtime::Session session(model.network);
    const double loaded = seconds_since(start);
    const std::int64_t held = resident_bytes() - before;
    data::FileSampling sampling;
    sampling.settings = model.info.recipe.data;
    sampling.num_steps = model.info.recipe.network.num_steps;
    sampling.channels = model.info.input.channels;
    sampling.height = model.info.input.height;
    sampling.width = model.info.input.width;
    const data::FileSample sample = data::read_file_sample(argv[2], sampling);
    session.run({sample.values.data(), sample.values.size()});
    const double decided = seconds_since(start);
    const std::int64_t used = resident_bytes() - before;

    const auto size = static_cast<std::size_t>(sample.shape.step_size());
    const std::size_t given = sample.values.size() / size;  // one of a still image, shown at every step
    const std::size_t steps = given == 1 ? static_cast<std::size_t>(sampling.num_steps) : given;
    double active = 0.0;
    for (const float value : sample.values) active += value != 0.0f ? 1.0 : 0.0;
    std::vector<double> latencies;
    std::int64_t samples = 0, operations = 0;
    const Clock::time_point measured = Clock::now();
    while (seconds_since(measured) < wanted) {
      session.reset();
      for (std::size_t t = 0; t < steps; ++t) {
        const Clock::time_point step = Clock::now();
        session.step({sample.values.data() + (given == 1 ? 0 : t * size), size});
        latencies.push_back(1e3 * seconds_since(step));
      }
      operations += session.synaptic_operations();
      ++samples;
    }
    const double took = seconds_since(measured);
    // Whole samples: a still image is convolved once.
    std::int64_t whole = 0;
    const Clock::time_point again = Clock::now();
    for (; seconds_since(again) < wanted; ++whole) session.run({sample.values.data(), sample.values.size()});
    const double whole_took = seconds_since(again);
    std::sort(latencies.begin(), latencies.end());
    const auto quantile = [&](double share) {
      return latencies[static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1))];
    };
    const auto weights = static_cast<double>(model.network->weight_bytes());
    fmt::print(
        "step        p50 {:.3f} ms, p99 {:.3f} ms, largest {:.3f} ms ({} steps, {:.2f} % of inputs not 0)\n",
        quantile(0.5), quantile(0.99), latencies.back(), latencies.size(),
        100.0 * active / static_cast<double>(sample.values.size()));
    fmt::print(
        "throughput  {:.1f} samples/s of {} steps ({:.1f} step by step), {:.1f} M synaptic operations a "
        "sample\n",
        static_cast<double>(whole) / whole_took, steps, static_cast<double>(samples) / took,
        1e-6 * static_cast<double>(operations) / static_cast<double>(samples));
    fmt::print(
        "memory      {:.2f} MB resident for model and session, {:.2f} MB after a run, weights {:.2f} MB "
        "({:.2f} "
        "and {:.2f} times)\n",
        1e-6 * static_cast<double>(held), 1e-6 * static_cast<double>(used), 1e-6 * weights,
        static_cast<double>(held) / weights, static_cast<double>(used) / weights);
    fmt::print("start       {:.1f} ms to the loaded model, {:.1f} ms to the first decision\n", 1e3 * loaded,
               1e3 * decided);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
  return 0;
}
