#include "spikeloom/engine/initialise.h"

#include <algorithm>
#include <cmath>
#include <utility>
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
  for (std::size_t slot = 0; slot < program.slots.size(); ++slot) {
    if (!program.slots[slot].start) continue;
    const std::vector<float> values(static_cast<std::size_t>(program.slots[slot].size),
                                    static_cast<float>(*program.slots[slot].start));
    engine.write(static_cast<int>(slot), {values.data(), values.size()});
  }
  for (const model::Stage& stage : program.stages) {
    const double threshold = program.spiking ? stage.neuron.params.v_threshold : kReferenceThreshold;
    const auto number = static_cast<std::uint64_t>(stage.number);
    // The recurrent current is as strong as the feed-forward one would be, from a stream of its own.
    for (const auto& [slot, stream] :
         {std::pair{stage.product.weight, number}, std::pair{stage.recurrent, kRecurrentStream + number}}) {
      if (slot == model::kNoSlot) continue;
      const model::Slot& weight = program.slot(slot);
      std::vector<float> values(static_cast<std::size_t>(weight.size));
      const std::int64_t fan_in = weight.size / weight.shape.front();
      fill_normal(values, initial_standard_deviation(settings.init.gain, threshold, fan_in), seed, stream);
      engine.write_in_memory_order(slot, {values.data(), values.size()});
    }
  }
}

}  // namespace spikeloom::engine
