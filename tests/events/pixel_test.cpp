#include "spikeloom/events/pixel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"

namespace spikeloom::events {
namespace {

constexpr double kStepUs = 100.0;

std::vector<PixelEvent> run(const PixelSettings& settings, const std::vector<float>& log_light,
                            std::uint64_t item = 0) {
  std::vector<float> light;
  for (const float value : log_light) light.push_back(std::exp(value));
  RandomStream random(1, RandomPurpose::kSimulation, item);
  std::vector<PixelEvent> events;
  simulate_pixel(settings, log_light.data(), light.data(), static_cast<int>(log_light.size()), kStepUs,
                 random, events);
  return events;
}

/// log light from `from` to `to` over `steps` steps.
std::vector<float> ramp(double from, double to, int steps) {
  std::vector<float> values;
  for (int i = 0; i <= steps; ++i) values.push_back(static_cast<float>(from + (to - from) * i / steps));
  return values;
}

PixelSettings ideal(double threshold_on, double threshold_off) {
  PixelSettings settings;
  settings.threshold_on = threshold_on;
  settings.threshold_off = threshold_off;
  return settings;
}

TEST(PixelTest, RampGivesOneEventAThresholdAtTheTimesOfCrossing) {
  // 1.05 in 0.1 s: thresholds of 0.25 are crossed at 0.25, 0.5, 0.75 and 1.0.
  const auto events = run(ideal(0.25, 0.25), ramp(-2.0, -0.95, 1000));
  ASSERT_EQ(events.size(), 4U);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].polarity, 1);
    EXPECT_NEAR(events[i].t_us, 0.25 * static_cast<double>(i + 1) / 1.05 * 1e5, 1.0);
  }
}

TEST(PixelTest, OneSuddenEdgeGivesEveryEventOfItsContrast) {
  const auto up = run(ideal(0.3, 0.2), {-2.0F, -2.0F, -0.45F, -0.45F});
  ASSERT_EQ(up.size(), 5U);  // 1.55 / 0.3
  const auto down = run(ideal(0.3, 0.2), {-0.45F, -2.0F, -2.0F});
  ASSERT_EQ(down.size(), 7U);  // 1.55 / 0.2
  for (const auto& event : up) EXPECT_EQ(event.polarity, 1);
  for (const auto& event : down) EXPECT_EQ(event.polarity, 0);
  for (std::size_t i = 1; i < up.size(); ++i) EXPECT_GT(up[i].t_us, up[i - 1].t_us);
}

TEST(PixelTest, ThereAndBackGivesBothPolarities) {
  auto light = ramp(-2.0, -0.9, 50);
  const auto back = ramp(-0.9, -2.0, 50);
  light.insert(light.end(), back.begin() + 1, back.end());
  const auto events = run(ideal(0.25, 0.25), light);
  // Up: -1.75 -1.5 -1.25 -1.0. Down from the reference -1.0: -1.25 -1.5 -1.75 and -2.0, which is just reached
  // or not.
  int on = 0, off = 0;
  for (const auto& event : events) ++(event.polarity == 1 ? on : off);
  EXPECT_EQ(on, 4);
  EXPECT_GE(off, 3);
  EXPECT_LE(off, 4);
}

TEST(PixelTest, ConstantLightGivesNothing) { EXPECT_TRUE(run(ideal(0.1, 0.1), ramp(-1, -1, 500)).empty()); }

TEST(PixelTest, RefractoryTimeIsKeptAndLosesWhatHappensInIt) {
  auto settings = ideal(0.1, 0.1);
  settings.refractory_us = 3000;
  settings.noise_on_hz = 100;
  settings.noise_off_hz = 100;
  // Fast: 0.1 is crossed each millisecond; after an event 3 ms pass unseen, then 1 ms to the next.
  const auto events = run(settings, ramp(-5.0, 5.0, 1000));
  ASSERT_GT(events.size(), 15U);
  EXPECT_LT(events.size(), 34U);
  for (std::size_t i = 1; i < events.size(); ++i) EXPECT_GE(events[i].t_us - events[i - 1].t_us, 3000.0);
  settings.noise_on_hz = settings.noise_off_hz = 0;
  const auto quiet = run(settings, ramp(-5.0, 5.0, 1000));
  EXPECT_NEAR(static_cast<double>(quiet.size()), 25.0, 1.0);  // one each 4 ms of 100
}

