#include "spikeloom/runtime/c_interface/runner.h"

#include <algorithm>
#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/exchange/nir_metadata.h"
#include "spikeloom/runtime/c_interface/graph_library.h"
#include "spikeloom/runtime/classifier.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/ranking.h"
#include "spikeloom/runtime/session.h"

namespace spikeloom::runtime {
namespace {

class ModelRunner : public Runner {
 public:
  explicit ModelRunner(std::shared_ptr<const Network> network) : session_(std::move(network)) {}
  void reset() override { session_.reset(); }
  void step(Span<const float> values) override { session_.step(values); }
  void run(Span<const float> values) override { session_.run(values); }
  std::int64_t steps() const override { return session_.steps(); }
  Span<const float> votes() const override { return session_.votes(); }

 private:
  Session session_;
};

class RunnableModel : public Runnable {
 public:
  explicit RunnableModel(const Model& model) : network_(model.network) {
    const auto& recipe = model.info.recipe;
    input = model.info.input;
    class_names = model.info.class_names;
    num_classes = model.network->num_classes;
    num_steps = recipe.network.num_steps;
    const bool has_window = input.channels == 2 && recipe.data.slicing == data::Slicing::kWindow;
    window_us = has_window ? recipe.data.window_us : 0;
    is_binary = recipe.data.binary_bins;
  }
  std::unique_ptr<Runner> runner() const override { return std::make_unique<ModelRunner>(network_); }

 private:
  std::shared_ptr<const Network> network_;
};

class GraphRunner : public Runner {
 public:
  GraphRunner(std::unique_ptr<Classifier> graph, int num_steps)
      : graph_(std::move(graph)), num_steps_(num_steps), votes_(graph_->sums().size()) {}

  void reset() override {
    graph_->reset();
    std::fill(votes_.begin(), votes_.end(), 0.0f);
  }
  void step(Span<const float> values) override {
    check_finite(values);
    graph_->step(values);
    const auto steps = static_cast<double>(graph_->steps());
    for (std::size_t k = 0; k < votes_.size(); ++k) votes_[k] = mean_vote(graph_->sums()[k], steps);
  }
  void run(Span<const float> values) override {
    const auto size = static_cast<std::size_t>(graph_->input().size());
    if (values.empty() || values.size() % size != 0) {
      throw ShapeError("a sample has " + std::to_string(values.size()) +
                       " values, the graph takes steps of " + std::to_string(size) + " (" +
                       model::to_string(graph_->input()) + ", channels x height x width)");
    }
    check_finite(values);
    const std::size_t given = values.size() / size;
    const std::size_t steps = given == 1 ? static_cast<std::size_t>(std::max(num_steps_, 1)) : given;
    reset();
    for (std::size_t t = 0; t < steps; ++t) step(values.subspan(given == 1 ? 0 : t * size, size));
  }
  std::int64_t steps() const override { return graph_->steps(); }
  Span<const float> votes() const override { return votes_; }

 private:
  static void check_finite(Span<const float> values) {
    const auto* const wrong =
        std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
    if (wrong == values.end()) return;
    throw NumericsError("input[" + std::to_string(wrong - values.begin()) + "] is not a finite number");
  }

  std::unique_ptr<Classifier> graph_;
  int num_steps_;
  std::vector<float> votes_;
};

class RunnableGraph : public Runnable {
 public:
  RunnableGraph(const std::string& path, const formats::NirGraph& graph,
                const exchange::NirOptions* options) {
    constexpr std::int64_t kDefaultStepUs = 1000;
    const exchange::NirMetadata said = exchange::metadata_of(graph);
    exchange::NirOptions how;
    window_us = said.dt > 0.0 ? said.step_us : kDefaultStepUs;
    how.dt = said.dt > 0.0 ? said.dt : 1e-6 * static_cast<double>(window_us);
    if (said.reset == "subtract") how.reset = exchange::NirOptions::Reset::kSubtract;
    const std::string& odd = said.odd_dt.empty() ? said.odd_reset : said.odd_dt;
    if (options == nullptr && !odd.empty()) {
      throw DataError(path + ": its metadata: " + odd +
                      "; say how the graph is stepped (spikeloom_graph_load(), in Python graph={...})");
    }
    if (options != nullptr) {
      how = *options;
      window_us =
          std::max(std::int64_t{1}, static_cast<std::int64_t>(std::llround(std::min(1e6 * how.dt, 1e15))));
    }
    exchange::NirSimulator simulator(graph, how);
    input_rank = static_cast<int>(simulator.input_shape().size());
    graph_ = make_classifier(std::move(simulator));
    input = graph_->input();
    num_steps = said.steps;
    if (input.channels != 2 && said.input != "events") window_us = 0;
    num_classes = static_cast<int>(graph_->sums().size());
    for (int k = 0; k < num_classes; ++k) class_names.push_back(std::to_string(k));
  }
  std::unique_ptr<Runner> runner() const override {
    return std::make_unique<GraphRunner>(graph_->another(), num_steps);
  }

 private:
  std::unique_ptr<Classifier> graph_;
};

}  // namespace

std::unique_ptr<Runnable> runnable_model(const std::string& run_or_model) {
  return std::make_unique<RunnableModel>(load_model(run_or_model));
}

std::unique_ptr<Runnable> runnable_graph(const std::string& path, const exchange::NirOptions* options) {
  return std::make_unique<RunnableGraph>(path, read_graph_by_library(path), options);
}

}  // namespace spikeloom::runtime
