#include "spikeloom/train/recipe/schedule.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"

namespace spikeloom::train {
namespace {

// A whole number from 1 on, or 0 for anything else.
int positive(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : 0;
}

}  // namespace

double learning_rate_at(const OptimizerSettings& optimizer, const ScheduleSettings& schedule, int epochs,
                        std::int64_t iterations_per_epoch, std::int64_t iteration) {
  constexpr double kPi = 3.14159265358979323846;
  const auto per_epoch = static_cast<double>(std::max<std::int64_t>(iterations_per_epoch, 1));
  double rate = optimizer.learning_rate;
  if (schedule.kind == ScheduleSettings::kStep) {
    const auto epoch = iteration / std::max<std::int64_t>(iterations_per_epoch, 1);
    rate *= std::pow(schedule.factor, static_cast<double>(epoch / schedule.step_epochs));
  } else if (schedule.kind == ScheduleSettings::kCosine) {
    const double progress = std::min(1.0, static_cast<double>(iteration) / (per_epoch * epochs));
    const double f = schedule.final_rate_fraction;
    rate *= f + (1.0 - f) * 0.5 * (1.0 + std::cos(kPi * progress));
  } else if (schedule.kind == ScheduleSettings::kLinear) {
    const double progress = std::min(1.0, static_cast<double>(iteration) / (per_epoch * epochs));
    rate *= 1.0 - (1.0 - schedule.final_rate_fraction) * progress;
  } else if (schedule.kind == ScheduleSettings::kOneCycle) {
    constexpr double kRise = 0.3, kFirst = 1.0 / 25.0;
    const double progress = std::min(1.0, static_cast<double>(iteration) / (per_epoch * epochs));
    const bool rises = progress < kRise;
    const double from = rises ? kFirst : 1.0, to = rises ? 1.0 : schedule.final_rate_fraction;
    const double part = rises ? progress / kRise : (progress - kRise) / (1.0 - kRise);
    rate *= to + (from - to) * 0.5 * (1.0 + std::cos(kPi * part));
  }
  const double warmup = schedule.warmup_epochs * per_epoch;
  if (static_cast<double>(iteration) < warmup) rate *= (static_cast<double>(iteration) + 1.0) / warmup;
  return rate;
}

std::vector<StepsPhase> parse_steps_schedule(const std::string& text) {
  std::vector<StepsPhase> phases;
  if (trimmed(text).empty()) return phases;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string part = trimmed(text.substr(start, end - start));
    const std::size_t colon = part.find(':');
    StepsPhase phase;
    phase.num_steps = positive(trimmed(part.substr(0, colon)));
    phase.epochs = colon == std::string::npos ? 0 : positive(trimmed(part.substr(colon + 1)));
    if (phase.num_steps == 0 || phase.epochs == 0) {
      throw ConfigError(
          "'" + part + "' is not part of a time schedule: give steps and epochs, for example \"1:60, 2:30\"");
    }
    phases.push_back(phase);
    start = end + 1;
  }
  return phases;
}

std::vector<StepsPhase> steps_phases(const Recipe& recipe) {
  std::vector<StepsPhase> phases = parse_steps_schedule(recipe.schedule.num_steps);
  phases.push_back({recipe.network.num_steps, std::numeric_limits<int>::max()});
  return phases;
}

int num_steps_at(const Recipe& recipe, int epoch) {
  for (const StepsPhase& phase : steps_phases(recipe)) {
    if (epoch < phase.epochs) return phase.num_steps;
    epoch -= phase.epochs;
  }
  return recipe.network.num_steps;
}

}  // namespace spikeloom::train
