#include "spikeloom/runtime/network_state.h"

#include <algorithm>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_bits.h"
#include "spikeloom/runtime/arithmetic/pooling.h"
#include "spikeloom/runtime/arithmetic/spiking_neurons.h"
#include "spikeloom/runtime/index.h"

namespace spikeloom::runtime {
namespace {

bool fires(const Node& node) { return node.neurons.kind == Neurons::kSpiking; }

bool carries_spikes(const Network& network, const Connection& connection) {
  if (connection.neunorm) return false;
  return connection.from == model::kInput || fires(network.nodes[at(connection.from)]);
}

/// What a value that a connection brings counts as, for ActiveInputs; nullopt: it does not show.
std::optional<float> spikes_per_value(const Network& network, const Node& node,
                                      const Connection& connection) {
  if (!carries_spikes(network, connection)) return kNoSpikes;
  const bool is_input = connection.from == model::kInput, is_alone = node.inputs.size() == 1;
  constexpr float kExact = 256.0f;  // that many spikes are told apart after rounding to bfloat16
  const model::Pool& pool = connection.pool;
  if (pool.gives_spikes()) {
    if (is_alone) return kEachIsOne;
    if (is_input) return std::nullopt;
    return 1.0f;
  }
  if (pool.kind == model::Pool::kNone) return is_input || !is_alone ? 1.0f : kEachIsOne;
  const auto window = static_cast<float>(std::int64_t{pool.factor} * pool.factor);
  if (node.bfloat16 && window > kExact) return std::nullopt;
  return window;
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

/// Pixels of an event-driven layer that a part of its weights is used for, about so many.
constexpr std::int64_t kPixels = 256;

}  // namespace

NetworkState::NetworkState(const Network& network) : network_(network), nodes_(network.nodes.size()) {
  for (std::size_t n = 0; n < nodes_.size(); ++n) choose_path(network_.nodes[n], nodes_[n]);
  for (const Node& node : network_.nodes) {
    for (const int source : node.shortcuts) nodes_[at(source)].is_shortcut = true;
  }
  kernels::cpu::simd_level();  // a process's first call allocates
  choose_block();
  for (std::size_t n = 0; n < nodes_.size(); ++n) make_room(n);
  std::int64_t currents = 0, changed = 0;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const std::int64_t values = scratch_values(nodes_[n], network_.nodes[n]);
    currents = std::max(currents, values);
    if (network_.nodes[n].reads_input() && nodes_[n].changes_current) changed = std::max(changed, values);
  }
  scratch_.current.reset(new float[at(currents)]);
  scratch_.changed.reset(new float[at(changed)]);
  reset();
}

void NetworkState::choose_path(const Node& node, NodeState& state) const {
  const Product& product = node.product;
  const model::Shape& output = product.output;
  state.size = output.size();
  state.changes_current = !node.step_factor.empty() || !node.shortcuts.empty() || !node.recurrent.empty();
  if (product.fixed.rows > 0) {
    state.kind = NodeState::kEvents;
    const Connection& connection = node.inputs.front();
    const bool is_average = connection.pool.kind == model::Pool::kAverage;
    const std::int64_t pool = is_average ? connection.pool.factor : 1;
    const std::int64_t height = product.input.height * pool, width = product.input.width * pool;
    state.layer = {{1, 1, height, width, product.input.channels, pool},
                   product.vertical.kernel,
                   product.vertical.padding,
                   output.channels};
    if (is_average) {  // what a pooling leaves out lies there too
      const model::Shape& source = network_.nodes[at(connection.from)].product.output;
      state.layer.images.height = source.height;
      state.layer.images.width = source.width;
    }
    constexpr std::int64_t kMostBytes = 64 << 20, kFewest = 16;
    const std::int64_t of_pixel =
        product.rows() * kernels::cpu::count_planes(pool) * static_cast<std::int64_t>(sizeof(std::uint16_t));
    state.band = std::clamp(kMostBytes / of_pixel * 2 / 3, kFewest, kPixels);
    return;
  }
  state.kind = product.is_matrix() ? NodeState::kMatrix : NodeState::kConvolution;
  const Connection& connection = node.inputs.front();
  const bool is_plain =
      node.inputs.size() == 1 && connection.pool.kind == model::Pool::kNone && !connection.neunorm;
  state.takes_values =
      is_plain && (connection.from == model::kInput || !fires(network_.nodes[at(connection.from)]));
  const std::optional<float> common = spikes_per_value(network_, node);
  state.spikes_per_value = common.value_or(kNoSpikes);
  if (!common) state.fan_out.emplace(product);
  state.band = output.height;
  // Some rows at a time, whose currents stay in a cache; where the weights do not, they are read once.
  constexpr std::int64_t kFewWeights = 1 << 14, kCurrents = 1 << 15;
  const std::int64_t row = output.width * output.channels;
  if (product.rows() * output.channels <= kFewWeights && row % 8 == 0 && node.recurrent.empty()) {
    state.band = std::clamp<std::int64_t>(kCurrents / row, 1, output.height);
  }
}

std::int64_t NetworkState::bytes_of_step(std::size_t n) const {
  const NodeState& state = nodes_[n];
  const Node& node = network_.nodes[n];
  constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));
  std::int64_t bytes = fires(node) ? packed_bytes(node.product.output) : kFloat * state.size;
  if (state.is_shortcut) bytes += kFloat * state.size;
  return bytes;
}

