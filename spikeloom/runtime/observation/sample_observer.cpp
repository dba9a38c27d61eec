#include "spikeloom/runtime/observation/sample_observer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "spikeloom/runtime/index.h"

namespace spikeloom::runtime {
namespace {

constexpr double kLowest = -6.0, kHighest = 4.0;  // thresholds
constexpr int kPotentialBins = 50;
constexpr std::size_t kMostPotentials = 1024;  // of a layer and step: a histogram needs no more

void add_all(const std::vector<std::int64_t>& from, std::vector<std::int64_t>& to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

/// Every so many of `neurons`, so that about kMostPotentials are met: a distance without a factor in common
/// with their number, since one that divides the number of channels would meet the same channels at every
/// pixel.
std::size_t distance_between(std::size_t neurons) {
  std::size_t distance = (neurons + kMostPotentials - 1) / kMostPotentials;
  while (distance > 1 && std::gcd(distance, neurons) != 1) ++distance;
  return std::max<std::size_t>(1, distance);
}

/// Of all neurons so many of those that fired, evenly spaced.
void keep_active(std::int64_t most, report::LayerRaster& layer) {
  std::vector<std::int64_t> active;
  for (std::size_t i = 0; i < layer.trains.size(); ++i)
    if (layer.trains[i].find('1') != std::string::npos) active.push_back(static_cast<std::int64_t>(i));
  layer.active = static_cast<std::int64_t>(active.size());
  const std::int64_t shown = std::min(layer.active, std::max<std::int64_t>(1, most));
  std::vector<std::string> trains;
  for (std::int64_t i = 0; i < shown; ++i) {
    layer.shown.push_back(active[at(i * layer.active / shown)]);
    trains.push_back(std::move(layer.trains[at(layer.shown.back())]));
  }
  layer.trains = std::move(trains);
}

}  // namespace

Confidence confidence_of(const train::Recipe& recipe) {
  Confidence result;
  result.softmax = recipe.loss.kind == train::LossSettings::kCrossEntropy;
  result.vote_scale = recipe.loss.vote_scale;
  result.words = result.softmax ? "softmax of the votes, scaled as in the training's loss"
                                : "a class's share of all votes";
  return result;
}

std::vector<double> Confidence::of(Span<const float> votes) const {
  std::vector<double> result(votes.begin(), votes.end());
  const auto sum_to_one = [&] {
    double sum = 0.0;
    for (const double one : result) sum += one;
    for (double& one : result) one = sum > 0.0 ? one / sum : 1.0 / static_cast<double>(result.size());
  };
  const bool negative = std::any_of(result.begin(), result.end(), [](double one) { return one < 0.0; });
  if (softmax || negative) {
    const double scale = softmax ? vote_scale : 1.0;
    const double largest = *std::max_element(result.begin(), result.end());
    for (double& one : result) one = std::exp(scale * (one - largest));
  }
  sum_to_one();
  return result;
}

SampleObserver::SampleObserver(std::shared_ptr<const Network> network, bool is_static, Confidence confidence)
    : network_(std::move(network)),
      is_static_(is_static),
      confidence_(std::move(confidence)),
      session_(network_),
      work_(*network_),
      spikes_(network_->nodes.size()),
      additions_(network_->nodes.size()),
      macs_(network_->nodes.size()),
      potentials_(network_->nodes.size()) {
  for (std::size_t n = 0; n < potentials_.size(); ++n) {
    if (network_->nodes[n].neurons.kind != Neurons::kSpiking) continue;
    potentials_[n] = {kLowest, kHighest, std::vector<std::int64_t>(kPotentialBins)};
  }
  session_.observe([this] { recording_ != nullptr ? record_step() : count_step(); });
}

Span<const float> SampleObserver::step_input() const {
  const std::size_t size = at(network_->input.size());
  if (!network_->spiking) return mean_;
  const auto step = at(session_.steps() - 1);
  if (sample_.size() == size) return step == 0 ? sample_ : Span<const float>();
  return sample_.subspan(step * size, size);
}

void SampleObserver::count_step() {
  work_.step(session_, step_input(), !is_static_ && network_->spiking);
  for (std::size_t n = 0; n < potentials_.size(); ++n) {
    report::Histogram& histogram = potentials_[n];
    if (histogram.counts.empty()) continue;
    const Span<const float> v_pre = session_.v_pre(n);
    const auto& thresholds = network_->nodes[n].neurons.v_threshold;
    const std::size_t stride = distance_between(v_pre.size());
    const double bins_per_threshold = kPotentialBins / (kHighest - kLowest);
    // Other ones at each step.
    for (std::size_t i = static_cast<std::size_t>(session_.steps()) % stride; i < v_pre.size(); i += stride) {
      const double threshold = thresholds.size() == 1 ? thresholds[0] : thresholds[i];
      const double bin = std::floor((v_pre[i] / threshold - kLowest) * bins_per_threshold);
      ++histogram.counts[static_cast<std::size_t>(std::clamp(bin, 0.0, kPotentialBins - 1.0))];
    }
  }
}

report::Decision SampleObserver::decide(int label) const {
  const std::vector<double> shares = confidence_.of(session_.votes());
  report::Decision decision;
  decision.label = label;
  const Ranking ranking = highest_votes(session_.votes());  // as evaluation does, also where nothing fires
  decision.prediction = ranking.best;
  decision.runner_up = ranking.runner_up;
  decision.confidence = shares[at(decision.prediction)];
  decision.label_confidence = shares[at(label)];
  return decision;
}

report::Decision SampleObserver::run(Span<const float> sample, int label) {
  sample_ = sample;
  recording_ = nullptr;
  if (!network_->spiking) {  // it takes the mean over the steps
    mean_.assign(at(network_->input.size()), 0.0f);
    for (std::size_t i = 0; i < sample.size(); ++i) mean_[i % mean_.size()] += sample[i];
  }
  session_.run(sample);
  ++samples_;
  steps_ += session_.steps();
  for (std::size_t n = 0; n < spikes_.size(); ++n) spikes_[n] += session_.spike_counts()[n];
  return decide(label);
}

report::SampleRaster SampleObserver::raster(Span<const float> sample, int label, std::int64_t neurons) {
  report::SampleRaster raster;
  for (std::size_t n = 0; n < potentials_.size(); ++n) {
    if (potentials_[n].counts.empty()) continue;
    report::LayerRaster layer;
    layer.layer = network_->nodes[n].name;
    layer.neurons = network_->nodes[n].product.output.size();
    layer.trains.resize(at(layer.neurons));
    raster.layers.push_back(std::move(layer));
  }
  sample_ = sample;
  recording_ = &raster;
  step_votes_.emplace(report::kRasterSteps / 2);
  session_.run(sample);
  recording_ = nullptr;
  for (StepVotes& one : step_votes_->take()) {
    raster.vote_steps.push_back(one.step);
    raster.votes.push_back(std::move(one.votes));
  }
  raster.num_steps = static_cast<int>(session_.steps());
  std::size_t next = 0;
  for (std::size_t n = 0; n < potentials_.size(); ++n) {
    if (!potentials_[n].counts.empty()) raster.layers[next++].spikes = session_.spike_counts()[n];
  }
  for (report::LayerRaster& layer : raster.layers) keep_active(neurons, layer);
  raster.decision = decide(label);
  return raster;
}

void SampleObserver::record_step() {
  step_votes_->add({static_cast<int>(session_.steps()), {session_.votes().begin(), session_.votes().end()}});
  if (session_.steps() > report::kRasterSteps) return;
  std::size_t next = 0;
  for (std::size_t n = 0; n < potentials_.size(); ++n) {
    if (potentials_[n].counts.empty()) continue;
    report::LayerRaster& layer = recording_->layers[next++];
    const Span<const float> spikes = session_.outputs(n);
    for (std::size_t i = 0; i < spikes.size(); ++i) layer.trains[i].push_back(spikes[i] != 0.0f ? '1' : '0');
  }
}

void SampleObserver::add(const SampleObserver& other) {
  samples_ += other.samples_;
  steps_ += other.steps_;
  add_all(other.spikes_, spikes_);
  add_all(other.work_.synaptic_operations(), additions_);
  add_all(other.work_.macs(), macs_);
  for (std::size_t n = 0; n < potentials_.size(); ++n)
    add_all(other.potentials_[n].counts, potentials_[n].counts);
}

std::vector<report::LayerObservation> SampleObserver::layers() const {
  std::vector<report::LayerObservation> result;
  const double samples = static_cast<double>(std::max<std::int64_t>(1, samples_));
  for (std::size_t n = 0; n < network_->nodes.size(); ++n) {
    const Node& node = network_->nodes[n];
    report::LayerObservation layer;
    layer.name = node.name;
    layer.fires = node.neurons.kind == Neurons::kSpiking;
    layer.neurons = node.product.output.size();
    layer.spikes = spikes_[n];
    const double updates = static_cast<double>(layer.neurons) * static_cast<double>(steps_);
    if (layer.fires && updates > 0.0) layer.firing_rate = static_cast<double>(spikes_[n]) / updates;
    layer.synaptic_operations = static_cast<double>(additions_[n] + work_.synaptic_operations()[n]) / samples;
    layer.macs = static_cast<double>(macs_[n] + work_.macs()[n]) / samples;
    if (layer.fires) layer.updates = updates / samples;
    layer.potentials = potentials_[n];
    result.push_back(std::move(layer));
  }
  return result;
}

}  // namespace spikeloom::runtime
