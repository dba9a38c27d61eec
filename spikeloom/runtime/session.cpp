#include "spikeloom/runtime/session.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/runtime/spiking_neurons.h"

namespace spikeloom::runtime {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

model::Shape pooled(const model::Shape& shape, const model::Pool& pool) {
  if (pool.kind == model::Pool::kNone) return shape;
  return {shape.channels, shape.height / pool.factor, shape.width / pool.factor};
}

// to [H / k, W / k, C] = or, with `add`, += the average or largest of each window of from [H, W, C].
void pool_values(const model::Shape& shape, const model::Pool& pool, const float* from, bool add, float* to) {
  const model::Shape small = pooled(shape, pool);
  const std::int64_t k = pool.kind == model::Pool::kNone ? 1 : pool.factor, channels = shape.channels;
  const float scale = 1.0f / static_cast<float>(k * k);
  const bool largest = pool.kind == model::Pool::kMax;
  constexpr std::int64_t kBlock = 64;  // channels whose values lie beside one another in the loops below
  for (std::int64_t y = 0; y < small.height; ++y) {
    for (std::int64_t x = 0; x < small.width; ++x, to += channels) {
      for (std::int64_t first = 0; first < channels; first += kBlock) {
        const std::int64_t count = std::min(kBlock, channels - first);
        float values[kBlock];
        for (std::int64_t i = 0; i < k * k; ++i) {
          const float* const other =
              from + ((y * k + i / k) * shape.width + x * k + i % k) * channels + first;
          if (i == 0) {
            std::copy_n(other, count, values);
          } else if (largest) {
            for (std::int64_t c = 0; c < count; ++c) values[c] = std::max(values[c], other[c]);
          } else {
            for (std::int64_t c = 0; c < count; ++c) values[c] += other[c];
          }
        }
        const float factor = largest ? 1.0f : scale;
        for (std::int64_t c = 0; c < count; ++c) {
          const float value = values[c] * factor;
          to[first + c] = add ? to[first + c] + value : value;
        }
      }
    }
  }
}

// To bfloat16, where the node computes with it.
void round_values(const Node& node, std::vector<float>& values) {
  if (!node.bfloat16) return;
  for (float& value : values) value = kernels::to_float(kernels::from_float<kernels::BFloat16>(value));
}

bool carries_spikes(const Network& network, const Connection& connection) {
  if (connection.neunorm) return false;
  return connection.from == model::kNone ||
         network.nodes[at(connection.from)].neurons.kind == Neurons::kSpiking;
}

/// What a value that a connection brings counts as, for sparse_product(); nullopt: it does not show.
std::optional<float> spikes_per_value(const Network& network, const Node& node,
                                      const Connection& connection) {
  if (!carries_spikes(network, connection)) return kNoSpikes;
  const bool is_input = connection.from == model::kNone, is_alone = node.inputs.size() == 1;
  const auto window = static_cast<float>(std::int64_t{connection.pool.factor} * connection.pool.factor);
  constexpr float kExact = 256.0f;  // that many spikes are told apart after rounding to bfloat16
  switch (connection.pool.kind) {
    case model::Pool::kNone:
      if (is_input || !is_alone) return 1.0f;
      return kEachIsOne;
    case model::Pool::kMax:
      if (is_alone) return kEachIsOne;
      if (is_input) return std::nullopt;
      return 1.0f;
    case model::Pool::kAverage:
      if (node.bfloat16 && window > kExact) return std::nullopt;
      return window;
  }
  return std::nullopt;
}

/// The same for all that a node takes, whose values are summed.
std::optional<float> spikes_per_value(const Network& network, const Node& node) {
  const auto common = spikes_per_value(network, node, node.inputs.front());
  for (const Connection& connection : node.inputs) {
    if (spikes_per_value(network, node, connection) != common) return std::nullopt;
  }
  return common;
}

void normalise(const NeuNorm& neunorm, std::int64_t channels, float* x, float* values, std::int64_t count) {
  const std::int64_t positions = count / channels;
  const bool shared = static_cast<std::int64_t>(neunorm.u.size()) == positions;
  for (std::int64_t p = 0; p < positions; ++p) {
    float* const here = values + p * channels;
    double sum = 0.0;
    for (std::int64_t c = 0; c < channels; ++c) sum += here[c];
    x[p] = neunorm.decay * x[p] + neunorm.coefficient * static_cast<float>(sum);
    for (std::int64_t c = 0; c < channels; ++c)
      here[c] -= neunorm.u[at(shared ? p : p * channels + c)] * x[p];
  }
}

}  // namespace

