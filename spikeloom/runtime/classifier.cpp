#include "spikeloom/runtime/classifier.h"

#include <algorithm>
#include <numeric>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/nir/shapes.h"
#include "spikeloom/runtime/session.h"

namespace spikeloom::runtime {
namespace {

class SessionClassifier : public Classifier {
 public:
  explicit SessionClassifier(std::shared_ptr<const Network> network) : session_(std::move(network)) {
    for (const Node& node : session_.network().nodes) {
      if (node.step_factor.empty()) continue;
      const auto factors = static_cast<std::int64_t>(node.step_factor.size());
      most_steps_ = most_steps_ == 0 ? factors : std::min(most_steps_, factors);
    }
  }

  std::unique_ptr<Classifier> another() const override {
    return std::make_unique<SessionClassifier>(session_.shared_network());
  }
  model::Shape input() const override { return session_.network().input; }
  void reset() override { session_.reset(); }
  void step(Span<const float> frame) override { session_.step(frame); }
  std::int64_t steps() const override { return session_.steps(); }
  Span<const double> sums() const override { return session_.sums(); }
  Span<const std::int64_t> populations() const override { return session_.populations(); }
  std::int64_t synaptic_operations() const override { return session_.synaptic_operations(); }
  std::int64_t most_steps() const override { return most_steps_; }

 private:
  Session session_;
  std::int64_t most_steps_ = 0;
};

class NirClassifier : public Classifier {
 public:
  explicit NirClassifier(exchange::NirSimulator graph) : graph_(std::move(graph)) {
    const formats::NirShape& shape = graph_.input_shape();
    if (shape.empty() || shape.size() > 3) {
      throw ShapeError("the graph takes " + formats::nir_shape_text(shape) +
                       ": frames have [channels, height, width], signals [channels, length], lists of values "
                       "[channels]");
    }
    const bool is_frame = shape.size() == 3;
    input_ = {shape[0], is_frame ? shape[1] : 1, shape.size() == 1 ? 1 : shape.back()};
    values_.resize(static_cast<std::size_t>(input_.size()));
    const auto& output = graph_.output_shape();
    const std::int64_t outputs =
        std::accumulate(output.begin(), output.end(), std::int64_t{1}, std::multiplies<>());
    sums_.resize(static_cast<std::size_t>(outputs));
    populations_.assign(sums_.size(), 1);
  }

  std::unique_ptr<Classifier> another() const override {
    auto copy = std::make_unique<NirClassifier>(graph_);
    copy->reset();
    return copy;
  }
  model::Shape input() const override { return input_; }
  void reset() override {
    graph_.reset();
    std::fill(sums_.begin(), sums_.end(), 0.0);
    steps_ = 0;
  }
  void step(Span<const float> frame) override {
    if (frame.size() != values_.size()) {
      throw ShapeError("a step has " + std::to_string(frame.size()) + " values, the graph takes " +
                       std::to_string(values_.size()));
    }
    const auto channels = static_cast<std::size_t>(input_.channels), pixels = values_.size() / channels;
    for (std::size_t p = 0; p < pixels; ++p) {
      for (std::size_t c = 0; c < channels; ++c) values_[c * pixels + p] = frame.data()[p * channels + c];
    }
    const Span<const double> output = graph_.step({values_.data(), values_.size()});
    for (std::size_t k = 0; k < sums_.size(); ++k) sums_[k] += output.data()[k];
    ++steps_;
  }
  std::int64_t steps() const override { return steps_; }
  Span<const double> sums() const override { return {sums_.data(), sums_.size()}; }
  Span<const std::int64_t> populations() const override { return {populations_.data(), populations_.size()}; }
  std::int64_t synaptic_operations() const override { return graph_.synaptic_operations(); }
  std::int64_t most_steps() const override { return 0; }

 private:
  exchange::NirSimulator graph_;
  model::Shape input_;
  std::vector<double> values_, sums_;
  std::vector<std::int64_t> populations_;
  std::int64_t steps_ = 0;
};

}  // namespace

std::unique_ptr<Classifier> make_classifier(std::shared_ptr<const Network> network) {
  if (!network->spiking) {
    throw ConfigError(
        "an artificial network (network.kind = \"ann\") has no steps: run it on whole samples (spikeloom "
        "predict)");
  }
  return std::make_unique<SessionClassifier>(std::move(network));
}

std::unique_ptr<Classifier> make_classifier(const formats::NirGraph& graph,
                                            const exchange::NirOptions& options) {
  return make_classifier(exchange::NirSimulator(graph, options));
}

std::unique_ptr<Classifier> make_classifier(exchange::NirSimulator graph) {
  return std::make_unique<NirClassifier>(std::move(graph));
}

}  // namespace spikeloom::runtime
