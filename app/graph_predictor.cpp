#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "app/output.h"
#include "app/predictor.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/single_file.h"
#include "spikeloom/exchange/nir_evaluation.h"
#include "spikeloom/exchange/nir_metadata.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/npy_values.h"
#include "spikeloom/runtime/ranking.h"

namespace spikeloom::app {
namespace {

constexpr int kMostSteps = 400;  // of a recording, where nothing says how many

class GraphPredictor : public Predictor {
 public:
  GraphPredictor(const PredictOptions& options, formats::NirGraph graph)
      : GraphPredictor(options, graph, options.nir.settled(graph, options.model)) {}

  GraphPredictor(const PredictOptions& options, const formats::NirGraph& graph, const NirStepOptions& how)
      : path_(options.model),
        graph_(how.simulator(graph, options.model)),
        source_(graph),
        warning_(how.warning(graph)) {
    const formats::NirShape& input = graph_.input_shape();
    // Of the training, where the graph says them: then every step counts, with events or without.
    const bool is_trained = options.steps == 0 && how.trained_steps > 0;
    image_steps_ = std::max(options.steps > 0 ? options.steps : how.trained_steps, 1);
    steps_known_ = options.steps > 0 || how.trained_steps > 0;
    recordings_.every_step = is_trained;
    sampling_.settings.dataset = "folder";
    sampling_.settings.window_us = how.bin_us;
    if (how.time_origin == "zero") sampling_.settings.time_origin = data::TimeOrigin::kZero;
    sampling_.num_steps = is_trained ? how.trained_steps : options.steps > 0 ? options.steps : kMostSteps;
    sampling_.reader = options.recording.reader_options();
    if (input.size() == 2 || input.size() == 3) {
      sampling_.channels = input.front();
      sampling_.height = input.size() == 3 ? input[1] : 1;
      sampling_.width = input.back();
      sampling_.usual_sensor = {static_cast<int>(sampling_.width), static_cast<int>(sampling_.height)};
    }
    std::int64_t outputs = 1;
    for (const std::int64_t extent : graph_.output_shape()) outputs *= extent;
    for (std::int64_t k = 0; k < outputs; ++k) classes_.push_back(std::to_string(k));
  }

  const std::vector<std::string>& classes() const override { return classes_; }
  const std::string& path() const override { return path_; }

  Prediction of_file(const std::string& path) override {
    if (::access(path.c_str(), R_OK) != 0 && !formats::split_archive_path(path)) {
      throw DataError(path + ": cannot be opened: " + std::strerror(errno));
    }
    std::vector<double> sums;
    if (takes_array(path)) {
      sums = of_array(path);
    } else if (data::holds_image(path)) {
      sums = of_image(path);
    } else {
      check_takes_events(path_, source_, graph_.input_shape());
      const data::FileSample sample = data::read_file_sample(path, sampling_);
      columns_.print(path, sample.columns);
      warn();
      sums = exchange::run_sample(graph_, sample.values, sample.shape, recordings_);
    }
    Prediction result;
    result.input = path;
    std::vector<float> votes(classes_.size());
    const auto steps = static_cast<double>(std::max(graph_.steps(), std::int64_t{1}));
    for (std::size_t k = 0; k < sums.size(); ++k) votes[k] = runtime::mean_vote(sums[k], steps);
    const runtime::Ranking ranking = runtime::rank({votes.data(), votes.size()});
    result.ranked = {votes, ranking.best, ranking.runner_up};
    return result;
  }

  Prediction of_element(std::int64_t) override {
    throw ConfigError("a NIR graph does not say what it was trained on: give files, or use spikeloom eval");
  }

 private:
  /// With the first answer, so that it stays away where there is none.
  void warn() {
    if (!warning_.empty()) print_warning(warning_);
    warning_.clear();
  }

  /// Whether an array of numbers is meant as input. One of another shape may be a recording, rows of t, x, y,
  /// p, but for graphs that take no events.
  bool takes_array(const std::string& path) const {
    const auto shape = formats::plain_array_shape(path);
    const formats::NirShape& input = graph_.input_shape();
    if (!shape) {
      const bool is_array = std::filesystem::path(path).extension() == ".npy";
      if (is_array && !takes_events(source_, input))
        formats::read_number_array(formats::open_file_source(path));
      return false;
    }
    formats::NirShape steps = input;
    steps.insert(steps.begin(), shape->empty() ? 0 : shape->front());
    const bool fits = *shape == input || (*shape == steps && steps.front() > 0);
    constexpr std::size_t kTableAxes = 2;  // of a recording
    if (fits || (takes_events(source_, input) && shape->size() == kTableAxes)) return fits;
    throw DataError(fmt::format("{}: is an array of {}, the graph takes {}, or steps of them, [T, ...]", path,
                                formats::nir_shape_text(*shape), formats::nir_shape_text(input)));
  }

  std::vector<double> of_array(const std::string& path) {
    const std::vector<float> values = formats::read_number_array(formats::open_file_source(path)).values;
    const auto wrong =
        std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
    if (wrong != values.end()) {
      throw NumericsError(
          fmt::format("{}: element {} of the array is not a finite number", path, wrong - values.begin()));
    }
    warn();
    return exchange::run_steps(graph_, {values.data(), values.size()}, image_steps_);
  }

  std::vector<double> of_image(const std::string& path) {
    const formats::NirShape& input = graph_.input_shape();
    const std::string shape = formats::nir_shape_text(input);
    if (takes_events(source_, input)) {
      throw DataError(
          fmt::format("{}: is an image; the graph takes {}: a recording of events from a sensor of {} x {} "
                      "pixels would fit",
                      path, shape, sampling_.width, sampling_.height));
    }
    if (input.size() != 3 || (input[0] != 1 && input[0] != 3)) {
      throw DataError(fmt::format("{}: is an image; the graph takes {}: a .npy array of that shape would fit",
                                  path, shape));
    }
    if (!steps_known_) {
      throw ConfigError(path_ + ": does not say for how many steps an image is shown: add --steps N");
    }
    data::FileSampling sampling = sampling_;
    sampling.settings = {};
    sampling.settings.dataset = "image-folder";
    const data::FileSample sample = data::read_file_sample(path, sampling);
    warn();
    print_warning(
        "pixels are shown as bytes / 255: a graph does not say whether its training standardised them");
    exchange::NirSamples shown;
    shown.image_steps = image_steps_;
    return exchange::run_sample(graph_, sample.values, sample.shape, shown);
  }

  std::string path_;
  exchange::NirSimulator graph_;
  formats::NirGraph source_;
  std::string warning_;
  data::FileSampling sampling_;
  exchange::NirSamples recordings_;
  std::int64_t image_steps_ = 1;
  bool steps_known_ = false;
  ColumnsOfFiles columns_;
  std::vector<std::string> classes_;
};

}  // namespace

std::unique_ptr<Predictor> make_graph_predictor(const PredictOptions& options) {
  return std::make_unique<GraphPredictor>(options, formats::read_nir(options.model));
}

}  // namespace spikeloom::app
