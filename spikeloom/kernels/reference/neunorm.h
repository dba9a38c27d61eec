#pragma once
// NeuNorm (Wu et al. 2019, eq. 9 and 10): one auxiliary map a layer, without threshold or reset.
//   x[t](p)        = decay * x[t-1](p) + coefficient * sum_c spikes[t](p, c)        x[-1] = 0
//   output[t](p,c) = spikes[t](p, c) - u(p, c) * x[t](p)                            u(p) when it is shared
// Backward, with g = grad_output and dx = dL/dx:
//   dx[t](p)            = -sum_c u(p, c) g[t](p, c) + decay * dx[t+1](p)            dx[T] = 0
//   grad_spikes[t](p,c) = g[t](p, c) + coefficient * dx[t](p)
//   grad_u(p, c)        = -sum_{t,n} g[t](p, c) x[t](p)                             summed over c too when u
//   is shared
#include <cstdint>

#include "spikeloom/kernels/neunorm_params.h"

namespace spikeloom::kernels::reference {

/// NeuNorm over all steps: spikes [T, N, P, C], u [P, C] or [P] when shared -> x [T, N, P], output [T, N, P,
/// C]. The sum over channels runs in double (exact for spikes). Never throws.
template <class T>
void neunorm_forward(const NeuNormSize& size, const NeuNormParams& params, const T* spikes, const T* u, T* x,
                     T* output) {
  const T decay = static_cast<T>(params.decay);
  const T coefficient = static_cast<T>(params.coefficient);
  const std::int64_t maps = size.batch * size.positions;
  for (std::int64_t t = 0; t < size.num_steps; ++t) {
    for (std::int64_t i = 0; i < maps; ++i) {
      const std::int64_t position = i % size.positions;
      const T* in = spikes + (t * maps + i) * size.channels;
      T* out = output + (t * maps + i) * size.channels;
      double sum = 0.0;
      for (std::int64_t c = 0; c < size.channels; ++c) sum += static_cast<double>(in[c]);
      const T before = t > 0 ? x[(t - 1) * maps + i] : T(0);
      const T now = decay * before + coefficient * static_cast<T>(sum);
      x[t * maps + i] = now;
      for (std::int64_t c = 0; c < size.channels; ++c) {
        const T weight = size.shared_u ? u[position] : u[position * size.channels + c];
        out[c] = in[c] - weight * now;
      }
    }
  }
}

/// Gradient of neunorm_forward, exact: grad_output [T, N, P, C], x [T, N, P] -> grad_spikes [T, N, P, C] and,
/// unless nullptr, grad_u (shaped like u, overwritten, summed in double). Never throws.
template <class T>
void neunorm_backward(const NeuNormSize& size, const NeuNormParams& params, const T* grad_output, const T* u,
                      const T* x, T* grad_spikes, T* grad_u) {
  const T decay = static_cast<T>(params.decay);
  const T coefficient = static_cast<T>(params.coefficient);
  const std::int64_t maps = size.batch * size.positions;
  for (std::int64_t i = 0; i < maps; ++i) {
    const std::int64_t position = i % size.positions;
    T dx = T(0);
    for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
      const T* g = grad_output + (t * maps + i) * size.channels;
      T* out = grad_spikes + (t * maps + i) * size.channels;
      double sum = 0.0;
      for (std::int64_t c = 0; c < size.channels; ++c) {
        const T weight = size.shared_u ? u[position] : u[position * size.channels + c];
        sum += static_cast<double>(weight) * static_cast<double>(g[c]);
      }
      dx = decay * dx - static_cast<T>(sum);
      for (std::int64_t c = 0; c < size.channels; ++c) out[c] = g[c] + coefficient * dx;
    }
  }
  if (grad_u == nullptr) return;
  const std::int64_t weights = size.shared_u ? 1 : size.channels;  // a position
  const std::int64_t terms = size.shared_u ? size.channels : 1;    // channels that share one weight
  for (std::int64_t position = 0; position < size.positions; ++position) {
    for (std::int64_t w = 0; w < weights; ++w) {
      double sum = 0.0;
      for (std::int64_t tn = 0; tn < size.num_steps * size.batch; ++tn) {
        const std::int64_t i = tn * size.positions + position;
        for (std::int64_t k = 0; k < terms; ++k) {
          sum -= static_cast<double>(grad_output[i * size.channels + w + k]) * static_cast<double>(x[i]);
        }
      }
      grad_u[position * weights + w] = static_cast<T>(sum);
    }
  }
}

}  // namespace spikeloom::kernels::reference
