#include <cfloat>
#include <cmath>

#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/launch.h"
#include "spikeloom/kernels/cuda/voting.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/vote_loss.h"

namespace spikeloom::kernels::cuda {
namespace {

/// The spike, or the value, of neuron p of a sample at a step.
struct SpikeSource {
  const std::uint8_t* bits;
  std::int64_t bit_stride;
  SPIKELOOM_HOST_DEVICE double at(const VotingSize& size, std::int64_t t, std::int64_t n,
                                  std::int64_t p) const {
    return get_bit(bits + t * bit_stride, n * size.population + p) ? 1.0 : 0.0;
  }
};
struct ValueSource {
  const float* values;
  SPIKELOOM_HOST_DEVICE double at(const VotingSize& size, std::int64_t t, std::int64_t n,
                                  std::int64_t p) const {
    return static_cast<double>(values[(t * size.batch + n) * size.population + p]);
  }
};

/// Row = (group of steps, sample, class); counts of spikes are exact in any order.
template <class Source>
struct Votes {
  struct Value {
    double members, sum;
  };
  VotingSize size;
  std::int64_t group_steps;
  Divisor classes, batch;
  const std::int32_t* class_of;
  Source source;
  float* votes;
  double* terms;  ///< [K]: steps of a group * neurons of the class; nullptr: not wanted

  SPIKELOOM_HOST_DEVICE Value partial(std::int64_t row, int lane) const {
    std::int64_t group = row;
    const std::int64_t k = classes.split(group), n = batch.split(group);
    Value value{0.0, 0.0};
    for (std::int64_t p = lane; p < size.population; p += kWarpLanes) {
      if (class_of[p] != k) continue;
      value.members += 1.0;
      for (std::int64_t t = group * group_steps; t < (group + 1) * group_steps; ++t) {
        value.sum += source.at(size, t, n, p);
      }
    }
    return value;
  }
  SPIKELOOM_HOST_DEVICE static Value add(const Value& lower, const Value& upper) {
    return {lower.members + upper.members, lower.sum + upper.sum};
  }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t row, const Value& value) const {
    const double count = static_cast<double>(group_steps) * value.members;
    votes[row] = count > 0.0 ? static_cast<float>(value.sum / count) : 0.0f;
    if (terms != nullptr && row < size.classes) terms[row] = count;
  }
};

/// Index = sample: its loss, the gradient of its votes, and 1 when its label has the highest vote.
struct SampleLoss {
  VoteLoss loss;
  std::int64_t batch, classes;
  const float* votes;        ///< [N, K], over all steps
  const float* group_votes;  ///< [groups, N, K]
  const std::int64_t* labels;
  double* losses;
  double* grad_votes;  ///< [groups, N, K]

  SPIKELOOM_HOST_DEVICE unsigned int operator()(std::int64_t n) const {
    const float* own = votes + n * classes;
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < classes; ++k) {
      if (own[k] > own[best]) best = k;
    }
    losses[n] =
        loss.of_sample(group_votes + n * classes, labels[n], batch * classes, grad_votes + n * classes);
    return best == labels[n] ? 1u : 0u;
  }
};

/// One row: the samples, of `whole` that the loss is the mean over.
struct BatchLoss {
  using Value = double;
  std::int64_t batch, whole;
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
    if (loss_sum != nullptr) *loss_sum += mean * static_cast<double>(whole);
    if (not_finite != nullptr && !(fabs(mean) <= DBL_MAX)) *not_finite = 1u;
  }
};

/// Index = (sample, neuron): all steps.
template <class T>
struct SpreadGradient {
  VotingSize size;
  bool each_step;
  Divisor population;
  const std::int32_t* class_of;
  const double* grad_votes;
  const double* terms;
  T* grad_spikes;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t n = index;
    const std::int64_t k = class_of[population.split(n)], at = n * size.classes + k;
    const std::int64_t group = each_step ? size.batch * size.classes : 0;
    T value = from_float<T>(static_cast<float>(grad_votes[at] / terms[k]));
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      if (each_step) value = from_float<T>(static_cast<float>(grad_votes[t * group + at] / terms[k]));
      grad_spikes[t * size.batch * size.population + index] = value;
    }
  }
};

template <class Source>
void count_votes(const Queue& queue, const char* kernel, const VotingSize& size, std::int64_t groups,
                 const std::int32_t* class_of, const Source& source, float* votes, double* terms) {
  reduce_rows<kWarpLanes>(queue, kernel, groups * size.batch * size.classes,
                          Votes<Source>{size, groups == 1 ? size.num_steps : 1, Divisor(size.classes),
                                        Divisor(size.batch), class_of, source, votes, terms});
}

