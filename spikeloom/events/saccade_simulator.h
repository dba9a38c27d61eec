#pragma once
// Still images to event recordings, as N-MNIST and DVS-CIFAR10 were made from MNIST and CIFAR-10: the image
// is moved before an event camera. What comes out is simulated and must be called so wherever it is used.
#include <cstdint>
#include <functional>

#include "spikeloom/events/event.h"
#include "spikeloom/events/motion.h"
#include "spikeloom/events/pixel.h"
#include "spikeloom/events/scene.h"

namespace spikeloom::events {

/// A whole experiment: sensor, scene and movement.
struct SimulatorSettings {
  int width = 34, height = 34;        ///< of the sensor, pixels
  PixelSettings pixel;                ///< of a pixel without mismatch
  double threshold_mismatch = 0.0;    ///< standard deviation of a pixel's thresholds, as a share, [0, 0.5]
  bool sensor_per_recording = false;  ///< mismatch drawn anew for each recording, instead of once for all
  SceneSettings scene;
  double left = 0.0, top = 0.0;  ///< where the image's top left pixel lies before it is moved, scale 1
  double position_jitter = 0.0;  ///< standard deviation of a shift of each recording, pixels, [0, 16]
  Motion motion;
  std::int64_t duration_us = 0;  ///< > 0
  std::int64_t step_us = 500;    ///< between samples of the light, > 0
};

/// N-MNIST: 34 x 34, three saccades, settings fitted to the real recordings 00001 to 00800
/// (docs/simulator.md).
SimulatorSettings n_mnist_simulation();

/// DVS-CIFAR10: 128 x 128, repeated closed loop, the image as wide as the sensor. No real recording was at
/// hand to fit it to: the sensor is a DVS128 with published figures, size and speed of the loop are assumed
/// (docs/simulator.md).
SimulatorSettings dvs_cifar10_simulation();

/// Makes one recording. The events are sorted by time; events of one microsecond by row, column. It depends
/// on (settings, image, seed, number) only; random streams are (seed, kSimulation, number, pixel), so that
/// neither the order nor the number of threads matters. `number`: of the recording, 0 <= number < 2^48.
/// Throws ConfigError for settings out of range, ShapeError for an image or sensor of no size, or a sensor
/// larger than 65,535 on a side. Thread-safe.
EventStream simulate_recording(const SimulatorSettings& settings, const GreyImage& image, std::uint64_t seed,
                               std::int64_t number);

/// Makes `count` recordings, numbers first ... first + count - 1, on num_threads() threads. `image(number)`
/// and `done(number, recording)` are called from those threads, for different numbers at the same time and in
/// no order. The first exception stops the rest and is thrown again here.
void simulate_recordings(const SimulatorSettings& settings, std::uint64_t seed, std::int64_t first,
                         std::int64_t count, const std::function<GreyImage(std::int64_t)>& image,
                         const std::function<void(std::int64_t, const EventStream&)>& done);

}  // namespace spikeloom::events
