#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/event_file_options.h"
#include "app/nir_options.h"
#include "app/output.h"
#include "app/votes.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/single_file.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/exchange/nir_evaluation.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/ranking.h"
#include "spikeloom/runtime/session.h"

namespace spikeloom::app {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  std::string model, dataset, split = "test", data_dir, resize;
  std::vector<std::string> inputs;
  std::vector<std::int64_t> indices;
  EventFileOptions recording;
  bool json = false, csv = false;
  int steps = 400;
  NirStepOptions nir;
  std::vector<const CLI::Option*> of_nir, of_models;
};

struct Prediction {
  std::string input;
  std::string label;  ///< of an element of a data set
  RankedVotes ranked;
};

RankedVotes ranked(const std::vector<float>& votes) {
  const runtime::Ranking ranking = runtime::rank({votes.data(), votes.size()});
  return {votes, ranking.best, ranking.runner_up};
}

/// The order of columns that the values of files show, printed for the first and where it changes.
class ColumnsOfFiles {
 public:
  void print(const std::string& file, const std::string& columns) {
    if (columns == last_) return;
    print_columns(file, columns);
    last_ = columns;
  }

 private:
  std::string last_;
};

/// Whoever says what an input is.
class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual const std::vector<std::string>& classes() const = 0;
  virtual const std::string& path() const = 0;
  virtual Prediction of_file(const std::string& path) = 0;
  virtual Prediction of_element(std::int64_t index) = 0;
};

/// A graph of NIR: a vote of a class is its output's mean over the steps.
class GraphPredictor : public Predictor {
 public:
  explicit GraphPredictor(const PredictOptions& options)
      : GraphPredictor(options, formats::read_nir(options.model)) {}

  GraphPredictor(const PredictOptions& options, const formats::NirGraph& graph)
      : GraphPredictor(options, graph, options.nir.settled(graph)) {}

  GraphPredictor(const PredictOptions& options, const formats::NirGraph& graph, const NirStepOptions& how)
      : path_(options.model), graph_(graph, how.simulator_options()), warning_(how.warning(graph)) {
    const formats::NirShape& input = graph_.input_shape();
    check_takes_events(path_, graph, input);
    sampling_.channels = input[0];
    sampling_.height = input[1];
    sampling_.width = input[2];
    sampling_.settings.dataset = "folder";
    sampling_.settings.window_us = how.bin_us;
    if (how.time_origin == "zero") sampling_.settings.time_origin = data::TimeOrigin::kZero;
    sampling_.num_steps = options.steps;
    sampling_.reader = options.recording.reader_options();
    if (sampling_.reader.width == 0) {
      sampling_.reader.width = static_cast<int>(input[2]);
      sampling_.reader.height = static_cast<int>(input[1]);
    }
    std::int64_t outputs = 1;
    for (const std::int64_t extent : graph_.output_shape()) outputs *= extent;
    for (std::int64_t k = 0; k < outputs; ++k) classes_.push_back(std::to_string(k));
  }

  const std::vector<std::string>& classes() const override { return classes_; }
  const std::string& path() const override { return path_; }

  Prediction of_file(const std::string& path) override {
    if (data::holds_image(path)) {
      throw DataError(path +
                      ": is an image, and a NIR graph is asked about recordings of events; spikeloom eval "
                      "GRAPH --dataset "
                      "NAME --steps N runs one on a set of images");
    }
    const data::FileSample sample = data::read_file_sample(path, sampling_);
    columns_.print(path, sample.columns);
    if (!warning_.empty()) print_warning(warning_);
    warning_.clear();
    const std::vector<double> sums = exchange::run_sample(graph_, sample.values, sample.shape);
    Prediction result;
    result.input = path;
    std::vector<float> votes(classes_.size());
    const auto steps = static_cast<double>(std::max(graph_.steps(), std::int64_t{1}));
    for (std::size_t k = 0; k < sums.size(); ++k) votes[k] = static_cast<float>(sums[k] / steps);
    result.ranked = ranked(votes);
    return result;
  }

  Prediction of_element(std::int64_t) override {
    throw ConfigError("a NIR graph does not say what it was trained on: give files, or use spikeloom eval");
  }

 private:
  std::string path_;
  exchange::NirSimulator graph_;
  std::string warning_;  ///< until it is printed, with the first answer
  data::FileSampling sampling_;
  ColumnsOfFiles columns_;
  std::vector<std::string> classes_;
};

class ModelPredictor : public Predictor {
 public:
  explicit ModelPredictor(const PredictOptions& options)
      : options_(options), model_(runtime::load_model(options.model)), session_(model_.network) {}

  const std::vector<std::string>& classes() const override { return model_.info.class_names; }
  const std::string& path() const override { return model_.path; }

  Prediction of_file(const std::string& path) override {
    prepare_files();
    const data::FileSample sample = data::read_file_sample(path, sampling_);
    columns_.print(path, sample.columns);
    return of(path, {sample.values.data(), sample.values.size()});
  }

