#pragma once
// One pixel of an event camera: logarithmic, with a threshold, a refractory time, limited bandwidth and
// noise.
#include <cstdint>
#include <vector>

#include "spikeloom/base/random.h"

namespace spikeloom::events {

/// What an event is worth and how a pixel errs. Thresholds are changes of the natural logarithm of light.
struct PixelSettings {
  double threshold_on = 0.25;      ///< > 0: brighter by this gives an event of polarity 1
  double threshold_off = 0.25;     ///< > 0: darker by this gives one of polarity 0
  double threshold_noise = 0.0;    ///< standard deviation of the error made anew after each event, >= 0
  double refractory_us = 0.0;      ///< after an event the pixel sees nothing for so long, >= 0
  double refractory_spread = 0.0;  ///< each wait is longer by an exponential share of refractory_us, >= 0
  double response_us = 0.0;  ///< time constant of the light's low-pass for white (longer in the dark), >= 0
  double noise_on_hz = 0.0;  ///< events without a cause, a second, >= 0
  double noise_off_hz = 0.0;
};

/// Throws ConfigError naming the setting that is out of range.
void check_pixel(const PixelSettings& settings);

/// An event of one pixel.
struct PixelEvent {
  double t_us;
  std::uint8_t polarity;
};

/// Simulates one pixel over `num_steps` samples of its light, `step_us` apart, the first at t = 0.
///   y[i] = y[i-1] + a (L[i] - y[i-1]),  a = step / (step + response_us / I[i]),  y[0] = L[0] = log I[0]
/// (first-order low-pass with a corner proportional to the light, implicit Euler), y straight between
/// samples. An event comes when y leaves reference + threshold_on or reference - threshold_off, at the time
/// of crossing; the reference is then that level, or y at the end of the refractory time if there is one,
/// with an error of threshold_noise. log_light, light: float [num_steps], light > 0; light may be null if
/// response_us is 0. Events are appended in the order of their times, all in [0, (num_steps - 1) * step_us).
/// Deterministic in `random`. Source: Lichtsteiner, Posch, Delbruck 2008 (pixel); Hu, Liu, Delbruck, "v2e"
/// 2021 (low-pass, noise). Differs: noise does not depend on light, and leaks are part of noise_on_hz.
void simulate_pixel(const PixelSettings& settings, const float* log_light, const float* light, int num_steps,
                    double step_us, RandomStream& random, std::vector<PixelEvent>& events);

}  // namespace spikeloom::events
