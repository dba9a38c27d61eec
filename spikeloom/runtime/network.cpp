#include "spikeloom/runtime/network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "spikeloom/kernels/batch_norm_params.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::runtime {
namespace {

// The nearest whole number, to even, of |value| < 2^22; std::nearbyint is a call of a library for each
// weight.
float nearest(float value) {
  constexpr float kOneAndAHalfTimes2To23 = 12582912.0f;
  return (value + kOneAndAHalfTimes2To23) - kOneAndAHalfTimes2To23;
}

class NetworkMaker {
 public:
  NetworkMaker(const model::Program& program, SlotValues values, const Arithmetic& arithmetic)
      : program_(program), values_(std::move(values)), arithmetic_(arithmetic) {}

  Network make() {
    Network network;
    network.input = program_.input;
    network.num_classes = program_.num_classes;
    network.num_steps = program_.num_steps;
    network.spiking = program_.spiking;
    network.class_of = program_.class_of;
    for (const model::Stage& stage : program_.stages) network.nodes.push_back(node_of(stage));
    return network;
  }

 private:
  const std::vector<float>& slot(int index) const {
    static const std::vector<float> none;
    return index == model::kNone ? none : values_[static_cast<std::size_t>(index)];
  }

  // For the last use of it.
  std::vector<float> take_slot(int index) {
    return index == model::kNone ? std::vector<float>() : std::move(values_[static_cast<std::size_t>(index)]);
  }

  Node node_of(const model::Stage& stage) {
    Node node;
    node.name = stage.name;
    for (const model::Edge& edge : stage.inputs) node.inputs.push_back(connection_of(edge));
    set_product(stage, node.product);
    fold_norm(stage, node);
    node.bfloat16 = arithmetic_.bfloat16 && program_.spiking && !stage.reads_input();
    round_weights(stage, node);
    node.shortcuts = stage.shortcuts;
    set_recurrent(stage, node);
    set_neurons(stage.neuron, node.neurons);
    return node;
  }

