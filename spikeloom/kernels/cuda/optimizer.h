#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// One tensor of parameters and what belongs to it; G, the gradient's type, is float or BFloat16.
template <class G>
struct ParameterUpdate {
  std::int64_t count = 0;
  float* weights = nullptr;              ///< [count], updated in place
  const G* gradient = nullptr;           ///< [count]
  BFloat16* weights_bf16 = nullptr;      ///< [count], the rounded weights, or nullptr
  const float* learning_rate = nullptr;  ///< one value in the queue's memory
  float rate_factor = 1.0f;              ///< multiplies the learning rate (a role's)
  float weight_decay = 0.0f;    ///< added to the gradient: weight_decay * weight, unless it is decoupled
  const float* clip = nullptr;  ///< one value in the queue's memory that multiplies the gradient, or nullptr
};

/// LibTorch's SGD, without dampening. With g = clip * gradient + weight_decay * w:
///   b = momentum * b + g,    w = w - rate * b           rate = *learning_rate * rate_factor
///   nesterov:                w = w - rate * (g + momentum * b)
/// momentum_buffer [count]; zero before the first step (LibTorch's first b = g is the same). nullptr only for
/// momentum 0: b = g. Source of Nesterov's form: Sutskever et al., "On the importance of initialization and
/// momentum in deep learning" (ICML 2013), as LibTorch has it.
template <class G>
void sgd_step(const Queue& queue, const ParameterUpdate<G>& update, float momentum, float* momentum_buffer,
              bool nesterov = false);

struct AdamParams {
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  /// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019): weight_decay is not
  /// added to the gradient, but w = w * (1 - rate * weight_decay) comes before the step.
  bool decoupled_decay = false;
};

/// What the number of steps does to Adam, in the queue's memory.
struct AdamCorrection {
  float inverse_first;        ///< 1 / (1 - beta1^step)
  float inverse_root_second;  ///< 1 / sqrt(1 - beta2^step)
};

/// *correction of step *step >= 1 (the step that is about to be made), computed in double.
void adam_correction(const Queue& queue, const AdamParams& params, const std::uint64_t* step,
                     AdamCorrection* correction);

/// LibTorch's Adam, and AdamW with params.decoupled_decay. With g as in sgd_step:
///   m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g^2
///   w = w - (rate * inverse_first) * m / (sqrt(v) * inverse_root_second + epsilon)
/// first_moment m, second_moment v [count], zero before the first step; correction of adam_correction, for
/// all tensors of a step.
template <class G>
void adam_step(const Queue& queue, const ParameterUpdate<G>& update, const AdamParams& params,
               const AdamCorrection* correction, float* first_moment, float* second_moment);

/// Exponential moving average of weights, of which models are evaluated: with d = *decay in [0, 1],
///   a = d a + (1 - d) w
/// decay: one value in the queue's memory; weights, average [count].
void average_step(const Queue& queue, std::int64_t count, const float* decay, const float* weights,
                  float* average);

}  // namespace spikeloom::kernels::cuda