SpikeSource spikes_of(const VotingSize& size, const std::uint8_t* spikes) {
  return {spikes, packed_bytes(size.batch * size.population)};
}

template <class T, class Source>
void run_loss(const Queue& queue, const char* kernel, const VotingSize& size, const VotingLossParams& params,
              const std::int32_t* class_of, const Source& source, const std::int64_t* labels,
              const VotingLossOutput<T>& output, void* workspace) {
  if (size.batch == 0 || size.classes == 0) return;
  const std::int64_t groups = VoteLoss::vote_groups(size, params), row = size.batch * size.classes;
  auto* losses = static_cast<double*>(workspace);
  double* terms = losses + size.batch;
  double* grad_votes = terms + size.classes;
  auto* step_votes = reinterpret_cast<float*>(grad_votes + groups * row);
  const VoteLoss loss(size, params);
  count_votes(queue, kernel, size, 1, class_of, source, output.votes, terms);
  const float* group_votes = output.votes;
  if (groups > 1) {
    count_votes(queue, kernel, size, groups, class_of, source, step_votes, terms);
    group_votes = step_votes;
  }
  for_each_counted(
      queue, kernel, size.batch,
      SampleLoss{loss, size.batch, size.classes, output.votes, group_votes, labels, losses, grad_votes},
      output.correct);
  reduce_rows<kWarpLanes>(queue, kernel, 1,
                          BatchLoss{size.batch, params.mean_over(size.batch), loss.scale(), losses,
                                    output.loss, output.loss_sum, output.not_finite});
  if (output.grad_spikes == nullptr) return;
  for_each(queue, kernel, size.batch * size.population,
           SpreadGradient<T>{size, groups > 1, Divisor(size.population), class_of, grad_votes, terms,
                             output.grad_spikes});
}

}  // namespace

void voting(const Queue& queue, const VotingSize& size, const std::int32_t* class_of,
            const std::uint8_t* spikes, float* votes) {
  count_votes(queue, "voting", size, 1, class_of, spikes_of(size, spikes), votes, nullptr);
}

void readout(const Queue& queue, const VotingSize& size, const std::int32_t* class_of, const float* values,
             float* votes) {
  count_votes(queue, "readout", size, 1, class_of, ValueSource{values}, votes, nullptr);
}

std::int64_t voting_loss_workspace(const VotingSize& size, const VotingLossParams& params) {
  // Losses of the samples, terms of the classes, gradients of the votes, votes of the steps.
  const std::int64_t groups = VoteLoss::vote_groups(size, params), row = size.batch * size.classes;
  const std::int64_t doubles = size.batch + size.classes + groups * row,
                     floats = groups > 1 ? groups * row : 0;
  return doubles * static_cast<std::int64_t>(sizeof(double)) +
         floats * static_cast<std::int64_t>(sizeof(float));
}

template <class T>
void voting_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                 const std::int32_t* class_of, const std::uint8_t* spikes, const std::int64_t* labels,
                 const VotingLossOutput<T>& output, void* workspace) {
  run_loss(queue, "voting_loss", size, params, class_of, spikes_of(size, spikes), labels, output, workspace);
}

template <class T>
void readout_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                  const std::int32_t* class_of, const float* values, const std::int64_t* labels,
                  const VotingLossOutput<T>& output, void* workspace) {
  run_loss(queue, "readout_loss", size, params, class_of, ValueSource{values}, labels, output, workspace);
}

template void voting_loss(const Queue&, const VotingSize&, const VotingLossParams&, const std::int32_t*,
                          const std::uint8_t*, const std::int64_t*, const VotingLossOutput<float>&, void*);
template void voting_loss(const Queue&, const VotingSize&, const VotingLossParams&, const std::int32_t*,
                          const std::uint8_t*, const std::int64_t*, const VotingLossOutput<BFloat16>&, void*);
template void readout_loss(const Queue&, const VotingSize&, const VotingLossParams&, const std::int32_t*,
                           const float*, const std::int64_t*, const VotingLossOutput<float>&, void*);
template void readout_loss(const Queue&, const VotingSize&, const VotingLossParams&, const std::int32_t*,
                           const float*, const std::int64_t*, const VotingLossOutput<BFloat16>&, void*);

}  // namespace spikeloom::kernels::cuda
