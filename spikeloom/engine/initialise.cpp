#include "spikeloom/engine/initialise.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "spikeloom/base/random.h"
#include "spikeloom/base/threads.h"

namespace spikeloom::engine {
namespace {

/// Stages have the numbers below.
constexpr std::uint64_t kRecurrentStream = 1 << 20;

void fill_normal(std::vector<float>& values, double standard_deviation, std::uint64_t seed,
                 std::uint64_t stage) {
  // One random stream a chunk: threads can share the work and the numbers stay the same.
  constexpr std::int64_t kChunk = 1 << 14;
  const auto size = static_cast<std::int64_t>(values.size());
  const std::int64_t chunks = (size + kChunk - 1) / kChunk;
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    RandomStream stream(seed, RandomPurpose::kInit, stage, static_cast<std::uint64_t>(chunk));
    const std::int64_t end = std::min(size, (chunk + 1) * kChunk);
    for (std::int64_t i = chunk * kChunk; i < end; ++i) {
      values[static_cast<std::size_t>(i)] = static_cast<float>(standard_deviation * stream.normal());
    }
  }
}

}  // namespace

double initial_standard_deviation(double gain, double v_threshold, std::int64_t fan_in) {
  return gain * (v_threshold / kReferenceThreshold) * std::sqrt(2.0 / static_cast<double>(fan_in));
}

void initialise(Engine& engine, const model::NetworkSettings& settings, std::uint64_t seed) {
  const model::Program& program = engine.program();
  const auto constant = [&](int slot, double value) {
    if (slot == model::kNoSlot) return;
    const std::vector<float> values(static_cast<std::size_t>(program.slot(slot).size),
                                    static_cast<float>(value));
    engine.write(slot, {values.data(), values.size()});
  };
  for (const model::Stage& stage : program.stages) {
    const model::Slot& weight = program.slot(stage.product.weight);
    const std::int64_t fan_in = weight.size / weight.shape.front();
    const double threshold = program.spiking ? stage.neuron.params.v_threshold : kReferenceThreshold;
    std::vector<float> values(static_cast<std::size_t>(weight.size));
    fill_normal(values, initial_standard_deviation(settings.init.gain, threshold, fan_in), seed,
                static_cast<std::uint64_t>(stage.number));
    engine.write_in_memory_order(stage.product.weight, {values.data(), values.size()});
    constant(stage.norm.scale, 1.0);
    constant(stage.norm.shift, 0.0);
    constant(stage.norm.mean, 0.0);
    constant(stage.norm.variance, 1.0);
    constant(stage.norm.step_scale, 1.0);
    if (stage.recurrent != model::kNoSlot) {
      const std::int64_t neurons = stage.product.output.size();
      std::vector<float> recurrent(static_cast<std::size_t>(program.slot(stage.recurrent).size));
      // A stream of its own; the recurrent current is as strong as the feed-forward one would be.
      fill_normal(recurrent, initial_standard_deviation(settings.init.gain, threshold, neurons), seed,
                  kRecurrentStream + static_cast<std::uint64_t>(stage.number));
      engine.write_in_memory_order(stage.recurrent, {recurrent.data(), recurrent.size()});
    }
    constant(stage.product.bias, 0.0);
    constant(stage.neuron.decay, stage.neuron.params.decay);
    constant(stage.neuron.v_threshold, stage.neuron.params.v_threshold);
    for (const model::Edge& edge : stage.inputs) constant(edge.neunorm_u, settings.neunorm.u_init);
  }
}

}  // namespace spikeloom::engine
