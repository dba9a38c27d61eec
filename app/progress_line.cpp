#include "app/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/output.h"

namespace spikeloom::app {
namespace {

struct Parts {
  int bar;
  bool loss, accuracy, speed;
};

// From all to least.
constexpr std::array<Parts, 6> kChoices = {{{20, true, true, true},
                                            {10, true, true, true},
                                            {10, true, true, false},
                                            {0, true, true, false},
                                            {0, true, false, false},
                                            {0, false, false, false}}};

/// Hours and minutes say nothing of a training that takes weeks.
std::string time_left(double seconds) {
  constexpr double kDay = 86400.0;
  return seconds >= 4.0 * kDay ? fmt::format("{:.0f} days", std::min(seconds / kDay, 99999.0))
                               : duration(seconds);
}

}  // namespace

std::string progress_bar(double fraction, int width) {
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * width);
  std::string bar(static_cast<std::size_t>(full), '=');
  if (full < width) bar += '>' + std::string(static_cast<std::size_t>(width - full - 1), ' ');
  return "[" + bar + "]";
}

std::string progress_line(const train::TrainingProgress& progress, std::size_t width) {
  const double fraction = progress.iterations > 0 ? static_cast<double>(progress.iteration) /
                                                        static_cast<double>(progress.iterations)
                                                  : 1.0;
  const std::string percent = fmt::format("{:.0f}%", 100.0 * fraction);
  const std::string left = time_left(progress.seconds_left) + " left";
  std::string line;
  for (const Parts& parts : kChoices) {
    line = fmt::format("epoch {}/{}", progress.epoch + 1, progress.epochs);
    if (parts.bar > 0) line += " " + progress_bar(fraction, parts.bar);
    line += fmt::format(" {:>4}", percent);
    if (parts.loss) line += fmt::format("  loss {:.4f}", progress.mean_loss);
    if (parts.accuracy) line += fmt::format("  accuracy {:.1f} %", 100.0 * progress.mean_accuracy);
    if (parts.speed) line += fmt::format("  {:.0f} samples/s", progress.samples_per_s);
    line += "  " + left;
    if (line.size() < width) return line;
  }
  line = percent + " " + left;
  return width > 1 ? line.substr(0, width - 1) : "";
}

std::string rough_duration(double seconds) {
  struct Unit {
    double seconds, from;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {{{86400.0, 2 * 86400.0, "days"},
                                           {3600.0, 2 * 3600.0, "hours"},
                                           {60.0, 100.0, "minutes"},
                                           {1.0, 0.0, "seconds"}}};
  for (const Unit& unit : kUnits) {
    if (seconds < unit.from) continue;
    const double count = seconds / unit.seconds;
    return fmt::format("{} {}",
                       count < 9.95 && unit.seconds > 60.0
                           ? fmt::format("{:.1f}", count)
                           : with_separators(static_cast<std::int64_t>(count + 0.5)),
                       unit.name);
  }
  return "0 seconds";
}

}  // namespace spikeloom::app