void NetworkState::choose_block() {
  constexpr std::int64_t kMostSteps = 16, kMostBytes = 8 << 20;
  std::int64_t bytes = 0, lists = 1;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    bytes += bytes_of_step(n);
    if (nodes_[n].kind != NodeState::kMatrix) continue;
    const auto input = static_cast<std::int64_t>(sizeof(std::int32_t) + sizeof(float));
    const std::int64_t of_step = input * network_.nodes[n].product.input.size();
    lists = std::max(lists, of_step + static_cast<std::int64_t>(sizeof(float)) * nodes_[n].size);
  }
  most_steps_ = network_.spiking ? std::clamp<std::int64_t>(kMostBytes / (bytes + lists), 1, kMostSteps) : 1;
}

// Values that a node's product fills at once.
std::int64_t NetworkState::scratch_values(const NodeState& state, const Node& node) const {
  const model::Shape& output = node.product.output;
  switch (state.kind) {
    case NodeState::kEvents:
      return std::min(state.band * 3 / 2, most_steps_ * output.height * output.width) * output.channels;
    case NodeState::kMatrix:
      return most_steps_ * output.channels;
    case NodeState::kConvolution:
      break;
  }
  return state.band * output.width * output.channels;
}

void NetworkState::make_room(std::size_t n) {
  const Node& node = network_.nodes[n];
  const Product& product = node.product;
  NodeState& state = nodes_[n];
  const auto grow = [](auto& list, std::int64_t size) { list.resize(std::max(list.size(), at(size))); };
  if (fires(node)) {
    state.v.resize(at(state.size));
    if (has_synapses(node.neurons)) state.synapse.resize(at(state.size));
    state.spikes.resize(at(most_steps_ * packed_bytes(product.output)));
  } else if (node.neurons.kind != Neurons::kNone) {
    state.values.resize(at(most_steps_ * state.size));
  }
  if (state.is_shortcut) state.current.reset(new float[at(most_steps_ * state.size)]);
  if (!node.recurrent.empty()) grow(scratch_.source, state.size);
  const bool is_alone = node.inputs.size() == 1;
  for (const Connection& connection : node.inputs) {
    auto& neunorm = state.neunorm.emplace_back();
    if (connection.from == model::kInput) continue;
    const Node& from = network_.nodes[at(connection.from)];
    const model::Shape& source = from.product.output;
    const bool is_read_as_values = fires(from) && (!is_alone || connection.neunorm || state.fan_out);
    if (is_read_as_values && state.kind != NodeState::kEvents) grow(scratch_.source, source.size());
    if (connection.pool.gives_spikes()) {
      const std::int64_t steps = state.kind == NodeState::kEvents ? most_steps_ : 1;
      grow(scratch_.windows, steps * packed_bytes(pooled(source, connection.pool)));
    }
    if (!connection.neunorm) continue;
    const model::Shape seen = connection.neunorm->after_pool ? pooled(source, connection.pool) : source;
    neunorm.values.resize(at(seen.size()));
    neunorm.x.resize(at(seen.height * seen.width));
  }
  if (state.kind == NodeState::kEvents) {
    kernels::EventLayer all = state.layer;
    all.images.num_steps = most_steps_;
    events_.fit(all, std::min(state.band * 3 / 2, all.output_pixels()));
    return;
  }
  if (!state.takes_values) grow(scratch_.x, product.input.size());
  const bool is_matrix = state.kind == NodeState::kMatrix;
  active_.fit(product, is_matrix ? most_steps_ : 1);
  if (is_matrix) matrix_.fit(product, most_steps_);
}

