#include "spikeloom/runtime/nir_export.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/formats/nir/write.h"
#include "spikeloom/runtime/index.h"
#include "spikeloom/runtime/session.h"

namespace spikeloom::runtime {
namespace {

using formats::NirArray;
using formats::NirKind;
using formats::NirNode;
using formats::NirShape;

NirArray floats(NirShape shape, std::vector<double> values, NirArray::Type type = NirArray::Type::kFloat32) {
  NirArray array;
  array.type = type;
  array.shape = std::move(shape);
  array.values = std::move(values);
  return array;
}

NirArray integers(std::vector<double> values) {
  const NirShape shape{static_cast<std::int64_t>(values.size())};
  return floats(shape, std::move(values), NirArray::Type::kInt64);
}

NirArray integer(double value) { return floats({}, {value}, NirArray::Type::kInt64); }

/// As graphs have it: vectors of fully connected layers have one dimension.
NirShape shape_of(const model::Shape& shape, bool is_vector) {
  return is_vector ? NirShape{shape.size()} : NirShape{shape.channels, shape.height, shape.width};
}

std::int64_t size_of(const NirShape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) size *= extent;
  return size;
}

class Exporter {
 public:
  Exporter(const Network& network, double dt) : network_(network), dt_(dt) {}

  formats::NirGraph make() {
    if (!network_.spiking) {
      throw ConfigError("an artificial network (network.kind = \"ann\") has no graph of NIR");
    }
    add("input", NirKind::kInput).parameters["shape"] = integers(as_doubles(shape_of(network_.input, false)));
    for (std::size_t n = 0; n < network_.nodes.size(); ++n) add_node(n);
    add_votes();
    graph_.version = formats::kNirVersion;
    graph_.metadata["dt"] = std::to_string(dt_);
    graph_.metadata["reset"] =
        nir_options(network_, dt_).reset == exchange::NirOptions::Reset::kSubtract ? "subtract" : "zero";
    return std::move(graph_);
  }

 private:
  [[noreturn]] static void refuse(const Node& node, const std::string& what) {
    throw ConfigError("layer " + node.name + ": " + what + ", which NIR cannot express");
  }

  static std::vector<double> as_doubles(const NirShape& shape) { return {shape.begin(), shape.end()}; }

  NirNode& add(const std::string& name, NirKind kind) {
    NirNode node;
    node.name = name;
    node.kind = kind;
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back();
  }
  void connect(const std::string& from, const std::string& to) { graph_.edges.emplace_back(from, to); }

  static bool is_vector(const Node& node) {
    return node.product.input.height == 1 && node.product.input.width == 1 &&
           node.product.output.height == 1 && node.product.output.width == 1 &&
           node.product.vertical.kernel == 1;
  }
  /// Of what a node's first connection brings, after pooling.
  model::Shape source_shape(const Node& node) const {
    const Connection& first = node.inputs.front();
    model::Shape shape =
        first.from == model::kInput ? network_.input : network_.nodes[at(first.from)].product.output;
    if (first.pool.kind != model::Pool::kNone) {
      shape.height /= first.pool.factor;
      shape.width /= first.pool.factor;
    }
    return shape;
  }
  bool sources_are_vectors(const Node& node) const {
    const int from = node.inputs.front().from;
    return from != model::kInput && vector_[at(from)];
  }

  void add_node(std::size_t n) {
    const Node& node = network_.nodes[n];
    const bool vector = is_vector(node);
    vector_.push_back(vector);
    if (!node.step_factor.empty()) refuse(node, std::string("it ") + kByStep);
    std::string to = node.name;
    if (vector && !sources_are_vectors(node)) {
      const model::Shape from = source_shape(node);
      to = node.name + ".flatten";
      NirNode& flatten = add(to, NirKind::kFlatten);
      flatten.parameters["start_dim"] = integer(0);
      flatten.parameters["end_dim"] = integer(-1);
      flatten.parameters["input_type"] = integers(as_doubles(shape_of(from, false)));
      connect(to, node.name);
    }
    for (std::size_t i = 0; i < node.inputs.size(); ++i) add_connection(node, i, to);
    if (vector) {
      add_matrix(node);
    } else {
      add_convolution(node);
    }
    if (node.neurons.kind == Neurons::kSpiking) add_neurons(n);
    if (node.neurons.kind == Neurons::kRelu || node.neurons.kind == Neurons::kValue) {
      refuse(node, "its neurons are those of an artificial network");
    }
  }

