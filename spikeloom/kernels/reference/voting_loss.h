#pragma once
// Losses of votes. A voting neuron p of class k(p), P_k neurons a class; s is the spike, or the value of a
// readout without spikes (an artificial network has T = 1):
//   votes_t[n][k] = sum_{p: k(p) = k} s[t, n, p] / P_k,     votes[n][k] = sum_t votes_t[n][k] / T
// The target of a sample with label y, smoothed by eps:   q[k] = (1 - eps) [k = y] + eps / K
// Loss of votes v of a sample:
//   kMeanSquares   D(v) = sum_k (v[k] - q[k])^2 / K                   dD/dv[k] = 2 (v[k] - q[k]) / K
//   kSumOfSquares  D(v) = sum_k (v[k] - q[k])^2                       dD/dv[k] = 2 (v[k] - q[k])
//   kCrossEntropy  D(v) = -sum_k q[k] log softmax(vote_scale v)[k]    dD/dv[k] = vote_scale (softmax - q)[k]
// Loss of the batch, with w = tet_weight and phi = tet_target:
//   L = sum_n D(votes[n]) / N
//   each_step: L = sum_n sum_t { (1 - w) D(votes_t[n]) + w sum_k (votes_t[n][k] - phi)^2 / K } / (T N)
// The latter with kCrossEntropy is L_TET = (1 - lambda) L_CE-per-step + lambda L_MSE of Deng et al.,
// "Temporal efficient training of spiking neural network via gradient re-weighting" (ICLR 2022), where phi is
// the threshold.
//   dL/ds[t, n, p] = dL/dvotes_t[n][k(p)] / P_k,   or without each_step dL/dvotes[n][k(p)] / (T P_k)
// A class without neurons has votes of 0. Of a part of a batch the sums run over its samples, and N is the
// batch's (whole_batch): the parts' losses and gradients add up to the batch's.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/reference/voting.h"
#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels::reference {

/// D and dD/dv [K] of one sample; a label outside of [0, K) makes the loss NaN.
template <class V>
double sample_loss(const VotingLossParams& params, std::int64_t classes, const V* votes, std::int64_t label,
                   double* gradient) {
  const auto count = static_cast<double>(classes);
  const auto vote = [&](std::int64_t k) { return static_cast<double>(votes[k]); };
  double largest = vote(0), sum = 0.0, loss = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) largest = vote(k) > largest ? vote(k) : largest;
  for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(params.vote_scale * (vote(k) - largest));
  for (std::int64_t k = 0; k < classes; ++k) {
    const double q =
        (1.0 - params.label_smoothing) * (k == label ? 1.0 : 0.0) + params.label_smoothing / count;
    if (params.kind == VotingLossKind::kCrossEntropy) {
      const double logit = params.vote_scale * (vote(k) - largest);
      loss += q * (std::log(sum) - logit);
      gradient[k] = params.vote_scale * (std::exp(logit) / sum - q);
    } else {
      const double unit = params.kind == VotingLossKind::kMeanSquares ? 1.0 / count : 1.0;
      loss += unit * (vote(k) - q) * (vote(k) - q);
      gradient[k] = unit * 2.0 * (vote(k) - q);
    }
  }
  return label < 0 || label >= classes ? std::numeric_limits<double>::quiet_NaN() : loss;
}

/// values [T, N, P], labels [N], class_of [P] -> what `output` asks for; V = float or double, T what the
/// gradient is rounded to. A batch, or a number of classes, of 0 writes nothing. Never throws.
template <class T, class V>
void readout_loss(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
                  const V* values, const std::int64_t* labels, const VotingLossOutput<T, V>& output) {
  if (size.batch == 0 || size.classes == 0) return;
  const std::int64_t row = size.batch * size.classes, groups = params.each_step ? size.num_steps : 1;
  const std::int64_t group_steps = params.each_step ? 1 : size.num_steps;
  const VotingSize group{group_steps, size.batch, size.population, size.classes};
  voting_forward(size, class_of, values, output.votes);
  const std::int64_t whole = params.mean_over(size.batch);
  const double weight = (params.counted ? 1.0 : 0.0) / static_cast<double>(groups * whole),
               own = params.each_step ? 1.0 - params.tet_weight : 1.0;
  double loss = 0.0;
  std::vector<double> gradients(static_cast<std::size_t>(groups * row));
  for (std::int64_t g = 0; g < groups; ++g) {
    std::vector<V> votes(static_cast<std::size_t>(row));
    voting_forward(group, class_of, values + g * group_steps * size.batch * size.population, votes.data());
    for (std::int64_t n = 0; n < size.batch; ++n) {
      const V* of_sample = votes.data() + n * size.classes;
      double* gradient = gradients.data() + g * row + n * size.classes;
      loss += weight * own * sample_loss(params, size.classes, of_sample, labels[n], gradient);
      for (std::int64_t k = 0; k < size.classes; ++k) {
        gradient[k] *= weight * own;
        if (!params.each_step) continue;
        const double unit = weight * params.tet_weight / static_cast<double>(size.classes);
        const double distance = static_cast<double>(of_sample[k]) - params.tet_target;
        loss += unit * distance * distance;
        gradient[k] += unit * 2.0 * distance;
      }
    }
  }
  for (std::int64_t i = 0; output.grad_spikes != nullptr && i < size.num_steps * size.batch * size.population;
       ++i) {
    const std::int64_t p = i % size.population, n = i / size.population % size.batch,
                       t = i / size.population / size.batch;
    const std::int64_t k = class_of[p], at = (params.each_step ? t : 0) * row + n * size.classes + k;
    const auto terms = static_cast<double>(group_steps * class_population(size, class_of, k));
    const double value = gradients[static_cast<std::size_t>(at)] / terms;
    if constexpr (sizeof(T) == 8) {
      output.grad_spikes[i] = value;
    } else {
      output.grad_spikes[i] = from_float<T>(static_cast<float>(value));
    }
  }
  for (std::int64_t n = 0; output.correct != nullptr && n < size.batch; ++n) {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < size.classes; ++k) {
      if (output.votes[n * size.classes + k] > output.votes[n * size.classes + best]) best = k;
    }
    *output.correct += best == labels[n] ? 1 : 0;
  }
  if (output.loss != nullptr) *output.loss = loss;
  if (output.loss_sum != nullptr) *output.loss_sum += loss * static_cast<double>(whole);
  if (output.not_finite != nullptr && !std::isfinite(loss)) *output.not_finite = 1;
}

/// The same of packed spikes [T, packed_bytes(N * P)].
template <class T>
void voting_loss(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
                 const std::uint8_t* spikes, const std::int64_t* labels, const VotingLossOutput<T>& output) {
  const std::int64_t neurons = size.batch * size.population;
  std::vector<float> values(static_cast<std::size_t>(size.num_steps * neurons));
  for (std::int64_t t = 0; t < size.num_steps; ++t) {
    for (std::int64_t i = 0; i < neurons; ++i) {
      const bool fired = get_bit(spikes + t * packed_bytes(neurons), i);
      values[static_cast<std::size_t>(t * neurons + i)] = fired ? 1.0f : 0.0f;
    }
  }
  readout_loss(size, params, class_of, values.data(), labels, output);
}

}  // namespace spikeloom::kernels::reference