void NetworkState::reset() {
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    NodeState& state = nodes_[n];
    std::fill(state.synapse.begin(), state.synapse.end(), 0.0f);
    std::fill(state.v.begin(), state.v.end(), 0.0f);
    for (auto& neunorm : state.neunorm) std::fill(neunorm.x.begin(), neunorm.x.end(), 0.0f);
    if (network_.nodes[n].recurrent.empty()) continue;
    std::fill(state.values.begin(), state.values.end(), 0.0f);
    std::fill(state.spikes.begin(), state.spikes.end(), std::uint8_t{0});
  }
  last_step_ = 0;
}

void NetworkState::advance(const Block& block, Counts& counts) {
  block_ = block;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    switch (nodes_[n].kind) {
      case NodeState::kEvents:
        advance_events(n, counts);
        break;
      case NodeState::kMatrix:
        advance_matrix(n, counts);
        break;
      case NodeState::kConvolution:
        advance_convolution(n, counts);
        break;
    }
  }
  last_step_ = block_.steps - 1;
  if (!observed_) return;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    NodeState& state = nodes_[n];
    if (fires(network_.nodes[n])) {
      pool_spikes(network_.nodes[n].product.output, {}, state.spikes.data(), nullptr, state.outputs.data());
    } else {
      std::copy_n(state.values.begin(), state.outputs.size(), state.outputs.begin());
    }
  }
}

const std::uint8_t* NetworkState::spikes_of(int source, std::int64_t step) const {
  return nodes_[at(source)].spikes.data() + step * packed_bytes(network_.nodes[at(source)].product.output);
}

// What a node, or the input, handed on at a step of the block: spikes as values are in scratch_.source.
const float* NetworkState::values_of(int source, std::int64_t step) {
  if (source == model::kInput) return block_.input + (block_.same_input ? 0 : step * network_.input.size());
  const NodeState& state = nodes_[at(source)];
  if (!fires(network_.nodes[at(source)])) return state.values.data() + step * state.size;
  pool_spikes(network_.nodes[at(source)].product.output, {}, spikes_of(source, step), nullptr,
              scratch_.source.data());
  return scratch_.source.data();
}

// What the product takes: the input, another node's values, or their sum in scratch_.x.
const float* NetworkState::gather(std::size_t n, std::int64_t step, Counts& counts) {
  const Node& node = network_.nodes[n];
  NodeState& state = nodes_[n];
  if (state.takes_values && !state.fan_out) return values_of(node.inputs.front().from, step);
  float* const x = scratch_.x.data();
  bool add = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Connection& connection = node.inputs[i];
    const bool is_input = connection.from == model::kInput;
    model::Shape shape = is_input ? network_.input : network_.nodes[at(connection.from)].product.output;
    const bool is_spikes = !is_input && fires(network_.nodes[at(connection.from)]);
    if (is_spikes && node.inputs.size() == 1 && !connection.neunorm && !state.fan_out) {
      pool_spikes(shape, connection.pool, spikes_of(connection.from, step), scratch_.windows.data(), x);
      break;
    }
    const float* values = values_of(connection.from, step);
    if (state.fan_out && carries_spikes(network_, connection) && (!is_input || block_.input_is_events)) {
      const Span<const float> all{values, at(shape.size())};
      counts.synaptic_operations += state.fan_out->of(shape, connection.pool, all).additions;
    }
    if (state.takes_values) return values;
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
    pool_values(shape, pool, values, add, x);
    add = true;
  }
  if (node.bfloat16) round_to_bfloat16(x, node.product.input.size());
  return x;
}

