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
    return index == model::kNoSlot ? none : values_[static_cast<std::size_t>(index)];
  }

  // For the last use of it.
  std::vector<float> take_slot(int index) {
    return index == model::kNoSlot ? std::vector<float>()
                                   : std::move(values_[static_cast<std::size_t>(index)]);
  }

  Node node_of(const model::Stage& stage) {
    Node node;
    node.name = stage.name;
    for (const model::Edge& edge : stage.inputs) node.inputs.push_back(connection_of(edge));
    set_product(stage.product, node.product);
    std::vector<float> weight = take_slot(stage.product.weight);
    fold_norm(stage, node, weight);
    node.bfloat16 = arithmetic_.bfloat16 && program_.spiking && !stage.reads_input();
    node.product.is_exact = node.bfloat16;
    if (is_event_driven(stage)) {
      round_to_steps(node.product, weight);
      // Rows of few filters are too short to add them one by one.
      if (counts_are_exact(stage) && node.product.output.channels >= arithmetic_.fixed_filters) {
        set_fixed(weight, stage.inputs.front().pool, node.product);
      } else {
        lay_out(weight, node.product, node.product.weight);
      }
    } else if (node.bfloat16) {
      for (float& value : node.product.bias) {
        value = kernels::to_float(kernels::from_float<kernels::BFloat16>(value));
      }
      lay_out(weight, node.product, node.product.weight16);
    } else {
      lay_out(weight, node.product, node.product.weight);
    }
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

  void set_product(const model::Product& from, Product& product) const {
    product.input = from.is_convolution() ? from.input : model::Shape{from.input.size(), 1, 1};
    product.output = from.output;
    if (from.is_convolution()) {
      product.vertical = product.horizontal = {from.kernel, from.stride, from.padding, 1};
    }
    product.bias = slot(from.bias);
  }

  // Weights of a filter lie together in `weight`, [F, C, k, k] or [F, values].
  void fold_norm(const model::Stage& stage, Node& node, std::vector<float>& weight) const {
    if (stage.norm.kind == model::Norm::kNone) return;
    const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
    const auto filters = static_cast<std::size_t>(node.product.output.channels);
    const std::size_t of_filter = weight.size() / filters;
    if (node.product.bias.empty()) node.product.bias.assign(filters, 0.0f);
    for (std::size_t f = 0; f < filters; ++f) {
      const double slope =
          kernels::batch_norm_slope(params, slot(stage.norm.scale)[f], slot(stage.norm.variance)[f]);
      node.product.bias[f] = kernels::batch_norm_folded_bias(
          slope, node.product.bias[f], slot(stage.norm.mean)[f], slot(stage.norm.shift)[f]);
      const auto factor = static_cast<float>(slope);
      for (std::size_t i = 0; i < of_filter; ++i) weight[f * of_filter + i] *= factor;
    }
    node.step_factor = slot(stage.norm.step_scale);
  }

  bool is_event_driven(const model::Stage& stage) const {
    const model::Product& product = stage.product;
    const bool can = product.is_convolution() ? product.stride == 1 && product.padding < product.kernel
                                              : arithmetic_.event_filters == 0 && stage.reads_spikes() &&
                                                    stage.inputs.front().pool.kind == model::Pool::kNone;
    return can && stage.reads_spikes() && product.output.channels >= arithmetic_.event_filters;
  }

  // Averages of windows of 2^n spikes are whole numbers of 1 / 2^n, in bfloat16 too.
  static bool counts_are_exact(const model::Stage& stage) {
    constexpr int kLargest = 16;  // of its windows, counts have eight digits
    const int side = stage.inputs.front().pool.averaged();
    return side <= kLargest && (side & (side - 1)) == 0;
  }

  // Weights that are whole; their scale is that of counts.
  static void set_fixed(const std::vector<float>& weight, const model::Pool& pool, Product& product) {
    constexpr std::int64_t kTogether = 32;
    const std::int64_t filters = product.output.channels;
    kernels::FixedPointWeights& fixed = product.fixed;
    fixed.rows = product.rows();
    fixed.stride = (filters + kTogether - 1) / kTogether * kTogether;
    const int window = pool.averaged() * pool.averaged();
    fixed.scale.assign(static_cast<std::size_t>(fixed.stride), 0.0f);
    for (std::size_t f = 0; f < product.scale.size(); ++f) {
      fixed.scale[f] = product.scale[f] / static_cast<float>(window);
    }
    fixed.values.resize(static_cast<std::size_t>(fixed.rows * fixed.stride));
    constexpr auto kLargest = static_cast<float>(kernels::kLargestWeight);
    for_each_row(product, [&](std::int64_t row, std::int64_t first, std::int64_t end, std::int64_t from) {
      std::int16_t* const to = fixed.values.data() + fixed.at(row, first);  // a block: every second lane
      for (std::int64_t f = first; f < end; ++f) {
        const float value = weight[static_cast<std::size_t>(f * fixed.rows + from)];
        to[2 * (f - first)] =
            std::fabs(value) <= kLargest ? static_cast<std::int16_t>(value) : std::int16_t{0};
      }
    });
  }

  // As the engine's event-driven layers have them (kernels::FixedPointWeights).
  static void round_to_steps(Product& product, std::vector<float>& weight) {
    const auto filters = static_cast<std::size_t>(product.output.channels);
    const std::size_t of_filter = weight.size() / filters;
    for (std::size_t f = 0; f < filters; ++f) {
      float* const own = weight.data() + f * of_filter;
      float most = 0.0f;
      for (std::size_t i = 0; i < of_filter; ++i) most = std::max(most, std::fabs(own[i]));
      const float scale = most / static_cast<float>(kernels::kLargestWeight);
      const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
      for (std::size_t i = 0; i < of_filter; ++i) own[i] = nearest(own[i] * inverse);
      product.scale.push_back(scale);
    }
  }

  // Calls use(row of the weights, filters [first, end) of a block of 16, place in the filter's own weights)
  // for all weights, in an order that uses cache lines whole on both sides.
  template <class Use>
  static void for_each_row(const Product& product, const Use& use) {
    const std::int64_t filters = product.output.channels, channels = product.input.channels;
    const std::int64_t taps = product.rows() / channels;
    constexpr std::int64_t kBlock = 16;
    for (std::int64_t first_f = 0; first_f < filters; first_f += kBlock) {
      const std::int64_t end_f = std::min(first_f + kBlock, filters);
      for (std::int64_t first_c = 0; first_c < channels; first_c += kBlock) {
        const std::int64_t end_c = std::min(first_c + kBlock, channels);
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          for (std::int64_t c = first_c; c < end_c; ++c)
            use(tap * channels + c, first_f, end_f, c * taps + tap);
        }
      }
    }
  }

  // To Product::at().
  template <class Weight>
  static void lay_out(const std::vector<float>& weight, const Product& product, std::vector<Weight>& to) {
    to.resize(weight.size());
    for_each_row(product, [&](std::int64_t row, std::int64_t first, std::int64_t end, std::int64_t from) {
      Weight* const of_row = to.data() + product.at(row, first);
      for (std::int64_t f = first; f < end; ++f) {
        of_row[f - first] =
            kernels::from_float<Weight>(weight[static_cast<std::size_t>(f * product.rows() + from)]);
      }
    });
  }

  void set_recurrent(const model::Stage& stage, Node& node) {
    const std::vector<float> weight = take_slot(stage.recurrent);
    const auto neurons = static_cast<std::size_t>(stage.product.output.size());
    node.recurrent.resize(weight.size());
    for (std::size_t i = 0; i < weight.size(); ++i) {
      node.recurrent[i % neurons * neurons + i / neurons] = weight[i];
    }
  }

  static Neurons::Kind kind_of(model::Neuron::Kind kind) {
    if (kind == model::Neuron::kLif) return Neurons::kSpiking;
    if (kind == model::Neuron::kRelu) return Neurons::kRelu;
    if (kind == model::Neuron::kNone) return Neurons::kNone;
    return kind == model::Neuron::kReadout ? Neurons::kMean : Neurons::kValue;
  }

  void set_neurons(const model::Neuron& from, Neurons& neurons) const {
    neurons.kind = kind_of(from.kind);
    const kernels::NeuronParams params = from.params_now([&](int index) { return slot(index).front(); });
    neurons.reset = params.reset;
    neurons.decay = {static_cast<float>(params.decay)};
    neurons.v_threshold = {static_cast<float>(params.v_threshold)};
    neurons.v_reset = {static_cast<float>(params.v_reset)};
    neurons.current_decay = {static_cast<float>(params.current_decay)};
  }

  const model::Program& program_;
  SlotValues values_;
  const Arithmetic& arithmetic_;
};

}  // namespace

