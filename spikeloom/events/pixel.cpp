#include "spikeloom/events/pixel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "spikeloom/base/errors.h"

namespace spikeloom::events {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// An exponentially distributed time with this mean.
double exponential(double mean, RandomStream& random) {
  return -mean * std::log1p(-static_cast<double>(random.uniform()));
}

/// The pixel's memory: what it compares with, and from when on it looks.
class Comparator {
 public:
  Comparator(const PixelSettings& settings, double y, RandomStream& random, std::vector<PixelEvent>& events)
      : settings_(settings), random_(random), events_(events), reference_(y + error()) {
    schedule_noise(0.0);
  }

  /// y moves straight from `from` at t0 to `to` at t1.
  void move(double t0, double t1, double from, double to) {
    double t = t0, y = from;
    const double slope = (to - from) / (t1 - t0);
    const auto y_at = [&](double time) { return from + slope * (time - t0); };
    while (t < t1) {
      if (blind_until_ > t) {
        if (blind_until_ >= t1) return skip_noise(t1);
        t = blind_until_;
        y = y_at(t);
        reference_ = y + error();
        blind_until_ = 0.0;
        skip_noise(t);
      }
      const double on_level = reference_ + settings_.threshold_on;
      const double off_level = reference_ - settings_.threshold_off;
      double crossing = kNever;
      bool on = false;
      if (y >= on_level || y <= off_level) {  // only after an error of the reference
        crossing = t;
        on = y >= on_level;
      } else if (to >= on_level && slope > 0) {
        crossing = t0 + (on_level - from) / slope;
        on = true;
      } else if (to <= off_level && slope < 0) {
        crossing = t0 + (off_level - from) / slope;
      }
      if (crossing < t) crossing = t;
      if (next_noise_ < crossing && next_noise_ < t1) {
        t = next_noise_;
        y = y_at(t);
        fire(t, noise_is_on(), y);
        schedule_noise(t);
      } else if (crossing < t1) {
        t = crossing;
        y = y_at(t);
        fire(t, on, on ? on_level : off_level);
      } else {
        return;
      }
    }
  }

 private:
  double error() {
    return settings_.threshold_noise > 0 ? settings_.threshold_noise * random_.normal() : 0.0;
  }

  void fire(double t, bool on, double level) {
    events_.push_back({t, static_cast<std::uint8_t>(on ? 1 : 0)});
    double wait = settings_.refractory_us;
    if (settings_.refractory_spread > 0) {
      wait += exponential(settings_.refractory_us * settings_.refractory_spread, random_);
    }
    if (wait > 0) {
      blind_until_ = t + wait;
    } else {
      reference_ = level + error();
    }
  }

  void schedule_noise(double t) {
    const double rate_hz = settings_.noise_on_hz + settings_.noise_off_hz;
    next_noise_ = rate_hz > 0 ? t + exponential(1e6 / rate_hz, random_) : kNever;
  }

  /// Noise before t falls into the time in which the pixel sees nothing.
  void skip_noise(double t) {
    while (next_noise_ < t) schedule_noise(next_noise_);
  }

  bool noise_is_on() {
    const double rate_hz = settings_.noise_on_hz + settings_.noise_off_hz;
    return static_cast<double>(random_.uniform()) * rate_hz < settings_.noise_on_hz;
  }

  const PixelSettings& settings_;
  RandomStream& random_;
  std::vector<PixelEvent>& events_;
  double reference_;
  double blind_until_ = 0.0;
  double next_noise_ = kNever;
};

}  // namespace

void check_pixel(const PixelSettings& settings) {
  const auto require = [](bool fine, const char* key, const char* range, double value) {
    if (!fine) throw ConfigError(fmt::format("must be {}, not {}", range, value), "", 0, key);
  };
  // A tenth of a per cent of contrast: below, one edge would give events without end.
  constexpr double kLeast = 1e-3;
  constexpr double kMostHz = 1e5;
  const auto between = [](double value, double low, double high) { return value >= low && value <= high; };
  require(between(settings.threshold_on, kLeast, 100), "threshold_on", "from 0.001 to 100",
          settings.threshold_on);
  require(between(settings.threshold_off, kLeast, 100), "threshold_off", "from 0.001 to 100",
          settings.threshold_off);
  require(between(settings.threshold_noise, 0, 0.5 * std::min(settings.threshold_on, settings.threshold_off)),
          "threshold_noise", "at least 0 and at most half of the smaller threshold",
          settings.threshold_noise);
  require(between(settings.refractory_us, 0, 1e9), "refractory_us", "from 0 to 1e9", settings.refractory_us);
  require(between(settings.refractory_spread, 0, 100), "refractory_spread", "from 0 to 100",
          settings.refractory_spread);
  require(between(settings.response_us, 0, 1e9), "response_us", "from 0 to 1e9", settings.response_us);
  require(between(settings.noise_on_hz, 0, kMostHz), "noise_on_hz", "from 0 to 100000", settings.noise_on_hz);
  require(between(settings.noise_off_hz, 0, kMostHz), "noise_off_hz", "from 0 to 100000",
          settings.noise_off_hz);
}

void simulate_pixel(const PixelSettings& settings, const float* log_light, const float* light, int num_steps,
                    double step_us, RandomStream& random, std::vector<PixelEvent>& events) {
  if (num_steps < 1) return;
  double y = static_cast<double>(log_light[0]);
  Comparator comparator(settings, y, random, events);
  for (int i = 1; i < num_steps; ++i) {
    double next = static_cast<double>(log_light[i]);
    if (settings.response_us > 0) {
      next = y + (next - y) * step_us / (step_us + settings.response_us / static_cast<double>(light[i]));
    }
    comparator.move((i - 1) * step_us, i * step_us, y, next);
    y = next;
  }
}

}  // namespace spikeloom::events