void NetworkState::list(std::size_t n, std::int64_t step, Counts& counts) {
  const Node& node = network_.nodes[n];
  const bool is_image = node.reads_input() && !block_.input_is_events;
  const float spikes = is_image ? kNoSpikes : nodes_[n].spikes_per_value;
  const float* const input = gather(n, step, counts);
  counts.synaptic_operations += active_.add(node.product, input, spikes);
}

void NetworkState::advance_events(std::size_t n, Counts& counts) {
  const Node& node = network_.nodes[n];
  NodeState& state = nodes_[n];
  const Connection& connection = node.inputs.front();
  model::Shape source = network_.nodes[at(connection.from)].product.output;
  const std::uint8_t* spikes = spikes_of(connection.from, 0);
  model::Pool pool = connection.pool;
  if (pool.gives_spikes()) {
    const model::Shape small = pooled(source, pool);
    for (std::int64_t t = 0; t < block_.steps; ++t) {
      any_of_windows(source, pool.factor, spikes_of(connection.from, t),
                     scratch_.windows.data() + t * packed_bytes(small));
    }
    spikes = scratch_.windows.data();
    source = small;
    pool = {};
  }
  kernels::EventLayer layer = state.layer;
  layer.images.num_steps = block_.steps;
  const std::int64_t filters = layer.filters, pixels = layer.output_height() * layer.output_width();
  const std::int64_t total = layer.output_pixels();
  const std::int64_t pieces = std::max<std::int64_t>(1, (total + state.band / 2) / state.band);
  const std::int64_t length = (total + pieces - 1) / pieces;
  const float* const bias = node.product.bias.empty() ? nullptr : node.product.bias.data();
  float* const current = scratch_.current.get();
  for (std::int64_t begin = 0, end = 0; begin < total; begin = end) {
    end = std::min(begin + length, total);
    if (filters % 8 != 0) end -= end % pixels % 8;  // whole bytes of spikes
    kernels::cpu::event_forward_pixels(layer, spikes, node.product.fixed, node.product.fixed.scale.data(),
                                       bias, begin, end, events_, current);
    counts.synaptic_operations += events_.lists.additions() * filters;
    for (std::int64_t from = begin, to = 0; from < end; from = to) {  // what is of one step
      to = std::min(end, (from / pixels + 1) * pixels);
      finish(n, from / pixels, from % pixels * filters, (to - from) * filters,
             current + (from - begin) * filters, counts);
    }
  }
}

void NetworkState::advance_matrix(std::size_t n, Counts& counts) {
  const Node& node = network_.nodes[n];
  const NodeState& state = nodes_[n];
  const bool is_same = node.reads_input() && block_.same_input;
  active_.clear();
  for (std::int64_t t = 0; t < (is_same ? 1 : block_.steps); ++t) list(n, t, counts);
  float* const current = scratch_.current.get();
  matrix_product(node.product, active_, matrix_, current);
  for (std::int64_t t = 0; t < block_.steps; ++t) {
    float* own = current + (is_same ? 0 : t * state.size);
    if (is_same && state.changes_current)
      own = std::copy_n(own, state.size, scratch_.changed.get()) - state.size;
    finish(n, t, 0, state.size, own, counts);
  }
}

void NetworkState::advance_convolution(std::size_t n, Counts& counts) {
  const Node& node = network_.nodes[n];
  const NodeState& state = nodes_[n];
  const model::Shape& output = node.product.output;
  const std::int64_t row = output.width * output.channels;
  const bool is_same = node.reads_input() && block_.same_input;
  float* const current = scratch_.current.get();
  for (std::int64_t listed = 0; listed < (is_same ? 1 : block_.steps); ++listed) {
    list(n, listed, counts);
    for (std::int64_t y = 0; y < output.height; y += state.band) {
      const std::int64_t end = std::min(y + state.band, output.height), count = (end - y) * row;
      sparse_product(node.product, active_, y, end, current);
      if (!is_same) {
        finish(n, listed, y * row, count, current, counts);
        continue;
      }
      for (std::int64_t t = 0; t < block_.steps; ++t) {
        float* own = current;
        if (state.changes_current) own = std::copy_n(own, count, scratch_.changed.get()) - count;
        finish(n, t, y * row, count, own, counts);
      }
    }
  }
}

