#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/events/motion.h"
#include "spikeloom/events/saccade_simulator.h"
#include "spikeloom/events/scene.h"

namespace spikeloom::events {
namespace {

/// A ring, somewhere else for each number.
GreyImage ring(std::int64_t number, int side = 28) {
  GreyImage image{side, side, std::vector<std::uint8_t>(static_cast<std::size_t>(side * side), 0)};
  const double centre_x = side / 2.0 + static_cast<double>(number % 5) - 2, centre_y = side / 2.0;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const double r = std::hypot(x - centre_x, y - centre_y);
      if (r > side / 5.0 && r < side / 3.5) image.pixels[static_cast<std::size_t>(y * side + x)] = 255;
    }
  }
  return image;
}

bool equal(const EventStream& a, const EventStream& b) {
  if (a.events.size() != b.events.size()) return false;
  for (std::size_t i = 0; i < a.events.size(); ++i) {
    const Event &p = a.events[i], &q = b.events[i];
    if (p.t_us != q.t_us || p.x != q.x || p.y != q.y || p.polarity != q.polarity) return false;
  }
  return true;
}

/// A sensor without noise, mismatch or memory, before a screen of contrast e^2, without blur.
SimulatorSettings ideal(int width, int height) {
  SimulatorSettings settings;
  settings.width = width;
  settings.height = height;
  settings.pixel = PixelSettings{};
  settings.pixel.threshold_on = settings.pixel.threshold_off = 0.3;
  settings.scene.black = std::exp(-2.0);
  settings.scene.blur = 0;
  settings.duration_us = 100000;
  settings.step_us = 1000;
  return settings;
}

TEST(SimulatorTest, MovingEdgeGivesTheEventsOfItsContrastInEachPixelItCrosses) {
  // White on the left, moving 8 pixels to the right: log contrast 2, threshold 0.3, six events a pixel
  // crossed.
  GreyImage image{16, 8, std::vector<std::uint8_t>(16 * 8, 0)};
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) image.pixels[static_cast<std::size_t>(y * 16 + x)] = 255;
  }
  auto settings = ideal(24, 8);
  settings.motion.knots = {{0, {0, 0}}, {80000, {8, 0}}};
  for (const bool negative : {false, true}) {
    settings.scene.negative = negative;
    const auto stream = simulate_recording(settings, image, 1, 0);
    std::map<int, int> leading, trailing;
    for (const Event& event : stream.events) {
      // In the middle rows only: the image ends above and below.
      if (event.y < 2 || event.y > 5) continue;
      if (event.x >= 8 && event.x < 16) {
        EXPECT_EQ(event.polarity, negative ? 0 : 1);
        ++leading[event.x];
        // The edge, at 7.5 at the start, reaches pixel x when it has moved by x - 7.5 (grid: a quarter
        // pixel).
        EXPECT_NEAR(static_cast<double>(event.t_us), (event.x - 7.5) * 10000.0, 4000.0);
      } else if (event.x < 8) {
        EXPECT_EQ(event.polarity, negative ? 1 : 0);
        ++trailing[event.x];
      } else {
        ADD_FAILURE() << "event at x = " << event.x << " where nothing moved";
      }
    }
    ASSERT_EQ(leading.size(), 8U);
    ASSERT_EQ(trailing.size(), 8U);
    for (const auto& [x, count] : leading) EXPECT_EQ(count, 4 * 6) << x;
    for (const auto& [x, count] : trailing) EXPECT_EQ(count, 4 * 6) << x;
  }
}

TEST(SimulatorTest, StillImageGivesNothingWithoutNoise) {
  auto settings = ideal(34, 34);
  EXPECT_TRUE(simulate_recording(settings, ring(1), 1, 1).events.empty());
  settings.motion.knots = {{0, {2, 3}}};
  EXPECT_TRUE(simulate_recording(settings, ring(1), 1, 1).events.empty());
}

