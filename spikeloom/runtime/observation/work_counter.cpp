#include "spikeloom/runtime/observation/work_counter.h"

#include "spikeloom/runtime/index.h"

namespace spikeloom::runtime {
WorkCounter::WorkCounter(const Network& network)
    : network_(network), additions_(network.nodes.size()), macs_(network.nodes.size()) {
  for (const Node& node : network.nodes) fan_outs_.emplace_back(node.product);
}

void WorkCounter::step(const Session& session, Span<const float> input, bool is_events) {
  for (std::size_t n = 0; n < network_.nodes.size(); ++n) {
    const Node& node = network_.nodes[n];
    for (const Connection& connection : node.inputs) {
      if (connection.from == model::kInput) {
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
  if (connection.neunorm) {  // what it subtracts leaves no value at 0
    const std::int64_t k = connection.pool.kind == model::Pool::kNone ? 1 : connection.pool.factor;
    for (std::int64_t y = 0; y < shape.height / k; ++y) {
      for (std::int64_t x = 0; x < shape.width / k; ++x)
        macs_[node] += shape.channels * fan_outs_[node].synapses(y, x);
    }
    return;
  }
  const FanOut::Work work = fan_outs_[node].of(shape, connection.pool, values);
  (are_spikes ? additions_ : macs_)[node] += are_spikes ? work.additions : work.values;
}

}  // namespace spikeloom::runtime