std::int64_t Network::weight_bytes() const {
  std::size_t values = 0, halves = 0;
  for (const Node& node : nodes) {
    values += node.product.weight.size() + node.product.bias.size() + node.recurrent.size();
    halves += node.product.weight16.size() + node.product.fixed.values.size();
    for (const Connection& connection : node.inputs) {
      if (connection.neunorm) values += connection.neunorm->u.size();
    }
  }
  return static_cast<std::int64_t>(values * sizeof(float) + halves * sizeof(kernels::BFloat16));
}

Arithmetic arithmetic_of(const model::ComputeSettings& settings) {
  constexpr std::int64_t kMinFilters = 32;  // docs/recipes.md, compute.path
  Arithmetic arithmetic;
  if (settings.state != model::StateMode::kCompact) return arithmetic;
  arithmetic.bfloat16 = settings.precision == model::Precision::kBf16;
  const bool sparse = arithmetic.bfloat16 && settings.event_forward_below > 0.0;
  if (settings.path == model::Path::kAuto && sparse) arithmetic.event_filters = kMinFilters;
  if (settings.path == model::Path::kEvent) arithmetic.event_filters = arithmetic.fixed_filters = 0;
  return arithmetic;
}

Network make_network(const model::Program& program, SlotValues values, const Arithmetic& arithmetic) {
  return NetworkMaker(program, std::move(values), arithmetic).make();
}

}  // namespace spikeloom::runtime
