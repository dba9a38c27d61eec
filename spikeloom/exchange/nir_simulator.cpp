#include "spikeloom/exchange/nir_simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "spikeloom/base/errors.h"
#include "spikeloom/exchange/nir_inner_ends.h"
#include "spikeloom/exchange/nir_kinds.h"
#include "spikeloom/exchange/nir_products.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::exchange {
namespace {

using formats::NirKind;
using formats::NirNode;

constexpr std::int64_t kMaxDelayed = std::int64_t{1} << 24;

[[noreturn]] void refuse(const NirNode& node, const std::string& what) {
  throw ShapeError(fmt::format("node '{}' ({}): {}", node.name, formats::nir_kind_name(node.kind), what));
}

/// A count; of what is none, by weights or inputs out of all bounds, 0 or 10^12.
std::int64_t whole(double count) {
  return count > 0.0 ? static_cast<std::int64_t>(std::min(count + 0.5, 1e12)) : 0;
}

/// A parameter for each of `size` values.
std::vector<double> each(const NirNode& node, const char* name, std::size_t size, double otherwise) {
  const auto* array = node.find(name);
  if (array == nullptr) return std::vector<double>(size, otherwise);
  if (array->is_scalar() && array->values.size() == 1)
    return std::vector<double>(size, array->values.front());
  if (array->values.size() != size)
    refuse(node, fmt::format("{} has {} values, not {}", name, array->size(), size));
  return array->values;
}

/// How many spikes the values that a node takes or gives stand for: none (currents, potentials), as many as
/// the value says (events, spikes and their sums), or numbers kept beside them (averages and multiples of
/// those).
enum class Spikes { kNone, kValue, kOwn };

bool passes_on(NirKind kind) {
  return kind == NirKind::kOutput || kind == NirKind::kFlatten || kind == NirKind::kDelay ||
         kind == NirKind::kScale || kind == NirKind::kSumPool2d || kind == NirKind::kAvgPool2d;
}

/// What a node is once and for all.
struct Compiled {
  std::string name;
  NirKind kind = NirKind::kInput;
  formats::NirNodeShapes shapes;
  std::size_t in_size = 0, out_size = 0;
  std::vector<std::size_t> sources;  ///< may repeat
  std::vector<bool> delayed;         ///< of each source: its output of the step before
  std::unique_ptr<NirProduct> product;
  std::vector<double> gain, leak, threshold, v_reset;  ///< gain: R (times the step of v); leak: v_leak
  std::vector<double> keep, synapse_keep, w_in;        ///< share of v and i that is left after a step
  std::vector<std::int64_t> delay;                     ///< steps
  std::int64_t ring = 0;                               ///< most of them
  Spikes takes = Spikes::kNone, gives = Spikes::kNone;
};

struct Plan {
  std::vector<Compiled> nodes;
  std::vector<std::size_t> order;
  std::size_t input = 0, output = 0;
  NirOptions options;
};

/// Share of the distance to its input that v keeps after a step.
std::vector<double> kept(const NirNode& node, const char* tau, std::size_t size, const NirOptions& options) {
  std::vector<double> result = each(node, tau, size, 1.0);
  for (double& value : result) {
    if (!(value > 0.0)) refuse(node, fmt::format("{} = {} is not positive", tau, value));
    value = options.method == NirOptions::Method::kEuler ? 1.0 - options.dt / value
                                                         : std::exp(-options.dt / value);
  }
  return result;
}

void compile_neuron(const NirNode& node, const NirOptions& options, Compiled& to) {
  const std::size_t size = to.in_size;
  to.gain = each(node, "r", size, 1.0);
  if (is_integrator(node.kind) && options.integrate_dt) {
    for (double& value : to.gain) value *= options.dt;
  }
  if (is_leaky(node.kind)) {
    to.leak = each(node, "v_leak", size, 0.0);
    to.keep = kept(node, has_synapse(node.kind) ? "tau_mem" : "tau", size, options);
  }
  if (has_synapse(node.kind)) {
    to.synapse_keep = kept(node, "tau_syn", size, options);
    to.w_in = each(node, "w_in", size, 1.0);
  }
  if (fires(node.kind)) {
    to.threshold = each(node, "v_threshold", size, 1.0);
    for (const double value : to.threshold) {
      if (options.several_spikes && !(value > 0.0)) {
        refuse(node,
               fmt::format("v_threshold = {} is not positive, so that it cannot fire several times a step",
                           value));
      }
    }
    to.v_reset = each(node, "v_reset", size, 0.0);
  }
}

void compile_delay(const NirNode& node, const NirOptions& options, Compiled& to) {
  for (const double value : each(node, "delay", to.in_size, 0.0)) {
    const double steps = std::round(value / options.dt);
    if (!(value >= 0.0)) refuse(node, fmt::format("a delay of {} s is below 0", value));
    if (steps * static_cast<double>(to.in_size) > static_cast<double>(kMaxDelayed))
      refuse(node, fmt::format("a delay of {} s is too long for steps of {} s", value, options.dt));
    to.delay.push_back(static_cast<std::int64_t>(steps));
    to.ring = std::max(to.ring, to.delay.back());
  }
  if (to.ring * static_cast<std::int64_t>(to.in_size) > kMaxDelayed) refuse(node, "delays are too long");
}

/// Depth-first from the inputs, without recursion: an edge to a node that is being visited closes a cycle.
void order_nodes(Plan& plan) {
  const std::size_t count = plan.nodes.size();
  std::vector<std::vector<std::pair<std::size_t, std::size_t>>> next(
      count);  // (node, place among its sources)
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t s = 0; s < plan.nodes[i].sources.size(); ++s)
      next[plan.nodes[i].sources[s]].emplace_back(i, s);
  }
  std::vector<std::size_t> roots(count);
  std::iota(roots.begin(), roots.end(), std::size_t{0});
  std::stable_sort(roots.begin(), roots.end(), [&](std::size_t a, std::size_t b) {
    return plan.nodes[a].sources.empty() > plan.nodes[b].sources.empty();
  });
  enum { kNew, kOpen, kDone };
  std::vector<int> state(count, kNew);
  std::vector<std::pair<std::size_t, std::size_t>> stack;  // (node, next edge)
  for (const std::size_t root : roots) {
    if (state[root] != kNew) continue;
    stack.emplace_back(root, 0);
    state[root] = kOpen;
    while (!stack.empty()) {
      auto& [node, edge] = stack.back();
      if (edge == next[node].size()) {
        state[node] = kDone;
        plan.order.push_back(node);
        stack.pop_back();
        continue;
      }
      const auto [to, place] = next[node][edge++];
      if (state[to] == kOpen) plan.nodes[to].delayed[place] = true;
      if (state[to] != kNew) continue;
      state[to] = kOpen;
      stack.emplace_back(to, 0);
    }
  }
  std::reverse(plan.order.begin(), plan.order.end());
}

