// Events a second of the transforms and of binning, on one thread: a made recording of a million events,
// sorted by time, a third of them isolated, the others on an edge that moves. The copy that each run starts
// from is not timed.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/base/random.h"
#include "spikeloom/events/binning.h"
#include "spikeloom/events/transforms/chain.h"

namespace {

namespace events = spikeloom::events;

constexpr std::int64_t kEvents = 1 << 20;

/// side x side pixels, two events a microsecond.
events::EventStream recording(int side) {
  events::EventStream stream{side, side, {}};
  spikeloom::RandomStream random(1, spikeloom::RandomPurpose::kBench, static_cast<std::uint64_t>(side));
  const auto pixels = static_cast<std::uint32_t>(side);
  for (std::int64_t i = 0; i < kEvents; ++i) {
    events::Event event{};
    event.t_us = i / 2;
    event.y = static_cast<std::uint16_t>(random.below(pixels));
    const bool on_edge = random.below(3) != 0;
    const auto edge = static_cast<std::uint32_t>(i * side / kEvents) + random.below(3);
    event.x = static_cast<std::uint16_t>(on_edge ? edge % pixels : random.below(pixels));
    event.polarity = static_cast<std::uint8_t>(random.below(2));
    stream.events.push_back(event);
  }
  return stream;
}

void transform(benchmark::State& state, const std::string& text, int side) {
  const events::EventStream original = recording(side);
  const events::TransformChain chain({text});
  const events::TransformKey key{1, 2, 3};
  std::int64_t left = 0;
  for (auto _ : state) {
    state.PauseTiming();
    events::EventStream stream = original;
    state.ResumeTiming();
    chain.apply(stream, &key);
    left = static_cast<std::int64_t>(stream.events.size());
    benchmark::DoNotOptimize(stream.events.data());
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
  state.counters["left"] = static_cast<double>(left) / static_cast<double>(kEvents);
}

void binning(benchmark::State& state, events::Binning::Slicing slicing, std::int64_t overlap, int side) {
  const events::EventStream stream = recording(side);
  events::Binning settings;
  settings.num_steps = 100;
  settings.slicing = slicing;
  settings.overlap_us = slicing == events::Binning::kWindow ? overlap : 0;
  settings.events_per_step = kEvents / settings.num_steps;
  std::vector<std::uint8_t> frames(std::size_t{100} * static_cast<std::size_t>(side * side) * 2);
  for (auto _ : state) {
    events::bin_events(stream, settings, frames.data());
    benchmark::DoNotOptimize(frames.data());
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}

const bool registered = [] {
  for (const int side : {34, 346}) {
    const std::string behind = "/" + std::to_string(side);
    for (const char* text :
         {"drop_background(filter_us=5000)", "drop_refractory(period_us=1000)",
          "drop_hot_pixels(rate_hz=5000)", "decimate(n=2)", "downsample(factor=2)",
          "random_crop(width=30, height=30)", "flip_left_right(probability=1)", "roll(right=-3..3)",
          "rotate(degrees=-15..15)", "jitter_place", "flip_polarity(probability=1)",
          "skew_time(coefficient=0.8..1.2)", "jitter_time(std_us=100)", "drop_events(ratio=0.3)",
          "drop_interval", "drop_area", "add_uniform_noise(count=100000)"}) {
      benchmark::RegisterBenchmark((text + behind).c_str(), [text, side](benchmark::State& state) {
        transform(state, text, side);
      })->Unit(benchmark::kMillisecond);
    }
    const auto add = [&](const char* name, events::Binning::Slicing slicing, std::int64_t overlap) {
      benchmark::RegisterBenchmark((name + behind).c_str(), [=](benchmark::State& state) {
        binning(state, slicing, overlap, side);
      })->Unit(benchmark::kMillisecond);
    };
    add("bin window", events::Binning::kWindow, 0);
    add("bin window, half overlapping", events::Binning::kWindow, 2500);
    add("bin count", events::Binning::kCount, 0);
  }
  return true;
}();

}  // namespace