TEST(PixelTest, LowPassDelaysAndDarkIsSlower) {
  auto settings = ideal(0.25, 0.25);
  const auto first_event = [&](double from, double to) {
    std::vector<float> light(2000, static_cast<float>(to));
    light[0] = static_cast<float>(from);
    return run(settings, light).front().t_us;
  };
  EXPECT_LT(first_event(-1.0, 0.0), kStepUs);
  settings.response_us = 2000;
  // y = -1 + (1 - exp(-t / tau)): 0.25 is reached at -tau log(0.75) = 575 us (the discrete filter is a little
  // off).
  EXPECT_NEAR(first_event(-1.0, 0.0), 575.0, 40.0);
  EXPECT_NEAR(first_event(0.0, -1.0), 575.0 * std::exp(1.0), 100.0);
}

TEST(PixelTest, NoiseHasItsRateAndPolarity) {
  auto settings = ideal(1.0, 1.0);
  settings.noise_on_hz = 30;
  settings.noise_off_hz = 10;
  const auto events = run(settings, ramp(-1, -1, 1000000));  // 100 s
  double on = 0;
  for (const auto& event : events) on += event.polarity;
  // Poisson: 4,000 events, five standard deviations.
  EXPECT_NEAR(static_cast<double>(events.size()), 4000.0, 316.0);
  EXPECT_NEAR(on, 3000.0, 274.0);
}

TEST(PixelTest, ThresholdNoiseMovesEventsAndIsRepeatable) {
  auto settings = ideal(0.25, 0.25);
  const auto exact = run(settings, ramp(-3, 0, 1000));
  settings.threshold_noise = 0.05;
  const auto noisy = run(settings, ramp(-3, 0, 1000));
  const auto again = run(settings, ramp(-3, 0, 1000));
  const auto other = run(settings, ramp(-3, 0, 1000), 1);
  ASSERT_EQ(noisy.size(), again.size());
  for (std::size_t i = 0; i < noisy.size(); ++i) EXPECT_EQ(noisy[i].t_us, again[i].t_us);
  EXPECT_NE(noisy.front().t_us, exact.front().t_us);
  EXPECT_NE(noisy.front().t_us, other.front().t_us);
}

TEST(PixelTest, SettingsOutOfRangeAreNamed) {
  const auto refuses = [](double PixelSettings::*member, double value) {
    PixelSettings settings;
    settings.*member = value;
    try {
      check_pixel(settings);
    } catch (const ConfigError& error) {
      return !error.key().empty();
    }
    return false;
  };
  const double nan = std::nan("");
  for (const double bad : {-1.0, nan, 1e12}) {
    EXPECT_TRUE(refuses(&PixelSettings::threshold_on, bad));
    EXPECT_TRUE(refuses(&PixelSettings::threshold_off, bad));
    EXPECT_TRUE(refuses(&PixelSettings::threshold_noise, bad));
    EXPECT_TRUE(refuses(&PixelSettings::refractory_us, bad));
    EXPECT_TRUE(refuses(&PixelSettings::refractory_spread, bad));
    EXPECT_TRUE(refuses(&PixelSettings::response_us, bad));
    EXPECT_TRUE(refuses(&PixelSettings::noise_on_hz, bad));
    EXPECT_TRUE(refuses(&PixelSettings::noise_off_hz, bad));
  }
  EXPECT_TRUE(refuses(&PixelSettings::threshold_on, 0.0));
}

}  // namespace
}  // namespace spikeloom::events