  Connection connection_of(const model::Edge& edge) const {
    Connection connection;
    connection.from = edge.stage;
    connection.pool = edge.pool;
    if (edge.is_plain()) return connection;
    const auto& params = program_.stages[static_cast<std::size_t>(edge.stage)].neunorm;
    NeuNorm neunorm;
    neunorm.decay = static_cast<float>(params.decay);
    neunorm.coefficient = static_cast<float>(params.coefficient);
    neunorm.after_pool = edge.neunorm_after_pool;
    const auto& shape = program_.slot(edge.neunorm_u).shape;  // [C or 1, H, W]
    const auto& u = slot(edge.neunorm_u);
    const std::int64_t channels = shape[0], positions = shape[1] * shape[2];
    neunorm.u.resize(u.size());
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < positions; ++p) {
        neunorm.u[static_cast<std::size_t>(p * channels + c)] =
            u[static_cast<std::size_t>(c * positions + p)];
      }
    }
    connection.neunorm = std::move(neunorm);
    return connection;
  }

  // [F, C, k, k] or [F, values] -> Product::at(), in blocks whose cache lines are used whole on both sides.
  void set_product(const model::Stage& stage, Product& product) {
    const model::Product& from = stage.product;
    product.input = from.is_convolution() ? from.input : model::Shape{from.input.size(), 1, 1};
    product.output = from.output;
    product.vertical = product.horizontal = {from.kernel, from.stride, from.padding, 1};
    const std::vector<float> weight = take_slot(from.weight);
    const std::int64_t filters = from.output.channels, channels = product.input.channels;
    const std::int64_t taps = from.is_convolution() ? std::int64_t{from.kernel} * from.kernel : 1;
    if (!from.is_convolution()) product.vertical = product.horizontal = {};
    product.weight.resize(weight.size());
    constexpr std::int64_t kBlock = 16;
    for (std::int64_t first_f = 0; first_f < filters; first_f += kBlock) {
      const std::int64_t end_f = std::min(first_f + kBlock, filters);
      for (std::int64_t first_c = 0; first_c < channels; first_c += kBlock) {
        const std::int64_t end_c = std::min(first_c + kBlock, channels);
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          for (std::int64_t c = first_c; c < end_c; ++c) {
            for (std::int64_t f = first_f; f < end_f; ++f) {
              product.weight[product.at(tap * channels + c, f)] =
                  weight[static_cast<std::size_t>((f * channels + c) * taps + tap)];
            }
          }
        }
      }
    }
    product.bias = slot(from.bias);
  }

  // use(filter, weight), in memory order.
  template <class Use>
  static void for_each_weight(Product& product, const Use& use) {
    float* weight = product.weight.data();
    for (std::int64_t first = 0; first < product.filters(); first += Product::kBlock) {
      const std::int64_t end = first + product.width(first);
      for (std::int64_t row = 0; row < product.rows(); ++row) {
        for (std::int64_t f = first; f < end; ++f) use(static_cast<std::size_t>(f), *weight++);
      }
    }
  }

  void fold_norm(const model::Stage& stage, Node& node) const {
    if (stage.norm.kind == model::Norm::kNone) return;
    const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
    const auto filters = static_cast<std::size_t>(node.product.output.channels);
    if (node.product.bias.empty()) node.product.bias.assign(filters, 0.0f);
    std::vector<float> factors(filters);
    for (std::size_t f = 0; f < filters; ++f) {
      const double slope =
          kernels::batch_norm_slope(params, slot(stage.norm.scale)[f], slot(stage.norm.variance)[f]);
      const double offset = node.product.bias[f] - slot(stage.norm.mean)[f];
      node.product.bias[f] = static_cast<float>(slope * offset + slot(stage.norm.shift)[f]);
      factors[f] = static_cast<float>(slope);
    }
    for_each_weight(node.product, [&](std::size_t f, float& weight) { weight *= factors[f]; });
    node.step_factor = slot(stage.norm.step_scale);
  }

  void round_weights(const model::Stage& stage, Node& node) const {
    const model::Product& product = stage.product;
    const auto filters = static_cast<std::size_t>(product.output.channels);
    const bool can = product.is_convolution() ? product.stride == 1 && product.padding < product.kernel
                                              : arithmetic_.event_filters == 0 && stage.reads_spikes() &&
                                                    stage.inputs.front().pool.kind == model::Pool::kNone;
    const bool is_event = can && stage.reads_spikes() && product.output.channels >= arithmetic_.event_filters;
    if (is_event) {
      std::vector<float> most(filters), scale(filters), inverse(filters);
      for_each_weight(node.product,
                      [&](std::size_t f, float& value) { most[f] = std::max(most[f], std::fabs(value)); });
      for (std::size_t f = 0; f < filters; ++f) {
        scale[f] = most[f] / static_cast<float>(kernels::kLargestWeight);
        inverse[f] = scale[f] > 0.0f ? 1.0f / scale[f] : 0.0f;
      }
      for_each_weight(node.product,
                      [&](std::size_t f, float& value) { value = nearest(value * inverse[f]) * scale[f]; });
    } else if (node.bfloat16) {
      for (std::vector<float>* list : {&node.product.weight, &node.product.bias}) {
        for (float& value : *list) value = kernels::to_float(kernels::from_float<kernels::BFloat16>(value));
      }
    }
  }

  void set_recurrent(const model::Stage& stage, Node& node) {
    const std::vector<float> weight = take_slot(stage.recurrent);
    const auto neurons = static_cast<std::size_t>(stage.product.output.size());
    node.recurrent.resize(weight.size());
    for (std::size_t i = 0; i < weight.size(); ++i) {
      node.recurrent[i % neurons * neurons + i / neurons] = weight[i];
    }
  }

  void set_neurons(const model::Neuron& from, Neurons& neurons) const {
    switch (from.kind) {
      case model::Neuron::kLif:
        neurons.kind = Neurons::kSpiking;
        break;
      case model::Neuron::kRelu:
        neurons.kind = Neurons::kRelu;
        break;
      case model::Neuron::kLinear:
        neurons.kind = Neurons::kValue;
        break;
      case model::Neuron::kNone:
        neurons.kind = Neurons::kNone;
        break;
      case model::Neuron::kReadout:
        neurons.kind = Neurons::kMean;
        break;
    }
    neurons.reset = from.params.reset;
    neurons.decay = {static_cast<float>(from.params.decay)};
    neurons.v_threshold = {static_cast<float>(from.params.v_threshold)};
    neurons.v_reset = {static_cast<float>(from.params.v_reset)};
    neurons.current_decay = {static_cast<float>(from.params.current_decay)};
    if (from.decay != model::kNone) neurons.decay = slot(from.decay);
    if (from.v_threshold != model::kNone) neurons.v_threshold = slot(from.v_threshold);
  }

  const model::Program& program_;
  SlotValues values_;
  const Arithmetic& arithmetic_;
};

}  // namespace

std::int64_t Network::weight_bytes() const {
  std::size_t values = 0;
  for (const Node& node : nodes) {
    values += node.product.weight.size() + node.product.bias.size() + node.recurrent.size();
    for (const Connection& connection : node.inputs) {
      if (connection.neunorm) values += connection.neunorm->u.size();
    }
  }
  return static_cast<std::int64_t>(values * sizeof(float));
}

Arithmetic arithmetic_of(const model::ComputeSettings& settings) {
  constexpr std::int64_t kMinFilters = 128;  // docs/recipes.md, compute.path
  Arithmetic arithmetic;
  if (settings.state != model::StateMode::kCompact) return arithmetic;
  arithmetic.bfloat16 = settings.precision == model::Precision::kBf16;
  const bool sparse = arithmetic.bfloat16 && settings.event_forward_below > 0.0;
  if (settings.path == model::Path::kAuto && sparse) arithmetic.event_filters = kMinFilters;
  if (settings.path == model::Path::kEvent) arithmetic.event_filters = 0;
  return arithmetic;
}

Network make_network(const model::Program& program, SlotValues values, const Arithmetic& arithmetic) {
  return NetworkMaker(program, std::move(values), arithmetic).make();
}

}  // namespace spikeloom::runtime
