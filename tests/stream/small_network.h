#pragma once
// A network of one layer on a sensor of 4 x 3 pixels, small enough to follow.
#include <memory>

#include "spikeloom/base/random.h"
#include "spikeloom/runtime/classifier.h"

namespace spikeloom::stream::testing {

constexpr int kWidth = 4, kHeight = 3, kClasses = 3;

inline std::shared_ptr<const runtime::Network> small_network() {
  auto network = std::make_shared<runtime::Network>();
  network->input = {2, kHeight, kWidth};
  network->num_classes = kClasses;
  network->num_steps = 4;
  runtime::Node node;
  node.name = "voting";
  node.inputs.push_back({});
  node.product.input = {network->input.size(), 1, 1};
  node.product.output = {2 * kClasses, 1, 1};
  RandomStream random(1, RandomPurpose::kInit, 0);
  for (std::int64_t i = 0; i < network->input.size() * 2 * kClasses; ++i) {
    node.product.weight.push_back(0.6f * random.uniform() - 0.2f);
  }
  node.neurons.decay = {0.75f};
  network->nodes.push_back(node);
  network->class_of = {0, 1, 2, 0, 1, 2};
  return network;
}

/// Events in order, about `per_step` in each of `steps` steps of 1000 us from `start_us` on.
inline std::vector<events::Event> random_events(std::int64_t start_us, int steps, int per_step,
                                                std::uint64_t seed) {
  RandomStream random(seed, RandomPurpose::kSimulation, 0);
  std::vector<events::Event> list{{start_us, 0, 0, 0}};
  for (int t = 0; t < steps; ++t) {
    for (int i = 0; i < per_step; ++i) {
      list.push_back(
          {start_us + 1000 * t + 999 * i / per_step, static_cast<std::uint16_t>(random.below(kWidth)),
           static_cast<std::uint16_t>(random.below(kHeight)), static_cast<std::uint8_t>(random.below(2))});
    }
  }
  return list;
}

}  // namespace spikeloom::stream::testing
