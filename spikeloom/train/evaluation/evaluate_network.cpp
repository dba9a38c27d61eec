#include "spikeloom/train/evaluation/evaluate_network.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "spikeloom/data/loader.h"
#include "spikeloom/train/evaluation/vote_shares.h"
#include "spikeloom/train/network/firing_rates.h"
#include "spikeloom/train/network/vote_loss.h"

namespace spikeloom::train {
namespace {

// The first `count` samples of a batch [T, N, values].
std::vector<float> first_samples(const data::Batch& batch, const data::SampleShape& shape,
                                 std::int64_t count) {
  const std::int64_t sample = shape.sample_size() / shape.num_steps;
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(shape.num_steps * count * sample));
  for (std::int64_t t = 0; t < shape.num_steps; ++t) {
    const float* const step = batch.inputs + t * batch.size * sample;
    values.insert(values.end(), step, step + count * sample);
  }
  return values;
}

// The result of one process, of its samples -> of all.
void add_up(const Ranks& ranks, EvaluationResult& result, double& loss_sum, VoteShares& shares,
            FiringRates& rates) {
  if (ranks.alone()) return;
  std::vector<double> sums{loss_sum, static_cast<double>(result.samples),
                           static_cast<double>(result.correct)};
  for (const auto& row : result.confusion) sums.insert(sums.end(), row.begin(), row.end());
  const std::vector<double> share_sums = shares.sums();
  sums.insert(sums.end(), share_sums.begin(), share_sums.end());
  for (const auto& layer : rates.layers) sums.insert(sums.end(), {layer.spikes, layer.neuron_steps});
  ranks.add(sums, "results of an evaluation");
  const double* from = sums.data();
  loss_sum = *from++;
  result.samples = static_cast<std::int64_t>(*from++);
  result.correct = static_cast<std::int64_t>(*from++);
  for (auto& row : result.confusion) {
    for (auto& count : row) count = static_cast<std::int64_t>(*from++);
  }
  from = shares.assign(from);
  for (auto& layer : rates.layers) {
    layer.spikes = *from++;
    layer.neuron_steps = *from++;
  }
}

}  // namespace

EvaluationResult evaluate_network(Network& network, const std::shared_ptr<const data::Dataset>& dataset,
                                  const NetworkEvaluation& settings) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  EvaluationResult result;
  const std::size_t classes = dataset->class_names().size();
  const auto voted = static_cast<std::size_t>(network.program().num_classes);
  result.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
  data::LoaderSettings loading;
  loading.batch_size = settings.batch_size * settings.ranks.size();
  loading.part = settings.ranks.rank();
  loading.parts = settings.ranks.size();
  loading.workers = settings.workers;
  data::Loader loader(dataset, loading);
  const std::int64_t total = settings.limit > 0 ? std::min(settings.limit, dataset->size()) : dataset->size();
  // Without spikes in the last layer its outputs are no votes to be shared out.
  const bool votes_by_spikes = network.program().stages.back().neuron.fires();
  VoteShares shares(votes_by_spikes ? voted : 0);
  FiringRates rates;
  double loss_sum = 0.0;
  network.engine().collect();
  engine::Sums nothing;
  nothing.spikes.resize(network.program().stages.size());
  rates.add(network, nothing);  // the same layers in all processes, whatever each evaluates
  while (const data::Batch* batch = loader.next()) {
    const std::int64_t samples = batch->spare ? 0 : std::min(batch->size, total - result.samples);
    if (samples == 0) break;  // the last batch has none for this process
    const auto shape = dataset->shape();
    std::vector<float> part;
    if (samples < batch->size) part = first_samples(*batch, shape, samples);
    const auto votes =
        network.votes(network.batch_of(part.empty() ? batch->inputs : part.data(), shape.num_steps, samples));
    rates.add(network, network.engine().collect());
    for (std::int64_t n = 0; n < samples; ++n) {
      const Span<const float> of_sample(votes.data() + static_cast<std::size_t>(n) * voted, voted);
      const std::int64_t label = batch->labels[n], guess = best_class(of_sample);
      loss_sum += vote_loss(of_sample, label, settings.loss);
      ++result.confusion[static_cast<std::size_t>(label)][static_cast<std::size_t>(guess)];
      result.correct += label == guess ? 1 : 0;
      if (votes_by_spikes) shares.add(label, of_sample);
      if (!settings.keep_predictions) continue;
      result.predictions.push_back({label, guess, {of_sample.begin(), of_sample.end()}});
    }
    result.samples += samples;
    settings.ranks.alive();
    if (settings.progress) settings.progress(std::min(result.samples * settings.ranks.size(), total), total);
    if (result.samples >= total || (settings.stop != nullptr && *settings.stop)) break;
  }
  add_up(settings.ranks, result, loss_sum, shares, rates);
  result.vote_shares = shares.shares();
  if (result.samples > 0) {
    result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.samples);
    result.loss = loss_sum / static_cast<double>(result.samples);
  }
  result.firing_rates = rates.rates();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace spikeloom::train