/// What each node takes and gives of spikes. Twice, as cycles bring what a later node gives.
void find_spikes(Plan& plan) {
  for (int round = 0; round < 2; ++round) {
    for (const std::size_t n : plan.order) {
      Compiled& node = plan.nodes[n];
      const auto count = [&](Spikes kind) {
        return std::count_if(node.sources.begin(), node.sources.end(),
                             [&](std::size_t source) { return plan.nodes[source].gives == kind; });
      };
      const auto all = static_cast<std::ptrdiff_t>(node.sources.size());
      node.takes = count(Spikes::kNone) == all    ? Spikes::kNone
                   : count(Spikes::kValue) == all ? Spikes::kValue
                                                  : Spikes::kOwn;
      if (passes_on(node.kind)) {
        const bool changes = node.kind == NirKind::kScale || node.kind == NirKind::kAvgPool2d;
        node.gives = changes && node.takes == Spikes::kValue ? Spikes::kOwn : node.takes;
      } else if (node.kind == NirKind::kInput || node.kind == NirKind::kThreshold || fires(node.kind)) {
        node.gives = Spikes::kValue;
      }
    }
  }
}

std::size_t only(const Plan& plan, NirKind kind) {
  std::size_t found = 0;
  int count = 0;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    if (plan.nodes[i].kind != kind) continue;
    found = i;
    ++count;
  }
  if (count != 1)
    throw ShapeError(fmt::format("the graph has {} nodes of type {}: one is needed to run it", count,
                                 formats::nir_kind_name(kind)));
  return found;
}

