#include <cfloat>
#include <cmath>

#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/launch.h"
#include "spikeloom/kernels/cuda/voting.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cuda {
namespace {

/// Row = (sample, class); counts are exact in any order.
struct Votes {
  struct Value {
    std::uint32_t members, spikes;
  };
  VotingSize size;
  std::int64_t bit_stride;
  Divisor classes;
  const std::int32_t* class_of;
  const std::uint8_t* bits;
  float* votes;
  double* terms;  ///< [K]: steps * neurons of the class; nullptr: not wanted

  SPIKELOOM_HOST_DEVICE Value partial(std::int64_t row, int lane) const {
    std::int64_t n = row;
    const std::int64_t k = classes.split(n);
    Value value{0, 0};
    for (std::int64_t p = lane; p < size.population; p += kWarpLanes) {
      if (class_of[p] != k) continue;
      ++value.members;
      for (std::int64_t t = 0; t < size.num_steps; ++t) {
        value.spikes += get_bit(bits + t * bit_stride, n * size.population + p) ? 1u : 0u;
      }
    }
    return value;
  }
  SPIKELOOM_HOST_DEVICE static Value add(const Value& lower, const Value& upper) {
    return {lower.members + upper.members, lower.spikes + upper.spikes};
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, const Value& value) const {
    const double count = static_cast<double>(size.num_steps) * value.members;
    votes[row] = count > 0.0 ? static_cast<float>(value.spikes / count) : 0.0f;
    if (terms != nullptr && row < size.classes) terms[row] = count;
  }
};

/// The same of values [T, N, population]: their mean over steps and neurons.
struct ValueVotes {
  struct Value {
    double sum;
    std::int64_t members;
  };
  VotingSize size;
  Divisor classes;
  const std::int32_t* class_of;
  const float* values;
  float* votes;
  double* terms;

  SPIKELOOM_HOST_DEVICE Value partial(std::int64_t row, int lane) const {
    std::int64_t n = row;
    const std::int64_t k = classes.split(n);
    Value value{0.0, 0};
    for (std::int64_t p = lane; p < size.population; p += kWarpLanes) {
      if (class_of[p] != k) continue;
      ++value.members;
      for (std::int64_t t = 0; t < size.num_steps; ++t) {
        value.sum += values[(t * size.batch + n) * size.population + p];
      }
    }
    return value;
  }
  SPIKELOOM_HOST_DEVICE static Value add(const Value& lower, const Value& upper) {
    return {lower.sum + upper.sum, lower.members + upper.members};
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, const Value& value) const {
    const double count = static_cast<double>(size.num_steps) * static_cast<double>(value.members);
    votes[row] = count > 0.0 ? static_cast<float>(value.sum / count) : 0.0f;
    if (terms != nullptr && row < size.classes) terms[row] = count;
  }
};

/// Index = sample: its loss, the gradient of its votes, and 1 when its label has the highest vote.
struct SampleLoss {
  std::int64_t classes;
  VotingLossKind kind;
  double vote_scale, gradient_scale;
  const float* votes;
  const std::int64_t* labels;
  double* losses;
  double* grad_votes;  ///< [N, K]

  SPIKELOOM_HOST_DEVICE unsigned int operator()(std::int64_t n) const {
    const float* own = votes + n * classes;
    double* gradient = grad_votes + n * classes;
    const std::int64_t label = labels[n];
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < classes; ++k) {
      if (own[k] > own[best]) best = k;
    }
    losses[n] = kind == VotingLossKind::kCrossEntropy ? cross_entropy(own, own[best], label, gradient)
                                                      : squares(own, label, gradient);
    if (label < 0 || label >= classes) losses[n] = static_cast<double>(NAN);
    return best == label ? 1u : 0u;
  }

 private:
  SPIKELOOM_HOST_DEVICE double squares(const float* own, std::int64_t label, double* gradient) const {
    double loss = 0.0;
    for (std::int64_t k = 0; k < classes; ++k) {
      const double difference = static_cast<double>(own[k]) - (k == label ? 1.0 : 0.0);
      loss += difference * difference;
      gradient[k] = gradient_scale * 2.0 * difference;
    }
    return loss;
  }
  SPIKELOOM_HOST_DEVICE double cross_entropy(const float* own, float largest, std::int64_t label,
                                             double* gradient) const {
    double sum = 0.0, of_label = 0.0;
    for (std::int64_t k = 0; k < classes; ++k) {
      const double logit = vote_scale * (static_cast<double>(own[k]) - static_cast<double>(largest));
      if (k == label) of_label = logit;
      gradient[k] = exp(logit);
      sum += gradient[k];
    }
    for (std::int64_t k = 0; k < classes; ++k) {
      gradient[k] = gradient_scale * vote_scale * (gradient[k] / sum - (k == label ? 1.0 : 0.0));
    }
    return log(sum) - of_label;
  }
};

/// One row: the batch.
struct BatchLoss {
  using Value = double;
  std::int64_t batch;
  double scale;
  const double* losses;
  double* loss;
  double* loss_sum;
  std::uint32_t* not_finite;

