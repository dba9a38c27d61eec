#pragma once
// Values for the tests of kernels, and how far arrays are from each other.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::test {

/// Normal deviates; every other one rounded to a multiple of 1/4, so that potentials meet the threshold
/// exactly.
template <class T>
std::vector<T> random_values(std::int64_t size, unsigned seed, double scale = 1.0) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = scale * normal(generator);
    values[i] = static_cast<T>(i % 2 == 0 ? value : std::round(value * 4) / 4);
  }
  return values;
}

/// Currents whose first step lies at the threshold, within few steps of a code from it, some widths away, or
/// as far as numbers go; infinite and not a number, too.
inline std::vector<float> extreme_currents(const NeuronParams& params, std::int64_t size) {
  const auto v_threshold = static_cast<float>(params.v_threshold);
  const auto width = static_cast<float>(params.surrogate_width);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> some = {v_threshold, kInfinity, -kInfinity, 3e38f,
                             -3e38f,      0.0f,      1e-40f,     std::numeric_limits<float>::quiet_NaN()};
  for (const float distance : {1e-7f, 3e-6f, 7.7e-6f, 1e-5f, 0.1f, 0.4999f, 0.5f, 0.9999f, 1.0f, 30.0f,
                               127.0f, 128.0f, 32767.0f, 65536.0f, 1e5f, 1e10f}) {
    some.push_back(v_threshold + distance * width);
    some.push_back(v_threshold - distance * width);
  }
  std::vector<float> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = some[i % some.size()];
  return values;
}

/// What the general paths are for: codes of all neurons, other resets, a synaptic current.
inline std::vector<NeuronParams> general_neurons() {
  std::vector<NeuronParams> all;
  for (const auto surrogate :
       {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
    const auto add = [&](Reset reset, bool detach, double v_reset, double current_decay, bool learnable) {
      NeuronParams params;
      params.surrogate = surrogate;
      params.reset = reset;
      params.detach_reset = detach;
      params.v_reset = v_reset;
      params.current_decay = current_decay;
      params.learnable = learnable;
      all.push_back(params);
    };
    add(Reset::kZero, false, 0.0, 0.0, true);
    add(Reset::kSubtract, false, 0.0, 0.0, true);
    add(Reset::kZero, true, -0.3, 0.0, true);
    add(Reset::kNone, false, 0.0, 0.7, true);
    add(Reset::kNone, false, 0.0, 0.0, false);
    add(Reset::kZero, false, 0.2, 0.0, false);
    add(Reset::kZero, false, 0.0, 0.5, false);
    add(Reset::kSubtract, false, 0.0, 0.6, false);
    add(Reset::kSubtract, true, 0.0, 0.6, false);
    all.back().decay = 1.0;  // integrate and fire
  }
  return all;
}

/// 0 or 1.
template <class T>
std::vector<T> random_spikes(std::int64_t size, unsigned seed, double rate = 0.3) {
  std::mt19937 generator(seed);
  std::bernoulli_distribution fires(rate);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = fires(generator) ? T(1) : T(0);
  return values;
}

/// As T, rounded.
template <class T>
std::vector<T> values_of(const std::vector<float>& floats) {
  std::vector<T> values(floats.size());
  std::transform(floats.begin(), floats.end(), values.begin(),
                 [](float value) { return from_float<T>(value); });
  return values;
}

template <class T>
std::vector<float> floats_of(const std::vector<T>& values) {
  std::vector<float> floats(values.size());
  std::transform(values.begin(), values.end(), floats.begin(), [](T value) { return to_float(value); });
  return floats;
}

/// values [num_steps, neurons], 0 or not, as bits (packed_spikes.h).
inline std::vector<std::uint8_t> packed(std::int64_t num_steps, std::int64_t neurons,
                                        const std::vector<float>& values) {
  const std::int64_t stride = packed_bytes(neurons);
  std::vector<std::uint8_t> bits(static_cast<std::size_t>(num_steps * stride), 0);
  for (std::int64_t i = 0; i < num_steps * neurons; ++i) {
    set_bit(bits.data() + i / neurons * stride, i % neurons, values[static_cast<std::size_t>(i)] != 0.0f);
  }
  return bits;
}

/// The number of values that differ by more than the tolerance or are not finite; tolerance 0 asks for equal
/// bits.
template <class T>
std::int64_t mismatches(const std::vector<T>& got, const std::vector<T>& want, double tolerance = 0.0) {
  if (got.size() != want.size()) return -1;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    const bool bits_differ = std::memcmp(&got[i], &want[i], sizeof(T)) != 0;
    if (!(difference <= tolerance) || (tolerance == 0.0 && bits_differ)) ++count;
  }
  return count;
}

template <class T>
double largest(const std::vector<T>& values) {
  double result = 0.0;
  for (const T value : values) result = std::max(result, std::abs(static_cast<double>(value)));
  return result;
}

template <class T>
constexpr double epsilon() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

}  // namespace spikeloom::kernels::test
