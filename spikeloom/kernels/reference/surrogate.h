#pragma once
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::kernels::reference {

constexpr double kPi = 3.14159265358979323846;

/// The stand-in for d spike / d v_pre at x = v_pre - v_threshold, for a width a > 0: peak 1/a, area 1.
/// Formulas and source: Surrogate in neuron_params.h. Never throws.
template <class T>
T surrogate_derivative(Surrogate surrogate, T x, std::common_type_t<T> width) {
  const T inverse = T(1) / width;
  switch (surrogate) {
    case Surrogate::kRectangular:
      return std::abs(x) < width * T(0.5) ? inverse : T(0);
    case Surrogate::kTriangular:
      return inverse * std::max(T(0), T(1) - std::abs(x) * inverse);
    case Surrogate::kSigmoid: {
      // s (1 - s) = e / (1 + e)^2 with e = exp(-|z|): no overflow, no cancellation.
      const T slope = T(4) * inverse;
      const T e = std::exp(-std::abs(slope * x));
      return slope * e / ((T(1) + e) * (T(1) + e));
    }
    case Surrogate::kArctan: {
      const T z = static_cast<T>(kPi) * inverse * x;
      return inverse / (T(1) + z * z);
    }
  }
  return T(0);
}

/// The integral of surrogate_derivative from -infinity to x, in [0, 1]: the spike of smooth mode. Never
/// throws.
template <class T>
T surrogate_primitive(Surrogate surrogate, T x, std::common_type_t<T> width) {
  const T y = x / width;
  switch (surrogate) {
    case Surrogate::kRectangular:
      return std::min(T(1), std::max(T(0), y + T(0.5)));
    case Surrogate::kTriangular: {
      const T rest = std::max(T(0), T(1) - std::abs(y));
      return y < T(0) ? rest * rest * T(0.5) : T(1) - rest * rest * T(0.5);
    }
    case Surrogate::kSigmoid: {
      const T e = std::exp(-std::abs(T(4) * y));
      return (y < T(0) ? e : T(1)) / (T(1) + e);
    }
    case Surrogate::kArctan:
      return std::atan(static_cast<T>(kPi) * y) / static_cast<T>(kPi) + T(0.5);
  }
  return T(0);
}

}  // namespace spikeloom::kernels::reference