  SPIKELOOM_HOST_DEVICE double partial(std::int64_t, int lane) const {
    double sum = 0.0;
    for (std::int64_t n = lane; n < batch; n += kWarpLanes) sum += losses[n];
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static double add(double lower, double upper) { return lower + upper; }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t, double sum) const {
    const double mean = sum * scale;
    if (loss != nullptr) *loss = mean;
    if (loss_sum != nullptr) *loss_sum += mean * static_cast<double>(batch);
    if (not_finite != nullptr && !(fabs(mean) <= DBL_MAX)) *not_finite = 1u;
  }
};

/// Index = (sample, neuron): all steps.
template <class T>
struct SpreadGradient {
  VotingSize size;
  Divisor population;
  const std::int32_t* class_of;
  const double* grad_votes;
  const double* terms;
  T* grad_spikes;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t n = index;
    const std::int64_t k = class_of[population.split(n)];
    const T value = from_float<T>(static_cast<float>(grad_votes[n * size.classes + k] / terms[k]));
    for (std::int64_t t = 0; t < size.num_steps; ++t)
      grad_spikes[t * size.batch * size.population + index] = value;
  }
};

void count_votes(const Queue& queue, const char* kernel, const VotingSize& size, const std::int32_t* class_of,
                 const std::uint8_t* spikes, float* votes, double* terms) {
  reduce_rows<kWarpLanes>(queue, kernel, size.batch * size.classes,
                          Votes{size, packed_bytes(size.batch * size.population), Divisor(size.classes),
                                class_of, spikes, votes, terms});
}

void count_votes(const Queue& queue, const char* kernel, const VotingSize& size, const std::int32_t* class_of,
                 const float* values, float* votes, double* terms) {
  reduce_rows<kWarpLanes>(queue, kernel, size.batch * size.classes,
                          ValueVotes{size, Divisor(size.classes), class_of, values, votes, terms});
}

}  // namespace

void voting(const Queue& queue, const VotingSize& size, const std::int32_t* class_of,
            const std::uint8_t* spikes, float* votes) {
  count_votes(queue, "voting", size, class_of, spikes, votes, nullptr);
}

void voting(const Queue& queue, const VotingSize& size, const std::int32_t* class_of, const float* values,
            float* votes) {
  count_votes(queue, "voting", size, class_of, values, votes, nullptr);
}

std::int64_t voting_loss_workspace(const VotingSize& size) {
  // Losses of the samples, terms of the classes, gradients of the votes.
  return (size.batch + size.classes + size.batch * size.classes) * static_cast<std::int64_t>(sizeof(double));
}

namespace {

// Input: bits of spikes, or values.
template <class Input, class T>
void loss_of(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
             const std::int32_t* class_of, const Input* input, const std::int64_t* labels,
             const VotingLossOutput<T>& output, void* workspace) {
  const char* kernel = "voting_loss";
  if (size.batch == 0 || size.classes == 0) return;
  auto* losses = static_cast<double*>(workspace);
  double* terms = losses + size.batch;
  double* grad_votes = terms + size.classes;
  const bool over_classes = params.kind == VotingLossKind::kMeanSquares;
  const double scale = 1.0 / static_cast<double>(size.batch * (over_classes ? size.classes : 1));
  count_votes(queue, kernel, size, class_of, input, output.votes, terms);
  for_each_counted(queue, kernel, size.batch,
                   SampleLoss{size.classes, params.kind, params.vote_scale, scale, output.votes, labels,
                              losses, grad_votes},
                   output.correct);
  reduce_rows<kWarpLanes>(
      queue, kernel, 1,
      BatchLoss{size.batch, scale, losses, output.loss, output.loss_sum, output.not_finite});
  if (output.grad_spikes == nullptr) return;
  for_each(
      queue, kernel, size.batch * size.population,
      SpreadGradient<T>{size, Divisor(size.population), class_of, grad_votes, terms, output.grad_spikes});
}

}  // namespace

template <class T>
void voting_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                 const std::int32_t* class_of, const std::uint8_t* spikes, const std::int64_t* labels,
                 const VotingLossOutput<T>& output, void* workspace) {
  loss_of(queue, size, params, class_of, spikes, labels, output, workspace);
}

void voting_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                 const std::int32_t* class_of, const float* values, const std::int64_t* labels,
                 const VotingLossOutput<float>& output, void* workspace) {
  loss_of(queue, size, params, class_of, values, labels, output, workspace);
}

template void voting_loss(const Queue&, const VotingSize&, const VotingLossParams&, const std::int32_t*,
                          const std::uint8_t*, const std::int64_t*, const VotingLossOutput<float>&, void*);
template void voting_loss(const Queue&, const VotingSize&, const VotingLossParams&, const std::int32_t*,
                          const std::uint8_t*, const std::int64_t*, const VotingLossOutput<BFloat16>&, void*);

}  // namespace spikeloom::kernels::cuda