Session::Session(std::shared_ptr<const Network> network) : network_(std::move(network)) {
  for (const Node& node : network_->nodes) {
    NodeState& state = states_.emplace_back();
    const auto output = at(node.product.output.size());
    const bool is_direct =
        node.inputs.size() == 1 && node.inputs[0].pool.kind == model::Pool::kNone && !node.inputs[0].neunorm;
    if (!is_direct) state.x.resize(at(node.product.input.size()));
    const bool current_is_changed =
        !node.step_factor.empty() || !node.shortcuts.empty() || !node.recurrent.empty();
    if (node.reads_input() && current_is_changed) state.product.resize(output);
    const std::optional<float> common = spikes_per_value(*network_, node);
    state.spikes_per_value = common.value_or(kNoSpikes);
    if (!common) state.fan_out.emplace(node.product);
    state.current.resize(output);
    if (node.neurons.kind == Neurons::kSpiking) {
      state.v.resize(output);
      if (has_synapses(node.neurons)) state.synapse.resize(output);
    }
    if (node.neurons.kind != Neurons::kNone) state.output.resize(output);
    for (const Connection& connection : node.inputs) {
      auto& neunorm = state.neunorm.emplace_back();
      if (!connection.neunorm) continue;
      const model::Shape source = network_->nodes[at(connection.from)].product.output;
      const model::Shape seen = connection.neunorm->after_pool ? pooled(source, connection.pool) : source;
      neunorm.values.resize(at(seen.size()));
      neunorm.x.resize(at(seen.height * seen.width));
    }
    room_.fit(node.product);
  }
  if (!network_->spiking) mean_.resize(at(network_->input.size()));
  populations_.resize(at(network_->num_classes));
  for (const std::int32_t one : network_->class_of) ++populations_[at(one)];
  sums_.resize(populations_.size());
  votes_.resize(populations_.size());
  spike_counts_.resize(network_->nodes.size());
  reset();
}

void Session::reset() {
  for (NodeState& state : states_) {
    for (std::vector<float>* values : {&state.synapse, &state.v, &state.output}) {
      std::fill(values->begin(), values->end(), 0.0f);
    }
    for (auto& neunorm : state.neunorm) std::fill(neunorm.x.begin(), neunorm.x.end(), 0.0f);
  }
  std::fill(sums_.begin(), sums_.end(), 0.0);
  std::fill(votes_.begin(), votes_.end(), 0.0f);
  std::fill(spike_counts_.begin(), spike_counts_.end(), 0);
  steps_ = 0;
  synaptic_operations_ = 0;
}

void Session::check(Span<const float> input, std::int64_t steps) const {
  for (const Node& node : network_->nodes) {
    if (node.step_factor.empty() || steps <= static_cast<std::int64_t>(node.step_factor.size())) continue;
    throw ShapeError("the layer " + node.name + " is normalised by step (TEBN) and was trained for " +
                     std::to_string(node.step_factor.size()) + " steps: it has none for step " +
                     std::to_string(steps) + "; reset the session before");
  }
  const auto* const wrong =
      std::find_if(input.begin(), input.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != input.end()) {
    throw NumericsError("input[" + std::to_string(wrong - input.begin()) + "] is not a finite number");
  }
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
  input_is_events_ = true;
  advance(input.data(), false);
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
  input_is_events_ = network_->spiking && given > 1;
  if (!network_->spiking) {
    std::fill(mean_.begin(), mean_.end(), 0.0f);
    for (std::int64_t i = 0; i < count; ++i) mean_[at(i % size)] += values[at(i)];
    for (float& value : mean_) value /= static_cast<float>(given);
    advance(mean_.data(), false);
    return;
  }
  for (std::int64_t t = 0; t < steps; ++t) {
    advance(values.data() + (given == 1 ? 0 : t * size), given == 1 && t > 0);
  }
}

