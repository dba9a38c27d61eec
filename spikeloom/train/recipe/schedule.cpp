#include "spikeloom/train/recipe/schedule.h"

#include <algorithm>
#include <cmath>

namespace spikeloom::train {

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

}  // namespace spikeloom::train