std::shared_ptr<const Plan> compile(const formats::NirGraph& graph, const NirOptions& options) {
  if (!(options.dt > 0.0) || !std::isfinite(options.dt))
    throw ConfigError(fmt::format("a step of {} s: dt must be positive", options.dt));
  const formats::NirGraph whole = formats::flattened(graph);
  formats::nir_shapes(whole);  // throws where the inner ends do not fit
  const formats::NirGraph flat = without_inner_ends(whole);
  const auto shapes = formats::nir_shapes(flat);
  auto plan = std::make_shared<Plan>();
  plan->options = options;
  std::unordered_map<std::string, std::size_t> position;
  for (std::size_t i = 0; i < flat.nodes.size(); ++i) {
    const NirNode& node = flat.nodes[i];
    position[node.name] = i;
    for (const auto& [name, array] : node.parameters) {
      for (const double value : array.values) {
        if (std::isfinite(value)) continue;
        throw NumericsError(fmt::format("node '{}' ({}): {} has values that are not finite", node.name,
                                        formats::nir_kind_name(node.kind), name));
      }
    }
    Compiled to;
    to.name = node.name;
    to.kind = node.kind;
    to.shapes = shapes[i];
    const auto size = [](const formats::NirShape& shape) {
      return static_cast<std::size_t>(
          std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
    };
    to.in_size = size(shapes[i].input);
    to.out_size = size(shapes[i].output);
    if (NirProduct::covers(node.kind)) to.product = std::make_unique<NirProduct>(node, shapes[i]);
    if (has_v(node.kind)) compile_neuron(node, options, to);
    if (node.kind == NirKind::kScale) to.gain = each(node, "scale", to.in_size, 1.0);
    if (node.kind == NirKind::kThreshold) to.threshold = each(node, "threshold", to.in_size, 0.0);
    if (node.kind == NirKind::kDelay) compile_delay(node, options, to);
    plan->nodes.push_back(std::move(to));
  }
  for (const auto& [from, to] : flat.edges) {
    Compiled& node = plan->nodes[position.at(to)];
    node.sources.push_back(position.at(from));
    node.delayed.push_back(false);
  }
  plan->input = only(*plan, NirKind::kInput);
  plan->output = only(*plan, NirKind::kOutput);
  if (plan->nodes[plan->output].sources.empty()) {
    throw ShapeError(fmt::format("no edge leads to node '{}' (Output): the graph gives nothing",
                                 plan->nodes[plan->output].name));
  }
  order_nodes(*plan);
  find_spikes(*plan);
  return plan;
}

}  // namespace

struct NirSimulator::State {
  struct Node {
    std::vector<double> in, out, v, i;
    std::vector<double> ring;                               ///< of a delay: [steps, values]
    std::vector<double> in_spikes, out_spikes, spike_ring;  ///< where they are not what the values say
    std::int64_t spikes = 0;
  };
  std::shared_ptr<const Plan> plan;
  std::vector<Node> nodes;
  std::vector<double> scratch;
  std::int64_t step = 0;
  double operations = 0.0;