  Prediction of_element(std::int64_t index) override {
    open_set();
    if (index < 0 || index >= part_->size()) {
      throw ConfigError(fmt::format("--index {}: the {} part of {} has the samples 0 .. {}", index,
                                    options_.split, part_->name(), part_->size() - 1));
    }
    std::vector<float> sample(static_cast<std::size_t>(part_->shape().sample_size()));
    part_->read(index, nullptr, sample.data());
    Prediction result =
        of(fmt::format("{} {} {}", part_->name(), options_.split, index), {sample.data(), sample.size()});
    result.label = part_->class_names()[static_cast<std::size_t>(part_->label(index))];
    return result;
  }

 private:
  Prediction of(const std::string& name, Span<const float> values) {
    session_.run(values);
    Prediction result;
    result.input = name;
    result.ranked = ranked({session_.votes().begin(), session_.votes().end()});
    return result;
  }

  void prepare_files() {
    if (sampling_.channels > 0) return;
    const auto& recipe = model_.info.recipe;
    if (model_.info.standardization) {
      sampling_.standardization = &*model_.info.standardization;
    } else if (recipe.data.standardize) {
      // Files of earlier versions do not hold what the pixels are standardised by.
      data::DataSplits splits = data::open_dataset(recipe.data, recipe.network.num_steps, options_.data_dir);
      const data::RawImages* images = splits.train->raw_images();
      if (images == nullptr || images->standardization == nullptr) {
        throw DataError("the pixels of '" + recipe.data.dataset +
                        "' cannot be standardised: it has no images");
      }
      table_owner_ = splits.train;
      sampling_.standardization = images->standardization;
    }
    sampling_.settings = recipe.data;
    sampling_.num_steps = recipe.network.num_steps;
    sampling_.reader = options_.recording.reader_options();
    if (options_.resize == "crop") sampling_.resize = data::Resize::kCrop;
    if (options_.resize == "pad") sampling_.resize = data::Resize::kPad;
    if (options_.resize == "stretch") sampling_.resize = data::Resize::kStretch;
    sampling_.channels = model_.info.input.channels;
    sampling_.height = model_.info.input.height;
    sampling_.width = model_.info.input.width;
  }

  void open_set() {
    if (part_ != nullptr) return;
    const auto& recipe = model_.info.recipe;
    if (options_.dataset != recipe.data.dataset) {
      throw ConfigError(
          fmt::format("--dataset {}: the model was trained on '{}', and only elements of that set can be "
                      "chosen; give files of other sets by their names",
                      options_.dataset, recipe.data.dataset));
    }
    const bool test = options_.split == "test";
    const data::DataSplits splits =
        data::open_dataset(recipe.data, recipe.network.num_steps, options_.data_dir,
                           test ? data::Parts::kTest : data::Parts::kAll);
    part_ = test ? splits.require_test() : options_.split == "train" ? splits.train : splits.validation;
    if (part_ == nullptr) {
      throw ConfigError(
          "there is no validation part (data.validation_samples = 0); use --split test or train");
    }
    const data::SampleShape shape = part_->shape();
    const model::Shape given{shape.channels, shape.height, shape.width};
    if (given == model_.info.input) return;
    throw ConfigError(
        fmt::format("the model takes samples of {} (channels x height x width), the data set has {}",
                    to_string(model_.info.input), to_string(given)));
  }

  const PredictOptions& options_;
  runtime::Model model_;
  runtime::Session session_;
  data::FileSampling sampling_;
  ColumnsOfFiles columns_;
  std::shared_ptr<const data::Dataset> part_, table_owner_;
};

/// The files that the arguments mean: themselves, and all in folders, in the order of their names.
std::vector<std::string> files_of(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      files.push_back(input);
      continue;
    }
    const std::size_t first = files.size();
    for (fs::recursive_directory_iterator at(input, fs::directory_options::skip_permission_denied, error),
         end;
         !error && at != end; at.increment(error)) {
      const bool hidden = at->path().filename().string().front() == '.';
      std::error_code ignored;
      if (hidden && at->is_directory(ignored)) at.disable_recursion_pending();
      if (!hidden && at->is_regular_file(ignored)) files.push_back(at->path().string());
    }
    if (error) throw DataError(input + ": cannot be read: " + error.message());
    if (files.size() == first) throw DataError(input + ": holds no files");
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end());
  }
  return files;
}

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + '"';
}

nlohmann::ordered_json to_json(const Prediction& prediction, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json = {{"input", prediction.input}};
  if (!prediction.label.empty()) json["label"] = prediction.label;
  json.update(ranked_json(prediction.ranked, classes));
  return json;
}

void print_csv(const std::vector<Prediction>& predictions, const std::vector<std::string>& classes) {
  print_line(stdout, "input,class,vote,runner_up,runner_up_vote");
  for (const Prediction& prediction : predictions) {
    const RankedVotes& one = prediction.ranked;
    const auto columns = [&](int k, const char* none) {
      if (k < 0) return std::string(none);
      const auto at = static_cast<std::size_t>(k);
      return fmt::format("{},{}", csv_quoted(classes[at]), one.votes[at]);
    };
    print_line(stdout, fmt::format("{},{},{}", csv_quoted(prediction.input), columns(one.best, ",0"),
                                   columns(one.runner_up, ",")));
  }
}