TEST(SimulatorTest, EventsAreSortedAndInsideSensorAndDuration) {
  for (auto settings : {n_mnist_simulation(), dvs_cifar10_simulation()}) {
    settings.position_jitter = 3;
    settings.duration_us = 305500;
    const auto stream = simulate_recording(settings, ring(2), 3, 2);
    EXPECT_EQ(stream.width, settings.width);
    EXPECT_EQ(stream.height, settings.height);
    ASSERT_GT(stream.events.size(), 500U);
    for (std::size_t i = 0; i < stream.events.size(); ++i) {
      const Event& event = stream.events[i];
      ASSERT_LT(event.x, settings.width);
      ASSERT_LT(event.y, settings.height);
      ASSERT_LE(event.polarity, 1);
      ASSERT_GE(event.t_us, 0);
      ASSERT_LT(event.t_us, settings.duration_us);
      ASSERT_GE(event.t_us, stream.events[i > 0 ? i - 1 : 0].t_us);
    }
  }
}

TEST(SimulatorTest, NoPixelFiresWithinItsRefractoryTime) {
  const auto settings = n_mnist_simulation();
  const auto stream = simulate_recording(settings, ring(0), 1, 5);
  std::map<int, std::int64_t> last;
  for (const Event& event : stream.events) {
    const int pixel = event.y * 34 + event.x;
    if (last.count(pixel) != 0) {
      // Times are rounded down to microseconds.
      EXPECT_GE(event.t_us - last[pixel] + 1, static_cast<std::int64_t>(settings.pixel.refractory_us));
    }
    last[pixel] = event.t_us;
  }
}