  void clear() {
    step = 0;
    nodes.assign(plan->nodes.size(), {});
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      const Compiled& node = plan->nodes[n];
      nodes[n].in.assign(node.in_size, 0.0);
      nodes[n].out.assign(node.out_size, 0.0);
      if (has_v(node.kind)) nodes[n].v.assign(node.in_size, 0.0);
      if (has_synapse(node.kind)) nodes[n].i.assign(node.in_size, 0.0);
      nodes[n].ring.assign(static_cast<std::size_t>(node.ring) * node.in_size, 0.0);
      if (node.takes == Spikes::kOwn) nodes[n].in_spikes.assign(node.in_size, 0.0);
      if (node.gives != Spikes::kOwn) continue;
      nodes[n].out_spikes.assign(node.out_size, 0.0);
      if (node.kind == NirKind::kDelay) nodes[n].spike_ring = nodes[n].ring;
    }
    // What nodes give while nothing fires: cycles bring it to the first step.
    for (const std::size_t n : plan->order) {
      if (has_v(plan->nodes[n].kind) || plan->nodes[n].kind == NirKind::kDelay) continue;
      gather(n);
      compute(n);
    }
    operations = 0.0;
  }

  void gather(std::size_t n) {
    const Compiled& node = plan->nodes[n];
    if (n == plan->input) return;
    auto& in = nodes[n].in;
    if (node.sources.size() == 1) {
      in = nodes[node.sources.front()].out;
      return;
    }
    std::fill(in.begin(), in.end(), 0.0);
    for (const std::size_t source : node.sources) {
      for (std::size_t k = 0; k < in.size(); ++k) in[k] += nodes[source].out[k];
    }
  }

  /// Of each value that a node takes; empty: none.
  Span<const double> spikes_in(std::size_t n) {
    const Compiled& node = plan->nodes[n];
    Node& at = nodes[n];
    if (node.takes == Spikes::kNone) return {};
    if (node.takes == Spikes::kValue) return at.in;
    std::fill(at.in_spikes.begin(), at.in_spikes.end(), 0.0);
    for (const std::size_t source : node.sources) {
      if (plan->nodes[source].gives == Spikes::kNone) continue;
      const bool own = plan->nodes[source].gives == Spikes::kOwn;
      const auto& spikes = own ? nodes[source].out_spikes : nodes[source].out;
      for (std::size_t k = 0; k < at.in_spikes.size(); ++k) at.in_spikes[k] += spikes[k];
    }
    return at.in_spikes;
  }

  /// Of each value that a node gives, where that is kept beside them.
  void pass_spikes_on(const Compiled& node, Node& at, Span<const double> spikes) {
    if (node.product) {
      node.product->pool_spikes(spikes, at.out_spikes, scratch);
    } else if (node.kind == NirKind::kDelay) {
      delay(node, spikes, at.spike_ring, at.out_spikes);
    } else {
      at.out_spikes.assign(spikes.begin(), spikes.end());
    }
  }

  void compute(std::size_t n) {
    const Compiled& node = plan->nodes[n];
    Node& at = nodes[n];
    const bool needs_spikes = node.product || node.gives == Spikes::kOwn;
    const Span<const double> spikes = needs_spikes ? spikes_in(n) : Span<const double>();
    if (node.gives == Spikes::kOwn) pass_spikes_on(node, at, spikes);
    if (node.product) {
      operations += node.product->run(at.in, spikes, at.out, scratch);
    } else if (has_v(node.kind)) {
      neurons(node, at);
    } else if (node.kind == NirKind::kScale) {
      for (std::size_t k = 0; k < at.in.size(); ++k) at.out[k] = node.gain[k] * at.in[k];
    } else if (node.kind == NirKind::kThreshold) {
      for (std::size_t k = 0; k < at.in.size(); ++k) {
        if (!std::isfinite(at.in[k])) overflowed(node, "the input");
        at.out[k] = at.in[k] > node.threshold[k] ? 1.0 : 0.0;
      }
    } else if (node.kind == NirKind::kDelay) {
      delay(node, at.in, at.ring, at.out);
    } else {
      at.out = at.in;
    }
  }

  /// Where what goes into a node, or its state, is no number: a spike, 0 or 1, would hide it from then on.
  [[noreturn]] void overflowed(const Compiled& node, const char* what) const {
    throw NumericsError(fmt::format(
        "{} of node '{}' ({}) is not finite at step {}: the graph's parameters, or the step of {} s, let it "
        "grow without bounds",
        what, node.name, formats::nir_kind_name(node.kind), step + 1, plan->options.dt));
  }

  void neurons(const Compiled& node, Node& at) const {
    const bool subtract = plan->options.reset == NirOptions::Reset::kSubtract;
    const double v_min = plan->options.v_min.value_or(-std::numeric_limits<double>::infinity());
    for (std::size_t k = 0; k < at.in.size(); ++k) {
      double current = at.in[k];
      if (!node.w_in.empty()) {
        const double target = node.w_in[k] * current;
        at.i[k] = target + node.synapse_keep[k] * (at.i[k] - target);
        current = at.i[k];
      }
      double& v = at.v[k];
      if (node.keep.empty()) {
        v += node.gain[k] * current;
      } else {
        const double target = node.leak[k] + node.gain[k] * current;
        v = target + node.keep[k] * (v - target);
      }
      if (!std::isfinite(v)) overflowed(node, "v");
      if (v < v_min) v = v_min;
      if (node.threshold.empty()) {
        at.out[k] = v;
        continue;
      }
      const double threshold = node.threshold[k];
      double spikes = v > threshold ? 1.0 : 0.0;
      if (plan->options.several_spikes && v >= threshold) spikes = std::floor(v / threshold);
      at.out[k] = spikes;
      if (spikes == 0.0) continue;
      v = subtract ? v - spikes * threshold : node.v_reset[k];
      at.spikes += whole(spikes);
    }
  }

  void delay(const Compiled& node, Span<const double> in, std::vector<double>& ring,
             std::vector<double>& out) const {
    const std::size_t size = in.size();
    for (std::size_t k = 0; k < size; ++k) {
      if (node.delay[k] == 0) {
        out[k] = in[k];
        continue;
      }
      // The value of `delay` steps ago stands where the newest one goes.
      double& slot = ring[static_cast<std::size_t>(step % node.delay[k]) * size + k];
      out[k] = slot;
      slot = in[k];
    }
  }
};

