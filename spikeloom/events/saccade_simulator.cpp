#include "spikeloom/events/saccade_simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/base/threads.h"

namespace spikeloom::events {
namespace {

constexpr int kMaxSide = 65535;
constexpr std::int64_t kMaxNumber = std::int64_t{1} << 48;
constexpr std::int64_t kMaxSteps = 1 << 24;
// Sub-items of a recording's random streams below this are pixels (65,535^2 at most).
constexpr std::uint64_t kPlacement = std::uint64_t{1} << 32;
// Item of the streams of a sensor that all recordings share: no recording has this number.
constexpr std::uint64_t kSharedSensor = ~std::uint64_t{0};

void check(const SimulatorSettings& settings, std::int64_t number) {
  const auto fail = [](const char* key, const std::string& message) {
    throw ConfigError(message, "", 0, key);
  };
  check_pixel(settings.pixel);
  check_motion(settings.motion);
  if (settings.width < 1 || settings.height < 1 || settings.width > kMaxSide || settings.height > kMaxSide) {
    throw ShapeError(fmt::format("a sensor of {} x {} pixels: sides must be from 1 to {}", settings.width,
                                 settings.height, kMaxSide));
  }
  if (!(settings.threshold_mismatch >= 0 && settings.threshold_mismatch <= 0.5)) {
    fail("threshold_mismatch", fmt::format("must be from 0 to 0.5, not {}", settings.threshold_mismatch));
  }
  if (!(settings.position_jitter >= 0 && settings.position_jitter <= 16)) {
    fail("position_jitter", fmt::format("must be from 0 to 16, not {}", settings.position_jitter));
  }
  if (!std::isfinite(settings.left) || !std::isfinite(settings.top)) fail("left", "must be finite");
  if (settings.step_us < 1) fail("step_us", fmt::format("must be at least 1, not {}", settings.step_us));
  if (settings.duration_us < 1 || settings.duration_us / settings.step_us > kMaxSteps) {
    fail("duration_us", fmt::format("must be positive and at most {} steps of step_us = {}, not {}",
                                    kMaxSteps, settings.step_us, settings.duration_us));
  }
  if (number < 0 || number >= kMaxNumber) {
    fail("number", fmt::format("must be at least 0 and below 2^48, not {}", number));
  }
}

/// Where on the grid of the scene a sensor pixel looks at a time step: four neighbours and their weights.
struct Look {
  std::int64_t offset;
  float weights[4];
};

/// The looks of all time steps: the same for all pixels, relative to each.
std::vector<Look> looks_of(const SimulatorSettings& settings, const Scene& scene) {
  const std::int64_t steps = (settings.duration_us + settings.step_us - 1) / settings.step_us + 1;
  std::vector<Look> looks(static_cast<std::size_t>(steps));
  for (std::int64_t i = 0; i < steps; ++i) {
    const Displacement moved = settings.motion.at(static_cast<double>(i * settings.step_us));
    // The image moved to the right: the pixel sees what was to its left.
    const double x = -moved.x * Scene::kGrid, y = -moved.y * Scene::kGrid;
    const double column = std::floor(x), row = std::floor(y);
    const auto dx = static_cast<float>(x - column), dy = static_cast<float>(y - row);
    Look& look = looks[static_cast<std::size_t>(i)];
    look.offset = static_cast<std::int64_t>(row) * scene.stride() + static_cast<std::int64_t>(column);
    look.weights[0] = (1 - dx) * (1 - dy);
    look.weights[1] = dx * (1 - dy);
    look.weights[2] = (1 - dx) * dy;
    look.weights[3] = dx * dy;
  }
  return looks;
}

/// Samples a grid at all time steps.
void sample(const std::vector<float>& grid, std::int64_t place, int stride, const std::vector<Look>& looks,
            std::vector<float>& samples) {
  for (std::size_t i = 0; i < looks.size(); ++i) {
    const Look& look = looks[i];
    const float* corner = grid.data() + place + look.offset;
    samples[i] = look.weights[0] * corner[0] + look.weights[1] * corner[1] +
                 look.weights[2] * corner[stride] + look.weights[3] * corner[stride + 1];
  }
}

/// Pixels of margin that the movement needs around the sensor.
int margin_of(const Motion& motion) {
  double reach = 0.0;
  for (const MotionKnot& knot : motion.knots) {
    reach = std::max({reach, std::abs(knot.position.x), std::abs(knot.position.y)});
  }
  if (reach > 1024) {
    throw ConfigError(fmt::format("the image moves by {} pixels: at most 1024", reach), "", 0, "motion");
  }
  return static_cast<int>(std::ceil(reach)) + 1;
}

/// The settings of one pixel: thresholds drawn around the nominal ones, at least half of them.
PixelSettings mismatched(const SimulatorSettings& settings, std::uint64_t seed, std::uint64_t sensor,
                         std::uint64_t pixel) {
  PixelSettings drawn = settings.pixel;
  if (settings.threshold_mismatch > 0) {
    RandomStream random(seed, RandomPurpose::kSensor, sensor, pixel);
    for (double* threshold : {&drawn.threshold_on, &drawn.threshold_off}) {
      *threshold *= std::clamp(1 + settings.threshold_mismatch * random.normal(), 0.5, 2.0);
    }
  }
  return drawn;
}

}  // namespace

SimulatorSettings n_mnist_simulation() {
  SimulatorSettings settings;
  settings.motion = three_saccades();
  settings.duration_us = 308000;
  settings.pixel.threshold_on = 0.30;
  settings.pixel.threshold_off = 0.30;
  settings.pixel.threshold_noise = 0.103;
  settings.pixel.refractory_us = 685;
  settings.pixel.refractory_spread = 0.42;
  settings.pixel.response_us = 577;
  settings.pixel.noise_on_hz = 0.436;
  settings.pixel.noise_off_hz = 0.019;
  settings.threshold_mismatch = 0.022;
  settings.scene.scale = 1.015;
  settings.scene.blur = 0.554;
  settings.scene.black = 0.07;
  settings.scene.gamma = 1.5;
  settings.scene.negative = true;
  return settings;
}

SimulatorSettings dvs_cifar10_simulation() {
  SimulatorSettings settings;
  settings.width = settings.height = 128;
  settings.motion = closed_loop(6, 10.0, 200000);
  settings.duration_us = 1200000;
  settings.left = settings.top = 48;  // 32 image pixels around the sensor's centre
  settings.pixel.threshold_on = 0.2;
  settings.pixel.threshold_off = 0.2;
  settings.pixel.threshold_noise = 0.01;
  settings.pixel.refractory_us = 500;
  settings.pixel.response_us = 300;
  settings.pixel.noise_on_hz = 0.3;
  settings.pixel.noise_off_hz = 0.05;
  settings.threshold_mismatch = 0.021;
  settings.scene.scale = 4.0;
  settings.scene.blur = 2.0;
  settings.scene.black = 0.1;
  settings.step_us = 1000;
  return settings;
}

EventStream simulate_recording(const SimulatorSettings& settings, const GreyImage& image, std::uint64_t seed,
                               std::int64_t number) {
  check(settings, number);
  const auto item = static_cast<std::uint64_t>(number);
  double left = settings.left, top = settings.top;
  if (settings.position_jitter > 0) {
    RandomStream random(seed, RandomPurpose::kSimulation, item, kPlacement);
    left += settings.position_jitter * random.normal();
    top += settings.position_jitter * random.normal();
  }
  const Scene scene(image, settings.scene, settings.width, settings.height, left, top,
                    margin_of(settings.motion));
  const std::vector<Look> looks = looks_of(settings, scene);
  std::vector<float> log_light(looks.size()), light(looks.size());
  std::vector<PixelEvent> fired;
  EventStream stream;
  stream.width = settings.width;
  stream.height = settings.height;
  const auto end_us = static_cast<double>(settings.duration_us);
  for (int y = 0; y < settings.height; ++y) {
    for (int x = 0; x < settings.width; ++x) {
      const std::uint64_t pixel = static_cast<std::uint64_t>(y) * static_cast<std::uint64_t>(settings.width) +
                                  static_cast<std::uint64_t>(x);
      const std::int64_t place = scene.index_of(x, y);
      sample(scene.log_light(), place, scene.stride(), looks, log_light);
      if (settings.pixel.response_us > 0) sample(scene.light(), place, scene.stride(), looks, light);
      const PixelSettings drawn =
          mismatched(settings, seed, settings.sensor_per_recording ? item : kSharedSensor, pixel);
      RandomStream random(seed, RandomPurpose::kSimulation, item, pixel);
      fired.clear();
      simulate_pixel(drawn, log_light.data(), light.data(), static_cast<int>(looks.size()),
                     static_cast<double>(settings.step_us), random, fired);
      for (const PixelEvent& event : fired) {
        if (event.t_us >= end_us) break;
        stream.events.push_back({static_cast<std::int64_t>(event.t_us), static_cast<std::uint16_t>(x),
                                 static_cast<std::uint16_t>(y), event.polarity});
      }
    }
  }
  // Events were made in the order of the pixels: a stable sort keeps it among those of one microsecond.
  std::stable_sort(stream.events.begin(), stream.events.end(),
                   [](const Event& a, const Event& b) { return a.t_us < b.t_us; });
  return stream;
}

void simulate_recordings(const SimulatorSettings& settings, std::uint64_t seed, std::int64_t first,
                         std::int64_t count, const std::function<GreyImage(std::int64_t)>& image,
                         const std::function<void(std::int64_t, const EventStream&)>& done) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    for (std::int64_t i = next++; i < count; i = next++) {
      try {
        done(first + i, simulate_recording(settings, image(first + i), seed, first + i));
      } catch (...) {
        const std::lock_guard<std::mutex> lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> threads;
  const auto helpers = std::min<std::int64_t>(num_threads(), count) - 1;
  for (std::int64_t i = 0; i < helpers; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace spikeloom::events