void print_table(const std::vector<Prediction>& predictions, const std::vector<std::string>& classes) {
  std::vector<std::vector<std::string>> rows{{"input", "class", "votes", "runner-up", "votes"}};
  for (const Prediction& prediction : predictions) {
    const RankedVotes& one = prediction.ranked;
    const auto name = [&](int k) { return k < 0 ? std::string() : classes[static_cast<std::size_t>(k)]; };
    const auto votes = [&](int k) { return k < 0 ? std::string() : vote_text(one.votes, k); };
    const std::string label = prediction.label.empty() ? "" : fmt::format(" (labelled {})", prediction.label);
    rows.push_back({one_line(prediction.input + label), one.best < 0 ? kNoVotes : name(one.best),
                    votes(one.best), name(one.runner_up), votes(one.runner_up)});
  }
  print_line(stdout, table(rows, {false, false, true, false, true}));
}

int run_predict(const PredictOptions& options) {
  if (options.inputs.empty() == options.dataset.empty() ||
      options.dataset.empty() != options.indices.empty()) {
    throw ConfigError(
        "give either files or folders, or elements of the model's data set with --dataset and --index");
  }
  std::unique_ptr<Predictor> owner;
  if (is_nir_file(options.model)) {
    refuse_given(options.of_models, "a NIR graph");
    owner = std::make_unique<GraphPredictor>(options);
  } else {
    refuse_given(options.of_nir, "a model of Spikeloom");
    owner = std::make_unique<ModelPredictor>(options);
  }
  Predictor& predictor = *owner;
  std::vector<Prediction> predictions;
  for (const std::int64_t index : options.indices) predictions.push_back(predictor.of_element(index));
  const std::vector<std::string> files = files_of(options.inputs);
  const bool shows = is_terminal(stderr) && files.size() > 1;
  bool failed = false;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (shows) std::fprintf(stderr, "\r\033[K%zu/%zu", i + 1, files.size());
    try {
      predictions.push_back(predictor.of_file(files[i]));
    } catch (const Error& error) {  // the others are still asked for
      if (files.size() == 1 || dynamic_cast<const ConfigError*>(&error) != nullptr) throw;
      if (shows) std::fputs("\r\033[K", stderr);
      print_warning(error.what());
      failed = true;
    }
  }
  if (shows) std::fputs("\r\033[K", stderr);
  if (options.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Prediction& one : predictions) list.push_back(to_json(one, predictor.classes()));
    print_json({{"model", predictor.path()}, {"class_names", predictor.classes()}, {"predictions", list}});
  } else if (options.csv) {
    print_csv(predictions, predictor.classes());
  } else {
    print_table(predictions, predictor.classes());
  }
  return failed ? kData : kOk;
}

}  // namespace

void add_predict(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<PredictOptions>();
  auto* command = program.add_subcommand(
      "predict", "What a trained network says of recordings, images or elements of its data set");
  command->add_option("model", options->model, "Run folder, model file, checkpoint or NIR graph")
      ->required()
      ->type_name("RUN_OR_MODEL")
      ->check(not_empty());
  command->add_option("inputs", options->inputs, "Recordings, PNG or JPEG images, or folders of them")
      ->type_name("INPUT");
  command->add_option("--dataset", options->dataset, "Elements of this set, which the model was trained on")
      ->type_name("NAME");
  command->add_option("--index", options->indices, "Which element, from 0 on; may be repeated")
      ->type_name("N")
      ->allow_extra_args(false);
  command->add_option("--split", options->split, "Part of the set: train, validation or test")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "validation", "test"}));
  command
      ->add_option("--data-dir", options->data_dir,
                   "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  options->of_nir = add_nir_options(*command, options->nir);
  auto* const steps =
      command->add_option("--steps", options->steps, "Of a NIR graph: most steps of a recording")
          ->check(CLI::Range(1, 1 << 20))
          ->capture_default_str();
  options->of_nir.push_back(steps);
  command
      ->add_option("--resize", options->resize,
                   "Bring images of another size to the network's: crop, pad or stretch")
      ->check(CLI::IsMember({"crop", "pad", "stretch"}));
  for (const char* name : {"--dataset", "--index", "--split", "--data-dir", "--resize"}) {
    options->of_models.push_back(command->get_option(name));
  }
  add_event_file_options(*command, options->recording);
  auto* const json = command->add_flag("--json", options->json, "Print JSON");
  command->add_flag("--csv", options->csv, "Print CSV")->excludes(json);
  command->footer(
      "Inputs are binned, scaled and standardised as the model's recipe says. Runs on one thread, without\n"
      "LibTorch (docs/runtime.md).");
  command->callback([options, &chosen] { chosen = [options] { return run_predict(*options); }; });
}

}  // namespace spikeloom::app
