#include <cmath>

#include "spikeloom/kernels/cuda/octet.h"
#include "spikeloom/kernels/cuda/optimizer.h"

namespace spikeloom::kernels::cuda {
namespace {

/// What the functors below have in common: index = octet of parameters, the last one may be shorter.
template <class G>
struct UpdateArguments {
  ParameterUpdate<G> update;
  bool in_vectors;
  float added_decay;  ///< weight decay that the gradient gets

  /// Weights and gradients of the octet; the gradients with clipping and weight decay.
  SPIKELOOM_HOST_DEVICE void load(std::int64_t at, std::int64_t left, float (&weights)[8],
                                  float (&gradients)[8]) const {
    load_floats(update.weights + at, left, weights);
    const RawOctet<G> raw = load_some(update.gradient + at, is_whole(left), left);
    // Conditions are outside of the loops, so that the host's compiler makes vectors of them; 1 changes no
    // bit.
    const float clip = update.clip != nullptr ? *update.clip : 1.0f;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) gradients[i] = value_of(raw, i) * clip;
    if (added_decay == 0.0f) return;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) gradients[i] += added_decay * weights[i];
  }
  SPIKELOOM_HOST_DEVICE void store(std::int64_t at, std::int64_t left, const float (&weights)[8]) const {
    store_floats(weights, left, update.weights + at);
    if (update.weights_bf16 != nullptr) {
      store_some(raw_of<BFloat16>(weights), is_whole(left), left, update.weights_bf16 + at);
    }
  }
  SPIKELOOM_HOST_DEVICE void load_floats(const float* from, std::int64_t left, float (&values)[8]) const {
    const RawOctet<float> raw = load_some(from, is_whole(left), left);
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) values[i] = value_of(raw, i);
  }
  SPIKELOOM_HOST_DEVICE void store_floats(const float (&values)[8], std::int64_t left, float* to) const {
    store_some(raw_of<float>(values), is_whole(left), left, to);
  }
  SPIKELOOM_HOST_DEVICE bool is_whole(std::int64_t left) const { return in_vectors && left >= 8; }
  SPIKELOOM_HOST_DEVICE float rate() const { return *update.learning_rate * update.rate_factor; }
};

template <class G>
UpdateArguments<G> arguments_of(const ParameterUpdate<G>& update, const float* first, const float* second) {
  return {update,
          is_aligned(update.weights) && is_aligned(update.gradient) && is_aligned(update.weights_bf16) &&
              is_aligned(first) && is_aligned(second),
          update.weight_decay};
}

template <class G>
struct Sgd {
  UpdateArguments<G> a;
  float momentum;
  float* buffer;
  bool nesterov;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const std::int64_t at = octet * 8, left = a.update.count - at;
    float weights[8], gradients[8], velocity[8];
    a.load(at, left, weights, gradients);
    if (buffer != nullptr) {
      a.load_floats(buffer + at, left, velocity);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) velocity[i] = momentum * velocity[i] + gradients[i];
      a.store_floats(velocity, left, buffer + at);
      if (nesterov) {
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8; ++i) gradients[i] += momentum * velocity[i];
      } else {
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8; ++i) gradients[i] = velocity[i];
      }
    }
    const float rate = a.rate();
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) weights[i] -= rate * gradients[i];
    a.store(at, left, weights);
  }
};

template <class G>
struct Adam {
  UpdateArguments<G> a;
  float beta1, beta2, rest1, rest2, epsilon;  ///< rest = 1 - beta
  float decoupled_decay;
  const AdamCorrection* correction;
  float* first_moment;
  float* second_moment;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const std::int64_t at = octet * 8, left = a.update.count - at;
    float weights[8], gradients[8], first[8], second[8];
    a.load(at, left, weights, gradients);
    a.load_floats(first_moment + at, left, first);
    a.load_floats(second_moment + at, left, second);
    if (decoupled_decay != 0.0f) {
      const float kept = 1.0f - a.rate() * decoupled_decay;
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) weights[i] *= kept;
    }
    const float step = a.rate() * correction->inverse_first, inverse_root = correction->inverse_root_second;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      first[i] = beta1 * first[i] + rest1 * gradients[i];
      second[i] = beta2 * second[i] + rest2 * gradients[i] * gradients[i];
      weights[i] -= step * first[i] / (sqrtf(second[i]) * inverse_root + epsilon);
    }
    a.store_floats(first, left, first_moment + at);
    a.store_floats(second, left, second_moment + at);
    a.store(at, left, weights);
  }
};

struct Average {
  std::int64_t count;
  bool in_vectors;
  const float* decay;
  const float* weights;
  float* average;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const std::int64_t at = octet * 8, left = count - at;
    const bool whole = in_vectors && left >= 8;
    const RawOctet<float> own = load_some(weights + at, whole, left),
                          before = load_some(average + at, whole, left);
    const float kept = *decay, rest = 1.0f - kept;
    float result[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) result[i] = kept * value_of(before, i) + rest * value_of(own, i);
    store_some(raw_of<float>(result), whole, left, average + at);
  }
};

struct Correction {
  double beta1, beta2;
  const std::uint64_t* step;
  AdamCorrection* correction;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t) const {
    const auto count = static_cast<double>(*step);
    correction->inverse_first = static_cast<float>(1.0 / (1.0 - pow(beta1, count)));
    correction->inverse_root_second = static_cast<float>(1.0 / sqrt(1.0 - pow(beta2, count)));
  }
};

}  // namespace

template <class G>
void sgd_step(const Queue& queue, const ParameterUpdate<G>& update, float momentum, float* momentum_buffer,
              bool nesterov) {
  for_each(queue, "sgd_step", (update.count + 7) / 8,
           Sgd<G>{arguments_of(update, momentum_buffer, nullptr), momentum, momentum_buffer, nesterov});
}

void average_step(const Queue& queue, std::int64_t count, const float* decay, const float* weights,
                  float* average) {
  for_each(queue, "average_step", (count + 7) / 8,
           Average{count, is_aligned(weights) && is_aligned(average), decay, weights, average});
}

void adam_correction(const Queue& queue, const AdamParams& params, const std::uint64_t* step,
                     AdamCorrection* correction) {
  for_each(queue, "adam_correction", 1, Correction{params.beta1, params.beta2, step, correction});
}

template <class G>
void adam_step(const Queue& queue, const ParameterUpdate<G>& update, const AdamParams& params,
               const AdamCorrection* correction, float* first_moment, float* second_moment) {
  UpdateArguments<G> arguments = arguments_of(update, first_moment, second_moment);
  if (params.decoupled_decay) arguments.added_decay = 0.0f;
  for_each(queue, "adam_step", (update.count + 7) / 8,
           Adam<G>{arguments, static_cast<float>(params.beta1), static_cast<float>(params.beta2),
                   static_cast<float>(1.0 - params.beta1), static_cast<float>(1.0 - params.beta2),
                   static_cast<float>(params.epsilon), params.decoupled_decay ? update.weight_decay : 0.0f,
                   correction, first_moment, second_moment});
}

template void sgd_step(const Queue&, const ParameterUpdate<float>&, float, float*, bool);
template void sgd_step(const Queue&, const ParameterUpdate<BFloat16>&, float, float*, bool);
template void adam_step(const Queue&, const ParameterUpdate<float>&, const AdamParams&, const AdamCorrection*,
                        float*, float*);
template void adam_step(const Queue&, const ParameterUpdate<BFloat16>&, const AdamParams&,
                        const AdamCorrection*, float*, float*);

}  // namespace spikeloom::kernels::cuda
