#include "spikeloom/runtime/session.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/model/current_range.h"
#include "spikeloom/runtime/index.h"

namespace spikeloom::runtime {
Session::Session(std::shared_ptr<const Network> network) : network_(std::move(network)), state_(*network_) {
  if (!network_->spiking) mean_.resize(at(network_->input.size()));
  populations_.resize(at(network_->num_classes));
  for (const std::int32_t one : network_->class_of) ++populations_[at(one)];
  sums_.resize(populations_.size());
  votes_.resize(populations_.size());
  counts_.spikes.resize(network_->nodes.size());
  reset();
}

void Session::reset() {
  state_.reset();
  std::fill(sums_.begin(), sums_.end(), 0.0);
  std::fill(votes_.begin(), votes_.end(), 0.0f);
  std::fill(counts_.spikes.begin(), counts_.spikes.end(), 0);
  counts_.synaptic_operations = 0;
  steps_ = 0;
}

void Session::check(Span<const float> input, std::int64_t steps) const {
  for (const Node& node : network_->nodes) {
    if (node.step_factor.empty() || steps <= static_cast<std::int64_t>(node.step_factor.size())) continue;
    throw ShapeError("the layer " + node.name + " " + kByStep + " and was trained for " +
                     std::to_string(node.step_factor.size()) + " steps: it has none for step " +
                     std::to_string(steps) + "; reset the session before");
  }
  constexpr auto kMost = static_cast<float>(model::kLargestInput);  // beyond it currents may overflow
  const auto* const wrong =
      std::find_if(input.begin(), input.end(), [](float value) { return !(std::fabs(value) <= kMost); });
  if (wrong == input.end()) return;
  throw NumericsError("input[" + std::to_string(wrong - input.begin()) + "] is " +
                      (std::isfinite(*wrong) ? std::to_string(*wrong) + ", beyond 10^9"
                                             : std::string("not a finite number")));
}

void Session::step(Span<const float> input) {
  if (!network_->spiking) {
    throw ConfigError(
        "an artificial network (network.kind = \"ann\") has no steps: run it on a whole sample");
  }
  if (static_cast<std::int64_t>(input.size()) != network_->input.size()) {
    throw ShapeError("a step has " + std::to_string(input.size()) + " values, the network takes " +
                     std::to_string(network_->input.size()) + " (" + model::to_string(network_->input) +
                     ", channels x height x width)");
  }
  check(input, steps_ + 1);
  advance({input.data(), steps_, 1, false, true});
}

void Session::run(Span<const float> values) {
  const std::int64_t size = network_->input.size(), count = static_cast<std::int64_t>(values.size());
  if (count == 0 || count % size != 0) {
    throw ShapeError("a sample has " + std::to_string(count) + " values, the network takes steps of " +
                     std::to_string(size) + " (" + model::to_string(network_->input) +
                     ", channels x height x width)");
  }
  const std::int64_t given = count / size;
  const std::int64_t steps = given == 1 ? network_->num_steps : given;
  check(values, network_->spiking ? steps : 1);
  reset();
  if (!network_->spiking) {
    std::fill(mean_.begin(), mean_.end(), 0.0f);
    for (std::int64_t i = 0; i < count; ++i) mean_[at(i % size)] += values[at(i)];
    for (float& value : mean_) value /= static_cast<float>(given);
    advance({mean_.data(), 0, 1, false, false});
    return;
  }
  // Blocks of about the same length.
  const std::int64_t most = state_.most_steps(), blocks = (steps + most - 1) / most;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = block * steps / blocks, last = (block + 1) * steps / blocks;
    const bool is_image = given == 1;
    advance({values.data() + (is_image ? 0 : first * size), first, last - first, is_image, !is_image});
  }
}

void Session::advance(const NetworkState::Block& block) {
  state_.advance(block, counts_);
  for (std::int64_t t = 0; t < block.steps; ++t) {
    state_.add_votes(t, {sums_.data(), sums_.size()});
    ++steps_;
    vote();
  }
  if (after_step_) after_step_();
}

void Session::observe(std::function<void()> after_step) {
  after_step_ = std::move(after_step);
  state_.observe(after_step_ != nullptr);
}

void Session::vote() {
  for (std::size_t k = 0; k < votes_.size(); ++k) {
    if (!std::isfinite(sums_[k])) {
      throw NumericsError("the votes are not finite at step " + std::to_string(steps_) +
                          ": the network's weights, or the input, are too large");
    }
    const auto terms = static_cast<double>(steps_ * populations_[k]);
    votes_[k] = terms > 0.0 ? static_cast<float>(sums_[k] / terms) : 0.0f;
  }
}

}  // namespace spikeloom::runtime