  void add_connection(const Node& node, std::size_t index, const std::string& to) {
    const Connection& connection = node.inputs[index];
    const std::string suffix = index == 0 ? "" : std::to_string(index + 1);
    const bool is_input = connection.from == model::kInput;
    const model::Shape shape = is_input ? network_.input : network_.nodes[at(connection.from)].product.output;
    std::string from = is_input ? "input" : output_of(at(connection.from));
    if (connection.pool.gives_spikes()) refuse(node, name_of(connection.pool));
    const bool pools = connection.pool.kind == model::Pool::kAverage && connection.pool.factor > 1;
    const bool vector = !is_input && vector_[at(connection.from)];
    if (vector && (pools || connection.neunorm)) refuse(node, "pooling or NeuNorm of a vector");
    const auto pool = [&](const std::string& name, const std::string& source) {
      NirNode& window = add(name, NirKind::kAvgPool2d);
      const auto factor = static_cast<double>(connection.pool.factor);
      window.parameters["kernel_size"] = window.parameters["stride"] = integers({factor, factor});
      window.parameters["padding"] = integers({0, 0});
      connect(source, name);
      return name;
    };
    if (!connection.neunorm) {
      if (pools) from = pool(node.name + ".pool" + suffix, from);
      connect(from, to);
      return;
    }
    model::Shape seen = shape;
    if (pools && connection.neunorm->after_pool) {
      from = pool(node.name + ".pool" + suffix, from);
      seen.height /= connection.pool.factor;
      seen.width /= connection.pool.factor;
    }
    std::string inhibition = add_neunorm(node.name + ".neunorm" + suffix, *connection.neunorm, seen, from);
    if (pools && !connection.neunorm->after_pool) {
      from = pool(node.name + ".pool" + suffix, from);
      inhibition = pool(node.name + ".neunorm_pool" + suffix, inhibition);
    }
    connect(from, to);
    connect(inhibition, to);
  }

