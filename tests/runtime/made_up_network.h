#pragma once
// Networks of any structure with made-up weights that let them fire.
#include <cmath>
#include <memory>
#include <ostream>

#include "spikeloom/base/random.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime::testing {

struct Case {
  const char* name;
  const char* structure;
  void (*change)(model::NetworkSettings&) = [](model::NetworkSettings&) {};
};

inline void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

inline std::shared_ptr<Network> network_of(const Case& one) {
  model::NetworkSettings settings;
  settings.structure = one.structure;
  settings.num_steps = 6;
  settings.voting.neurons_per_class = 4;
  settings.voting.assignment = model::VotingAssignment::kRandom;
  settings.compute.precision = model::Precision::kFp32;
  settings.compute.path = model::Path::kDense;
  one.change(settings);
  const auto plan = model::plan_network(settings, {2, 12, 12}, 3);
  const model::Program program = model::make_program(plan, settings, 1);
  RandomStream random(3, RandomPurpose::kInit);
  SlotValues values;
  for (const model::Slot& slot : program.slots) {
    std::vector<float>& list = values.emplace_back(static_cast<std::size_t>(slot.size));
    const bool is_weight = slot.shape.size() > 1 && slot.role != model::Role::kNeuNorm;
    // Inputs of a weight: values of all but the first dimension.
    const auto inputs = static_cast<float>(slot.shape.empty() ? 1 : slot.size / slot.shape[0]);
    for (float& value : list) {
      const float draw = random.uniform();
      // Neither silent nor saturated, so that a wrong weight shows.
      value = is_weight      ? (draw - 0.45f) * 6.0f / std::sqrt(inputs)
              : slot.is_bias ? 0.2f * draw
                             : 0.3f + 0.4f * draw;
    }
  }
  return std::make_shared<Network>(make_network(program, values, arithmetic_of(settings.compute)));
}

}  // namespace spikeloom::runtime::testing
