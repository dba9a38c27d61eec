#include "spikeloom/runtime/observation/work_counter.h"

#include <cmath>

namespace spikeloom::runtime {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

/// How many outputs each input reaches: output o takes inputs o * stride - padding + k * dilation.
std::vector<std::int64_t> reach(const Product::Axis& axis, std::int64_t inputs, std::int64_t outputs) {
  std::vector<std::int64_t> counts(at(inputs));
  for (std::int64_t output = 0; output < outputs; ++output) {
    for (std::int64_t k = 0; k < axis.kernel; ++k) {
      const std::int64_t input = output * axis.stride - axis.padding + k * axis.dilation;
      if (input >= 0 && input < inputs) ++counts[at(input)];
    }
  }
  return counts;
}

}  // namespace

WorkCounter::WorkCounter(const Network& network)
    : network_(network), additions_(network.nodes.size()), macs_(network.nodes.size()) {
  for (const Node& node : network.nodes) {
    const Product& product = node.product;
    rows_.push_back(reach(product.vertical, product.input.height, product.output.height));
    columns_.push_back(reach(product.horizontal, product.input.width, product.output.width));
  }
}

void WorkCounter::step(const Session& session, Span<const float> input, bool is_events) {
  for (std::size_t n = 0; n < network_.nodes.size(); ++n) {
    const Node& node = network_.nodes[n];
    for (const Connection& connection : node.inputs) {
      if (connection.from == model::kNone) {
        if (!input.empty()) count(n, connection, network_.input, input, is_events);
        continue;
      }
      const auto from = at(connection.from);
      const bool spikes = network_.nodes[from].neurons.kind == Neurons::kSpiking && !connection.neunorm;
      count(n, connection, network_.nodes[from].product.output, session.outputs(from), spikes);
    }
    if (node.recurrent.empty()) continue;
    // The spikes of this step go back at the next one.
    const Span<const float> spikes = session.outputs(n);
    const auto neurons = static_cast<std::int64_t>(spikes.size());
    for (const float spike : spikes) additions_[n] += spike != 0.0f ? neurons : 0;
  }
}

void WorkCounter::count(std::size_t node, const Connection& connection, const model::Shape& shape,
                        Span<const float> values, bool are_spikes) {
  const Product& product = network_.nodes[node].product;
  const bool is_matrix = product.input.height == 1 && product.input.width == 1;
  const std::int64_t k = connection.pool.kind == model::Pool::kNone ? 1 : connection.pool.factor;
  const bool largest = connection.pool.kind == model::Pool::kMax;
  const std::int64_t filters = product.output.channels / product.groups;
  const std::int64_t height = shape.height / k, width = shape.width / k;
  std::int64_t additions = 0, macs = 0;
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t synapses = filters * (is_matrix ? 1 : rows_[node][at(y)] * columns_[node][at(x)]);
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        double window = 0.0;
        bool any = false;
        for (std::int64_t i = 0; i < k * k; ++i) {
          const float value =
              values[at(((y * k + i / k) * shape.width + x * k + i % k) * shape.channels + c)];
          window += value;
          any = any || value != 0.0f;
        }
        if (!are_spikes) {
          // What NeuNorm subtracts leaves no value at 0.
          macs += any || connection.neunorm ? synapses : 0;
        } else {
          additions += synapses * (largest ? (any ? 1 : 0) : static_cast<std::int64_t>(std::llround(window)));
        }
      }
    }
  }
  additions_[node] += additions;
  macs_[node] += macs;
}

}  // namespace spikeloom::runtime