  /// - u x, of x = decay x + coefficient * (sum over channels): its last node.
  std::string add_neunorm(const std::string& name, const NeuNorm& neunorm, const model::Shape& shape,
                          const std::string& from) {
    const std::int64_t channels = shape.channels, pixels = shape.height * shape.width;
    if (!(neunorm.decay < 1.0f)) {
      throw ConfigError(name + ": a NeuNorm that never forgets (decay 1), which NIR cannot express");
    }
    add_pointwise(name + ".sum", shape, {1, channels, 1, 1}, neunorm.coefficient);
    connect(from, name + ".sum");
    const NirShape one{1, shape.height, shape.width};
    NirNode& x = add(name + ".x", NirKind::kLi);
    const double left = 1.0 - static_cast<double>(neunorm.decay);
    x.parameters["tau"] = everywhere(one, dt_ / left);
    x.parameters["r"] = everywhere(one, 1.0 / left);
    x.parameters["v_leak"] = everywhere(one, 0.0);
    connect(name + ".sum", name + ".x");
    add_pointwise(name + ".spread", {1, shape.height, shape.width}, {channels, 1, 1, 1}, -1.0);
    connect(name + ".x", name + ".spread");
    NirNode& scale = add(name + ".u", NirKind::kScale);
    const bool shared = static_cast<std::int64_t>(neunorm.u.size()) == pixels;
    std::vector<double> u(at(channels * pixels));
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p)
        u[at(c * pixels + p)] = neunorm.u[at(shared ? p : p * channels + c)];
    }
    scale.parameters["scale"] = floats(shape_of(shape, false), std::move(u));
    connect(name + ".spread", name + ".u");
    return name + ".u";
  }

  void add_pointwise(const std::string& name, const model::Shape& input, const NirShape& weight,
                     double value) {
    NirNode& node = add(name, NirKind::kConv2d);
    node.parameters["weight"] = floats(weight, std::vector<double>(at(size_of(weight)), value));
    node.parameters["bias"] = floats({weight[0]}, std::vector<double>(at(weight[0]), 0.0));
    set_windows(node, input, 1, 0);
  }

  static void set_windows(NirNode& node, const model::Shape& input, int stride, int padding) {
    node.parameters["input_shape"] =
        integers({static_cast<double>(input.height), static_cast<double>(input.width)});
    node.parameters["stride"] = integers({static_cast<double>(stride), static_cast<double>(stride)});
    node.parameters["padding"] = integers({static_cast<double>(padding), static_cast<double>(padding)});
    node.parameters["dilation"] = integers({1, 1});
    node.parameters["groups"] = integer(1);
  }

  NirArray bias_of(const Node& node) const {
    const std::int64_t filters = node.product.output.channels;
    std::vector<double> bias(node.product.bias.begin(), node.product.bias.end());
    bias.resize(at(filters), 0.0);
    return floats({filters}, std::move(bias));
  }

  /// [values in (h, w, c), F] -> [F, values in (c, h, w)].
  void add_matrix(const Node& node) {
    const model::Shape from = sources_are_vectors(node) ? node.product.input : source_shape(node);
    const std::int64_t filters = node.product.output.channels, values = node.product.input.channels;
    const std::int64_t pixels = from.height * from.width;
    std::vector<double> weight(at(values * filters));
    for (std::int64_t f = 0; f < filters; ++f) {
      for (std::int64_t c = 0; c < from.channels; ++c) {
        for (std::int64_t p = 0; p < pixels; ++p) {
          weight[at(f * values + c * pixels + p)] = node.product.weight_at(p * from.channels + c, f);
        }
      }
    }
    NirNode& affine = add(node.name, NirKind::kAffine);
    affine.parameters["weight"] = floats({filters, values}, std::move(weight));
    affine.parameters["bias"] = bias_of(node);
  }

  /// [kernel, kernel, C, F] -> [F, C, kernel, kernel].
  void add_convolution(const Node& node) {
    const Product& product = node.product;
    const auto& axis = product.vertical;
    if (product.groups != 1 || axis.dilation != 1) refuse(node, "groups or dilation");
    const std::int64_t filters = product.output.channels, channels = product.input.channels;
    const std::int64_t taps = std::int64_t{axis.kernel} * axis.kernel;
    std::vector<double> weight(at(product.rows() * filters));
    for (std::int64_t f = 0; f < filters; ++f) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          weight[at((f * channels + c) * taps + tap)] = product.weight_at(tap * channels + c, f);
        }
      }
    }
    NirNode& convolution = add(node.name, NirKind::kConv2d);
    convolution.parameters["weight"] =
        floats({filters, channels, axis.kernel, axis.kernel}, std::move(weight));
    convolution.parameters["bias"] = bias_of(node);
    set_windows(convolution, product.input, axis.stride, axis.padding);
  }

  static NirArray everywhere(const NirShape& shape, double value) {
    return floats(shape, std::vector<double>(at(size_of(shape)), value), NirArray::Type::kFloat64);
  }

  void add_neurons(std::size_t n) {
    const Node& node = network_.nodes[n];
    const Neurons& neurons = node.neurons;
    if (neurons.reset == kernels::Reset::kNone) refuse(node, "neurons without a reset");
    const NirShape shape = shape_of(node.product.output, vector_[n]);
    const std::string name = node.name + ".neurons";
    const auto single = [&](const std::vector<float>& values, const char* what) {
      if (values.size() != 1) refuse(node, std::string("neurons with a ") + what + " each");
      return static_cast<double>(values.front());
    };
    const double decay = single(neurons.decay, "decay"),
                 current = single(neurons.current_decay, "current decay"),
                 scale = single(neurons.input_scale, "scale"), leak = single(neurons.leak, "leak");
    const bool integrates = decay == 1.0, has_current = current != 0.0;
    if (!(decay <= 1.0) || !(current < 1.0) || (integrates && (has_current || leak != 0.0))) {
      refuse(node, "neurons of decay " + std::to_string(decay) + " with a synaptic current of decay " +
                       std::to_string(current));
    }
    NirNode& to = add(name, integrates ? NirKind::kIf : has_current ? NirKind::kCubaLif : NirKind::kLif);
    const double left = 1.0 - decay;
    to.parameters["r"] = everywhere(shape, integrates ? scale : has_current ? 1.0 / left : scale / left);
    if (!integrates) {
      to.parameters[has_current ? "tau_mem" : "tau"] = everywhere(shape, dt_ / left);
      to.parameters["v_leak"] = everywhere(shape, leak / left);
    }
    if (has_current) {
      to.parameters["tau_syn"] = everywhere(shape, dt_ / (1.0 - current));
      to.parameters["w_in"] = everywhere(shape, scale / (1.0 - current));
    }
    const float threshold = static_cast<float>(single(neurons.v_threshold, "threshold"));
    to.parameters["v_threshold"] =
        everywhere(shape, std::nextafter(threshold, -std::numeric_limits<float>::infinity()));
    to.parameters["v_reset"] = everywhere(shape, single(neurons.v_reset, "reset"));
    for (const std::string& source : currents_of(n)) connect(source, name);
    if (!node.recurrent.empty()) add_recurrence(n);
  }

  void add_recurrence(std::size_t n) {
    const Node& node = network_.nodes[n];
    const std::int64_t count = node.product.output.size();
    std::vector<double> weight(node.recurrent.size());
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t j = 0; j < count; ++j) weight[at(j * count + i)] = node.recurrent[at(i * count + j)];
    }
    if (!vector_[n]) refuse(node, "recurrent weights of a convolution");
    const std::string name = node.name + ".recurrent";
    add(name, NirKind::kLinear).parameters["weight"] = floats({count, count}, std::move(weight));
    connect(node.name + ".neurons", name);
    connect(name, node.name + ".neurons");
  }

  /// The nodes whose sum is the current of a node: its product, and those of its shortcuts.
  std::vector<std::string> currents_of(std::size_t n) const {
    const Node& node = network_.nodes[n];
    std::vector<std::string> names{node.name};
    for (const int source : node.shortcuts) {
      const Node& other = network_.nodes[at(source)];
      if (!other.recurrent.empty()) refuse(node, "a shortcut from a recurrent layer");
      const auto more = currents_of(at(source));
      names.insert(names.end(), more.begin(), more.end());
    }
    return names;
  }

  std::string output_of(std::size_t n) const { return network_.nodes[n].name + ".neurons"; }

  void add_votes() {
    const std::size_t last = network_.nodes.size() - 1;
    const std::int64_t classes = network_.num_classes, count = network_.nodes[last].product.output.size();
    std::vector<std::int64_t> populations(at(classes));
    for (const std::int32_t one : network_.class_of) ++populations[at(one)];
    std::vector<double> weight(at(classes * count));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t k = network_.class_of[at(i)];
      weight[at(k * count + i)] = 1.0 / static_cast<double>(populations[at(k)]);
    }
    NirNode& votes = add("output_votes", NirKind::kAffine);
    votes.parameters["weight"] = floats({classes, count}, std::move(weight), NirArray::Type::kFloat64);
    votes.parameters["bias"] =
        floats({classes}, std::vector<double>(at(classes), 0.0), NirArray::Type::kFloat64);
    if (network_.nodes[last].neurons.kind == Neurons::kSpiking) {
      connect(output_of(last), "output_votes");
    } else {
      for (const std::string& source : currents_of(last)) connect(source, "output_votes");
    }
    add("output", NirKind::kOutput).parameters["shape"] = integers({static_cast<double>(classes)});
    connect("output_votes", "output");
  }

  const Network& network_;
  double dt_;
  formats::NirGraph graph_;
  std::vector<bool> vector_;  ///< of each node that was added: its output has one dimension
};

}  // namespace

