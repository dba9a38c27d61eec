#pragma once
// What every neuron kernel (reference, cpu, cuda) takes: the parameters of the iterative LIF neuron and the
// sizes of what it runs over.
#include <cstdint>

namespace spikeloom::kernels {

/// Stand-ins for the derivative of the spike, all with peak 1/width at the threshold and area 1.
/// With x = v_pre - v_threshold and a = width:
///   kRectangular  h = (1/a) [ |x| < a/2 ]                    primitive  clamp(x/a + 1/2, 0, 1)
///   kTriangular   h = (1/a) max(0, 1 - |x|/a)                primitive  its integral (piecewise quadratic)
///   kSigmoid      h = (4/a) s(4x/a) (1 - s(4x/a))            primitive  s(4x/a), s the logistic function
///   kArctan       h = (1/a) / (1 + (pi x/a)^2)               primitive  atan(pi x/a)/pi + 1/2
/// Source: Wu et al. 2019 eq. 14 (rectangular); the others as usual in the field, scaled to the same peak.
enum class Surrogate { kRectangular, kTriangular, kSigmoid, kArctan };

/// What a spike does to the membrane potential: back to v_reset, which is zero in the paper, minus
/// v_threshold, or nothing.
enum class Reset { kZero, kSubtract, kNone };

struct NeuronParams {
  double decay = 0.25;           ///< k_tau1 = 1 - dt/tau, in [0, 1]
  double v_threshold = 0.75;     ///< > 0
  double surrogate_width = 1.0;  ///< a > 0
  Surrogate surrogate = Surrogate::kRectangular;
  Reset reset = Reset::kZero;
  bool detach_reset = false;  ///< cut the gradient's path through the reset
  double current_decay =
      0.0;                 ///< what is left of the synaptic current after a step, in [0, 1]; 0: none is kept
  double v_reset = 0.0;    ///< where Reset::kZero sets the membrane potential, below v_threshold
  bool learnable = false;  ///< decay or threshold are learnt: their gradients are needed
  /// Test mode: the surrogate's primitive replaces the step, so that the exact gradient of the forward pass
  /// is what the backward pass computes. "Spikes" are then real numbers in [0, 1].
  bool smooth = false;
};

/// Memory order: time outermost. input[t * neurons + i], i over [N, H, W, C] in whatever order the caller
/// keeps.
struct LifSize {
  std::int64_t num_steps = 0;
  std::int64_t neurons = 0;
  /// The input holds one step only and is used at every step (a still image through the encoding layer); its
  /// gradient is then the sum over the steps.
  bool static_input = false;
};

/// Gradients of one layer's scalar parameters, summed in double.
struct LifParameterGradients {
  double decay = 0.0;
  double v_threshold = 0.0;
};

}  // namespace spikeloom::kernels