// What the product takes: another node's output, the input, or their sum in state.x.
const float* Session::gather(const Node& node, NodeState& state, const float* input) {
  bool add = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Connection& connection = node.inputs[i];
    const bool is_input = connection.from == model::kNone;
    model::Shape shape = is_input ? network_->input : network_->nodes[at(connection.from)].product.output;
    const float* values = is_input ? input : states_[at(connection.from)].output.data();
    if (state.fan_out && carries_spikes(*network_, connection) && (!is_input || input_is_events_)) {
      const Span<const float> all{values, at(shape.size())};
      synaptic_operations_ += state.fan_out->of(shape, connection.pool, all).additions;
    }
    if (state.x.empty()) return values;
    model::Pool pool = connection.pool;
    if (connection.neunorm) {
      auto& neunorm = state.neunorm[i];
      const model::Pool none;
      const bool after = connection.neunorm->after_pool;
      pool_values(shape, after ? pool : none, values, false, neunorm.values.data());
      normalise(*connection.neunorm, shape.channels, neunorm.x.data(), neunorm.values.data(),
                static_cast<std::int64_t>(neunorm.values.size()));
      values = neunorm.values.data();
      if (after) {
        shape = pooled(shape, pool);
        pool = none;
      }
    }
    pool_values(shape, pool, values, add, state.x.data());
    add = true;
  }
  round_values(node, state.x);
  return state.x.data();
}

void Session::fire(const Node& node, NodeState& state, std::int64_t& spikes) const {
  const Neurons& neurons = node.neurons;
  const std::size_t count = state.current.size();
  switch (neurons.kind) {
    case Neurons::kNone:
      return;
    case Neurons::kValue:
    case Neurons::kMean:
      std::copy(state.current.begin(), state.current.end(), state.output.begin());
      return;
    case Neurons::kRelu:
      for (std::size_t i = 0; i < count; ++i) state.output[i] = std::max(state.current[i], 0.0f);
      return;
    case Neurons::kSpiking:
      break;
  }
  float* const v_pre = state.v_pre.empty() ? nullptr : state.v_pre.data();
  spikes += runtime::fire(neurons, static_cast<std::int64_t>(count), state.current.data(),
                          {state.synapse.empty() ? nullptr : state.synapse.data(), state.v.data(), v_pre},
                          state.output.data());
}

// same_input: the input is that of the step before, so that its products are still there.
void Session::advance(const float* input, bool same_input) {
  for (std::size_t n = 0; n < states_.size(); ++n) {
    const Node& node = network_->nodes[n];
    NodeState& state = states_[n];
    const bool kept = !state.product.empty();
    float* const product = kept ? state.product.data() : state.current.data();
    if (!node.reads_input() || !same_input) {
      const float spikes = node.reads_input() && !input_is_events_ ? kNoSpikes : state.spikes_per_value;
      synaptic_operations_ +=
          sparse_product(node.product, gather(node, state, input), spikes, room_, product);
    }
    if (!kept) round_values(node, state.current);
    if (kept) std::copy(state.product.begin(), state.product.end(), state.current.begin());
    if (!node.step_factor.empty()) {
      for (float& value : state.current) value *= node.step_factor[at(steps_)];
      round_values(node, state.current);
    }
    for (const int source : node.shortcuts) {
      const std::vector<float>& added = states_[at(source)].current;
      for (std::size_t i = 0; i < added.size(); ++i) state.current[i] += added[i];
      round_values(node, state.current);
    }
    if (!node.recurrent.empty()) {  // its spikes of the step before
      const auto neurons = static_cast<std::int64_t>(state.output.size());
      add_rows(neurons, neurons, node.recurrent.data(), state.output.data(), state.current.data());
    }
    const std::int64_t before = spike_counts_[n];
    fire(node, state, spike_counts_[n]);
    if (!node.recurrent.empty()) {  // each goes back to all
      synaptic_operations_ += (spike_counts_[n] - before) * static_cast<std::int64_t>(state.output.size());
    }
  }
  ++steps_;
  vote();
  if (after_step_) after_step_();
}

void Session::observe(std::function<void()> after_step) {
  after_step_ = std::move(after_step);
  for (NodeState& state : states_) {
    if (after_step_) {
      state.v_pre.assign(state.v.size(), 0.0f);
    } else {
      std::vector<float>().swap(state.v_pre);
    }
  }
}

Span<const float> Session::outputs(std::size_t node) const {
  const std::vector<float>& values = states_[node].output;
  return {values.data(), values.size()};
}

Span<const float> Session::v_pre(std::size_t node) const {
  const std::vector<float>& values = states_[node].v_pre;
  return {values.data(), values.size()};
}

void Session::vote() {
  const std::vector<float>& last = states_.back().output;
  for (std::size_t i = 0; i < last.size(); ++i) sums_[at(network_->class_of[i])] += last[i];
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