formats::NirGraph nir_graph(const Network& network, double dt) { return Exporter(network, dt).make(); }

exchange::NirOptions nir_options(const Network& network, double dt) {
  exchange::NirOptions options;
  options.dt = dt;
  for (const Node& node : network.nodes) {
    if (node.neurons.kind != Neurons::kSpiking) continue;
    if (node.neurons.reset == kernels::Reset::kSubtract)
      options.reset = exchange::NirOptions::Reset::kSubtract;
  }
  return options;
}

NirComparison compare_with_nir(const std::shared_ptr<const Network>& network, const formats::NirGraph& graph,
                               double dt, int samples) {
  Session session(network);
  exchange::NirSimulator simulator(graph, nir_options(*network, dt));
  const auto channels = at(network->input.channels), pixels = at(network->input.size()) / channels;
  std::vector<float> frame(channels * pixels);
  std::vector<double> values(frame.size()), sums(at(network->num_classes));
  NirComparison result;
  for (int sample = 0; sample < samples; ++sample) {
    RandomStream random(1, RandomPurpose::kSimulation, static_cast<std::uint64_t>(sample));
    session.reset();
    simulator.reset();
    std::fill(sums.begin(), sums.end(), 0.0);
    std::vector<std::int64_t> before(network->nodes.size());
    std::vector<std::pair<std::string, std::int64_t>> nir_before = simulator.spike_counts();
    for (int t = 0; t < network->num_steps; ++t, ++result.steps) {
      for (float& value : frame) {
        const std::uint32_t draw = random.below(16);
        value = draw < 2 ? static_cast<float>(draw + 1) : 0.0f;
      }
      for (std::size_t p = 0; p < pixels; ++p) {
        for (std::size_t c = 0; c < channels; ++c) values[c * pixels + p] = frame[p * channels + c];
      }
      session.step({frame.data(), frame.size()});
      const Span<const double> output = simulator.step({values.data(), values.size()});
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += output[k];
      const auto counts = simulator.spike_counts();
      for (std::size_t n = 0; n < network->nodes.size(); ++n) {
        if (network->nodes[n].neurons.kind != Neurons::kSpiking) continue;
        const std::int64_t spikes = session.spike_counts()[n] - before[n];
        before[n] = session.spike_counts()[n];
        result.spikes += spikes;
        for (std::size_t i = 0; i < counts.size(); ++i) {
          if (counts[i].first != network->nodes[n].name + ".neurons") continue;
          result.different_spikes += std::abs(spikes - (counts[i].second - nir_before[i].second));
        }
      }
      nir_before = counts;
    }
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const double vote = sums[k] / static_cast<double>(network->num_steps);
      result.largest_vote_difference =
          std::max(result.largest_vote_difference, std::fabs(vote - session.votes()[k]));
    }
  }
  return result;
}

}  // namespace spikeloom::runtime