NirSimulator::NirSimulator(const formats::NirGraph& graph, const NirOptions& options)
    : state_(std::make_unique<State>()) {
  state_->plan = compile(graph, options);
  state_->clear();
}

NirSimulator::NirSimulator(const NirSimulator& other) : state_(std::make_unique<State>(*other.state_)) {}
NirSimulator::NirSimulator(NirSimulator&&) noexcept = default;
NirSimulator::~NirSimulator() = default;

const formats::NirShape& NirSimulator::input_shape() const {
  return state_->plan->nodes[state_->plan->input].shapes.input;
}

const formats::NirShape& NirSimulator::output_shape() const {
  return state_->plan->nodes[state_->plan->output].shapes.output;
}

void NirSimulator::reset() { state_->clear(); }

Span<const double> NirSimulator::step(Span<const double> input) {
  State& state = *state_;
  auto& in = state.nodes[state.plan->input].in;
  if (input.size() != in.size())
    throw ShapeError(fmt::format("the graph takes {} values, not {}", in.size(), input.size()));
  std::copy(input.begin(), input.end(), in.begin());
  for (const std::size_t n : state.plan->order) {
    state.gather(n);
    state.compute(n);
  }
  ++state.step;
  const auto& out = state.nodes[state.plan->output].out;
  const auto wrong = std::find_if(out.begin(), out.end(), [](double value) { return !std::isfinite(value); });
  if (wrong != out.end()) {
    throw NumericsError(fmt::format(
        "output {} of the graph is not finite at step {}: its parameters, or the step of {} s, let it grow "
        "without bounds",
        wrong - out.begin(), state.step, state.plan->options.dt));
  }
  return out;
}

std::int64_t NirSimulator::steps() const { return state_->step; }
std::int64_t NirSimulator::synaptic_operations() const { return whole(state_->operations); }

Span<const double> NirSimulator::v(const std::string& node) const {
  for (std::size_t n = 0; n < state_->nodes.size(); ++n) {
    if (state_->plan->nodes[n].name == node && has_v(state_->plan->nodes[n].kind)) return state_->nodes[n].v;
  }
  throw ConfigError(fmt::format("the graph has no neuron '{}'", node));
}

std::vector<std::pair<std::string, std::int64_t>> NirSimulator::spike_counts() const {
  std::vector<std::pair<std::string, std::int64_t>> counts;
  for (const std::size_t n : state_->plan->order) {
    const Compiled& node = state_->plan->nodes[n];
    if (fires(node.kind)) counts.emplace_back(node.name, state_->nodes[n].spikes);
  }
  return counts;
}

}  // namespace spikeloom::exchange