// From products, in place, to currents and spikes of the outputs [first, first + count) at a step.
void NetworkState::finish(std::size_t n, std::int64_t step, std::int64_t first, std::int64_t count,
                          float* current, Counts& counts) {
  const Node& node = network_.nodes[n];
  NodeState& state = nodes_[n];
  // Where nothing else happens to them, neurons round their currents themselves.
  const bool rounds = node.bfloat16 && !(fires(node) && !state.changes_current && !state.is_shortcut);
  if (rounds) round_to_bfloat16(current, count);
  if (!node.step_factor.empty()) {
    const float factor = node.step_factor[at(block_.first + step)];
    for (std::int64_t i = 0; i < count; ++i) current[i] *= factor;
    if (rounds) round_to_bfloat16(current, count);
  }
  for (const int source : node.shortcuts) {
    const float* const added = nodes_[at(source)].current.get() + step * state.size + first;
    for (std::int64_t i = 0; i < count; ++i) current[i] += added[i];
    if (rounds) round_to_bfloat16(current, count);
  }
  if (!node.recurrent.empty()) {  // its spikes of the step before; all neurons are here
    const float* const before = values_of(static_cast<int>(n), step > 0 ? step - 1 : last_step_);
    add_rows(state.size, state.size, node.recurrent.data(), before, current);
  }
  if (state.is_shortcut) std::copy_n(current, count, state.current.get() + step * state.size + first);
  fire(n, step, first, count, current, node.bfloat16 && !rounds, counts);
}

void NetworkState::fire(std::size_t n, std::int64_t step, std::int64_t first, std::int64_t count,
                        const float* current, bool rounds, Counts& counts) {
  const Node& node = network_.nodes[n];
  NodeState& state = nodes_[n];
  float* const values = state.values.data() + step * state.size + first;
  switch (node.neurons.kind) {
    case Neurons::kNone:
      return;
    case Neurons::kValue:
    case Neurons::kMean:
      std::copy_n(current, count, values);
      return;
    case Neurons::kRelu:
      for (std::int64_t i = 0; i < count; ++i) values[i] = std::max(current[i], 0.0f);
      return;
    case Neurons::kSpiking:
      break;
  }
  const NeuronState neurons{state.synapse.empty() ? nullptr : state.synapse.data(), state.v.data(),
                            state.v_pre.empty() ? nullptr : state.v_pre.data()};
  const std::int64_t spikes = runtime::fire(node.neurons, first, count, current, rounds, neurons,
                                            state.spikes.data() + step * packed_bytes(node.product.output));
  counts.spikes[n] += spikes;
  // Through recurrent weights each goes back to all.
  if (!node.recurrent.empty()) counts.synaptic_operations += spikes * state.size;
}

void NetworkState::add_votes(std::int64_t step, Span<double> sums) const {
  const NodeState& last = nodes_.back();
  const bool is_spikes = fires(network_.nodes.back());
  const std::uint8_t* const spikes =
      is_spikes ? spikes_of(static_cast<int>(nodes_.size()) - 1, step) : nullptr;
  for (std::int64_t i = 0; i < last.size; ++i) {
    const float value =
        is_spikes ? static_cast<float>(spikes[i / 8] >> (i % 8) & 1) : last.values[at(step * last.size + i)];
    sums[at(network_.class_of[at(i)])] += value;
  }
}

void NetworkState::observe(bool observed) {
  observed_ = observed;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    NodeState& state = nodes_[n];
    std::vector<float>().swap(state.v_pre);
    std::vector<float>().swap(state.outputs);
    if (!observed) continue;
    state.v_pre.assign(state.v.size(), 0.0f);
    if (network_.nodes[n].neurons.kind != Neurons::kNone) state.outputs.assign(at(state.size), 0.0f);
  }
}

}  // namespace spikeloom::runtime
