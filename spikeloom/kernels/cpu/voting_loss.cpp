#include "spikeloom/kernels/cpu/voting_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/spike_bits.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/vote_loss.h"

namespace spikeloom::kernels::cpu {
namespace {

// Adds the spikes of a sample at a step to the sums of their classes.
struct SpikeSource {
  const std::uint8_t* spikes;
  void add(const VotingSize& size, const std::int32_t* class_of, std::int64_t t, std::int64_t n,
           double* sums) const {
    const std::uint8_t* step = spikes + t * packed_bytes(size.batch * size.population);
    for_each_bit(step, n * size.population, size.population,
                 [&](std::int64_t p) { sums[class_of[p]] += 1.0; });
  }
};

struct ValueSource {
  const float* values;
  void add(const VotingSize& size, const std::int32_t* class_of, std::int64_t t, std::int64_t n,
           double* sums) const {
    const float* row = values + (t * size.batch + n) * size.population;
    for (std::int64_t p = 0; p < size.population; ++p) sums[class_of[p]] += static_cast<double>(row[p]);
  }
};

float vote_of(double sum, double terms) { return terms > 0.0 ? static_cast<float>(sum / terms) : 0.0f; }

template <class T, class Source>
void loss_of(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
             const Source& source, const std::int64_t* labels, const VotingLossOutput<T>& output) {
  if (size.batch == 0 || size.classes == 0) return;
  const VoteLoss loss(size, params);
  const std::int64_t classes = size.classes, groups = VoteLoss::vote_groups(size, params);
  const auto steps = static_cast<double>(size.num_steps),
             group_steps = params.each_step ? 1.0 : static_cast<double>(size.num_steps);
  std::vector<double> members(static_cast<std::size_t>(classes), 0.0);
  for (std::int64_t p = 0; p < size.population; ++p) members[static_cast<std::size_t>(class_of[p])] += 1.0;
  std::vector<double> losses(static_cast<std::size_t>(size.batch));
  std::vector<char> is_right(losses.size());
  const auto run = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(members.size()), step_sums(members.size()),
        gradient(static_cast<std::size_t>(groups * classes));
    std::vector<float> step_votes(params.each_step ? gradient.size() : 0);
    for (std::int64_t n = begin; n < end; ++n) {
      float* const votes = output.votes + n * classes;
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::int64_t t = 0; t < size.num_steps; ++t) {
        if (!params.each_step) {
          source.add(size, class_of, t, n, sums.data());
          continue;
        }
        std::fill(step_sums.begin(), step_sums.end(), 0.0);
        source.add(size, class_of, t, n, step_sums.data());
        for (std::size_t k = 0; k < sums.size(); ++k) {
          sums[k] += step_sums[k];
          step_votes[static_cast<std::size_t>(t * classes) + k] = vote_of(step_sums[k], members[k]);
        }
      }
      for (std::size_t k = 0; k < sums.size(); ++k) votes[k] = vote_of(sums[k], steps * members[k]);
      losses[static_cast<std::size_t>(n)] =
          loss.of_sample(params.each_step ? step_votes.data() : votes, labels[n], classes, gradient.data());
      const std::int64_t best = std::max_element(votes, votes + classes) - votes;
      is_right[static_cast<std::size_t>(n)] = best == labels[n] ? 1 : 0;
      for (std::int64_t t = 0; output.grad_spikes != nullptr && t < size.num_steps; ++t) {
        const double* own = gradient.data() + (params.each_step ? t * classes : 0);
        T* to = output.grad_spikes + (t * size.batch + n) * size.population;
        for (std::int64_t p = 0; p < size.population; ++p) {
          const double terms = group_steps * members[static_cast<std::size_t>(class_of[p])];
          to[p] = from_float<T>(static_cast<float>(own[class_of[p]] / terms));
        }
      }
    }
  };
  for_each_block(make_blocks(size.batch, 1), size.num_steps * size.batch * size.population, run);
  double sum = 0.0;
  unsigned long long right = 0;
  for (std::size_t n = 0; n < losses.size(); ++n) {
    sum += losses[n];
    right += static_cast<unsigned long long>(is_right[n]);
  }
  const double mean = sum * loss.scale();
  if (output.loss != nullptr) *output.loss = mean;
  if (output.loss_sum != nullptr) *output.loss_sum += mean * static_cast<double>(size.batch);
  if (output.correct != nullptr) *output.correct += right;
  if (output.not_finite != nullptr && !std::isfinite(mean)) *output.not_finite = 1;
}

}  // namespace

template <class T>
void voting_loss(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
                 const std::uint8_t* spikes, const std::int64_t* labels, const VotingLossOutput<T>& output) {
  loss_of(size, params, class_of, SpikeSource{spikes}, labels, output);
}

template <class T>
void readout_loss(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
                  const float* values, const std::int64_t* labels, const VotingLossOutput<T>& output) {
  loss_of(size, params, class_of, ValueSource{values}, labels, output);
}

template void voting_loss(const VotingSize&, const VotingLossParams&, const std::int32_t*,
                          const std::uint8_t*, const std::int64_t*, const VotingLossOutput<float>&);
template void voting_loss(const VotingSize&, const VotingLossParams&, const std::int32_t*,
                          const std::uint8_t*, const std::int64_t*, const VotingLossOutput<BFloat16>&);
template void readout_loss(const VotingSize&, const VotingLossParams&, const std::int32_t*, const float*,
                           const std::int64_t*, const VotingLossOutput<float>&);
template void readout_loss(const VotingSize&, const VotingLossParams&, const std::int32_t*, const float*,
                           const std::int64_t*, const VotingLossOutput<BFloat16>&);

}  // namespace spikeloom::kernels::cpu