class Threads {
 public:
  explicit Threads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

std::vector<EventStream> simulate_on(int threads, std::int64_t first, std::int64_t count,
                                     std::uint64_t seed) {
  const Threads scope(threads);
  std::vector<EventStream> streams(static_cast<std::size_t>(count));
  std::mutex mutex;
  simulate_recordings(
      n_mnist_simulation(), seed, first, count, [](std::int64_t number) { return ring(number); },
      [&](std::int64_t number, const EventStream& stream) {
        const std::lock_guard<std::mutex> lock(mutex);
        streams[static_cast<std::size_t>(number - first)] = stream;
      });
  return streams;
}

TEST(SimulatorTest, SameForAnyThreadsRunsAndOrder) {
  const auto one = simulate_on(1, 10, 6, 1);
  const auto four = simulate_on(4, 10, 6, 1);
  const auto later = simulate_on(3, 13, 2, 1);
  for (std::size_t i = 0; i < one.size(); ++i) {
    ASSERT_GT(one[i].events.size(), 100U);
    EXPECT_TRUE(equal(one[i], four[i])) << i;
  }
  EXPECT_TRUE(equal(one[3], later[0]));
  EXPECT_TRUE(equal(one[4], later[1]));
}

TEST(SimulatorTest, SeedsAndNumbersDiffer) {
  const auto settings = n_mnist_simulation();
  const auto base = simulate_recording(settings, ring(0), 1, 1);
  EXPECT_FALSE(equal(base, simulate_recording(settings, ring(0), 2, 1)));
  EXPECT_FALSE(equal(base, simulate_recording(settings, ring(0), 1, 2)));
}

TEST(SimulatorTest, OneSensorForAllRecordingsUnlessAskedOtherwise) {
  auto settings = n_mnist_simulation();
  settings.pixel.threshold_noise = settings.pixel.noise_on_hz = settings.pixel.noise_off_hz = 0;
  settings.pixel.refractory_spread = 0;
  settings.threshold_mismatch = 0.2;
  // What is left to chance is the mismatch alone.
  EXPECT_TRUE(
      equal(simulate_recording(settings, ring(0), 1, 1), simulate_recording(settings, ring(0), 1, 2)));
  settings.sensor_per_recording = true;
  EXPECT_FALSE(
      equal(simulate_recording(settings, ring(0), 1, 1), simulate_recording(settings, ring(0), 1, 2)));
}

TEST(SimulatorTest, ExceptionOfAThreadStopsTheRestAndIsThrown) {
  const Threads scope(3);
  std::atomic<int> made{0};
  EXPECT_THROW(simulate_recordings(
                   n_mnist_simulation(), 1, 0, 1000, [](std::int64_t number) { return ring(number); },
                   [&](std::int64_t, const EventStream&) {
                     if (++made == 4) throw DataError("disk full");
                   }),
               DataError);
  EXPECT_LT(made, 20);
}

TEST(SimulatorTest, BadSettingsAreRefused) {
  const auto refuses = [](const std::function<void(SimulatorSettings&)>& change) {
    auto settings = n_mnist_simulation();
    change(settings);
    EXPECT_THROW(simulate_recording(settings, ring(0), 1, 0), Error);
  };
  refuses([](auto& s) { s.width = 0; });
  refuses([](auto& s) { s.height = 65536; });
  refuses([](auto& s) { s.duration_us = 0; });
  refuses([](auto& s) { s.step_us = 0; });
  refuses([](auto& s) { s.threshold_mismatch = -0.1; });
  refuses([](auto& s) { s.position_jitter = std::nan(""); });
  refuses([](auto& s) { s.left = std::nan(""); });
  refuses([](auto& s) { s.pixel.threshold_on = 0; });
  refuses([](auto& s) { s.scene.black = 0; });
  refuses([](auto& s) { s.scene.scale = 0; });
  refuses([](auto& s) { s.scene.blur = -1; });
  refuses([](auto& s) { s.scene.gamma = 0; });
  refuses([](auto& s) { s.motion.knots = {{5, {0, 0}}, {5, {1, 0}}}; });
  refuses([](auto& s) { s.motion.knots = {{5, {0, 1e6}}}; });
  GreyImage image = ring(0);
  image.pixels.pop_back();
  EXPECT_THROW(simulate_recording(n_mnist_simulation(), image, 1, 0), ShapeError);
  EXPECT_THROW(simulate_recording(n_mnist_simulation(), ring(0), 1, -1), ConfigError);
}

TEST(SimulatorTest, PathsAreStraightBetweenKnotsAndStillOutside) {
  Motion motion;
  EXPECT_EQ(motion.at(5).x, 0);
  motion.knots = {{100, {1, 2}}, {200, {3, -2}}};
  EXPECT_EQ(motion.at(0).x, 1);
  EXPECT_EQ(motion.at(150).x, 2);
  EXPECT_EQ(motion.at(150).y, 0);
  EXPECT_EQ(motion.at(1000).y, -2);
}

TEST(SimulatorTest, ThreeSaccadesComeBackToTheStart) {
  const Motion motion = three_saccades();
  check_motion(motion);
  const auto start = motion.at(0), down = motion.at(100000), right = motion.at(210000),
             end = motion.at(300000);
  EXPECT_NEAR(start.x, end.x, 0.5);
  EXPECT_NEAR(start.y, end.y, 0.5);
  EXPECT_GT(down.y, start.y + 4);
  EXPECT_LT(right.y, down.y - 4);
  EXPECT_GT(right.x, start.x + 4);
}

TEST(SimulatorTest, ClosedLoopIsClosedAndRepeats) {
  const Motion motion = closed_loop(3, 5.0, 1000);
  check_motion(motion);
  for (int t = 0; t <= 3000; t += 1000) {
    EXPECT_NEAR(motion.at(t).x, 0, 1e-12);
    EXPECT_NEAR(motion.at(t).y, 0, 1e-12);
  }
  EXPECT_EQ(motion.at(500).y, 10);
  EXPECT_EQ(motion.at(1250).x, 5);
  EXPECT_THROW(closed_loop(0, 5.0, 1000), ConfigError);
  EXPECT_THROW(closed_loop(1, -5.0, 1000), ConfigError);
  EXPECT_THROW(closed_loop(1, 5.0, 3), ConfigError);
}

}  // namespace
}  // namespace spikeloom::events
