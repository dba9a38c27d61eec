#include "spikeloom/train/recipe/recipe.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <utility>

#include "spikeloom/config/toml.h"
#include "spikeloom/model/structure.h"
#include "spikeloom/train/recipe/recipe_checks.h"

namespace spikeloom::train {
namespace {

using config::Range;
template <class Value>
using Names = std::initializer_list<std::pair<const char*, Value>>;

constexpr double kUnlimited = std::numeric_limits<double>::max();
constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr Range kAny{-kUnlimited, kUnlimited, false, false};
constexpr Range kPositive{0.0, kUnlimited, true, false};
constexpr Range kNotNegative{0.0, kUnlimited, false, false};
constexpr Range kZeroToOne{0.0, 1.0, false, false};
constexpr Range kZeroToBelowOne{0.0, 1.0, false, true};
constexpr Range kAboveZeroToOne{0.0, 1.0, true, false};
constexpr Range kColorChange{0.0, data::kMaxColorChange, false, false};
constexpr Range kInsideZeroToOne{0.0, 1.0, true, true};

/// Fills a recipe from a document; a key that is absent leaves the field at its default.
class Reader {
 public:
  explicit Reader(const config::Table& root) : root_(root), table_(root) {}

  void section(const char* name) { table_ = root_.table(name); }
  void text(const char* key, std::string& value) { value = table_.get_string(key, value); }
  void texts(const char* key, std::vector<std::string>& value) { value = table_.get_strings(key, value); }
  /// A text that may be given as a list of its parts, under another key.
  void parts(const char* key, const char* whole, std::string& value) {
    const std::vector<std::string> given = table_.get_strings(key);
    if (given.empty()) return;
    if (!value.empty()) {
      throw table_.error(key, std::string("'") + whole +
                                  "' is given too and both are the network; give one, and " +
                                  "set an inherited one to " + whole + " = \"\" or " + key + " = []");
    }
    value = model::join_parts(given);
  }
  void flag(const char* key, bool& value) { value = table_.get_bool(key, value); }
  void number(const char* key, double& value, const Range& range) {
    value = table_.get_double(key, value, range);
  }
  /// A number whose default depends on keys before it.
  void number(const char* key, double& value, const Range& range, double otherwise) {
    value = table_.get_double(key, otherwise, range);
  }
  template <class Integer>
  void integer(const char* key, Integer& value, std::int64_t min, std::int64_t max) {
    value = static_cast<Integer>(table_.get_int(key, static_cast<std::int64_t>(value), min, max));
  }
  template <class Value>
  void choice(const char* key, Value& value, Names<Value> names) {
    value = table_.choice(key, value, names);
  }

 private:
  config::Table root_;
  config::Table table_;
};

/// Turns a recipe into a document that holds every key.
class Writer {
 public:
  void section(const char* name) {
    root_.push_back({name, {config::Entries{}, {}}});
    section_ = &std::get<config::Entries>(root_.back().node.value);
  }
  void text(const char* key, const std::string& value) { add(key, value); }
  void texts(const char* key, const std::vector<std::string>& value) {
    config::List list;
    for (const std::string& text : value) list.push_back({text, {}});
    add(key, std::move(list));
  }
  /// The whole is written instead.
  void parts(const char* key, const char*, const std::string&) { add(key, config::List{}); }
  void flag(const char* key, bool value) { add(key, value); }
  void number(const char* key, double value, const Range&, double = 0.0) { add(key, value); }
  template <class Integer>
  void integer(const char* key, Integer value, std::int64_t, std::int64_t) {
    add(key, static_cast<std::int64_t>(value));
  }
  template <class Value>
  void choice(const char* key, Value value, Names<Value> names) {
    for (const auto& [name, named] : names) {
      if (named == value) add(key, std::string(name));
    }
  }
  const config::Entries& root() const { return root_; }

 private:
  template <class Value>
  void add(const char* key, Value value) {
    (section_ != nullptr ? *section_ : root_).push_back({key, {value, {}}});
  }

  config::Entries root_;
  config::Entries* section_ = nullptr;
};

template <class Visitor>
void visit_data(Visitor& visitor, data::DataSettings& data) {
  visitor.section("data");
  visitor.text("dataset", data.dataset);
  visitor.integer("validation_samples", data.validation_samples, 0, kMaxInt64);
  visitor.integer("train_limit", data.train_limit, 0, kMaxInt64);
  visitor.integer("test_limit", data.test_limit, 0, kMaxInt64);
  visitor.text("split", data.split);
  visitor.integer("split_seed", data.split_seed, 0, kMaxInt64);
  visitor.integer("folds", data.folds, 2, kMaxInt64);
  visitor.integer("fold", data.fold, 0, kMaxInt64);
  visitor.text("folder", data.folder);
  visitor.text("format", data.format);
  visitor.text("sensor", data.sensor);
  visitor.integer("sensor_width", data.sensor_width, 0, 65536);
  visitor.integer("sensor_height", data.sensor_height, 0, 65536);
  visitor.text("chip", data.chip);
  visitor.text("camera", data.camera);
  visitor.text("time_unit", data.time_unit);
  visitor.text("columns", data.columns);
  visitor.flag("drop_outside", data.drop_outside);
  visitor.flag("partial", data.partial);
  visitor.text("image_size", data.image_size);
  visitor.choice(
      "resize", data.resize,
      {{"crop", data::Resize::kCrop}, {"pad", data::Resize::kPad}, {"stretch", data::Resize::kStretch}});
  visitor.integer("channels", data.channels, 0, 3);
  visitor.flag("standardize", data.standardize);
  visitor.integer("crop_padding", data.crop_padding, 0, 4096);
  visitor.flag("horizontal_flip", data.horizontal_flip);
  visitor.choice("flip_order", data.flip_order,
                 {{"random", data::FlipOrder::kRandom}, {"alternating", data::FlipOrder::kAlternating}});
  visitor.integer("cutout", data.cutout, 0, 4096);
  visitor.number("brightness", data.brightness, kColorChange);
  visitor.number("contrast", data.contrast, kColorChange);
  visitor.number("saturation", data.saturation, kColorChange);
  visitor.integer("window_us", data.window_us, 1, kMaxInt64);
  visitor.integer("overlap_us", data.overlap_us, 0, kMaxInt64);
  visitor.choice("time_origin", data.time_origin,
                 {{"first-event", data::TimeOrigin::kFirstEvent}, {"zero", data::TimeOrigin::kZero}});
  visitor.choice("slicing", data.slicing,
                 {{"window", data::Slicing::kWindow},
                  {"equal-time", data::Slicing::kEqualTime},
                  {"equal-count", data::Slicing::kEqualCount},
                  {"count", data::Slicing::kCount}});
  visitor.integer("events_per_step", data.events_per_step, 1, kMaxInt64);
  visitor.integer("overlap_events", data.overlap_events, 0, kMaxInt64);
  visitor.flag("binary_bins", data.binary_bins);
  visitor.integer("downsample", data.downsample, 1, 4096);
  visitor.choice("downsampling", data.downsampling,
                 {{"pool", data::Downsampling::kPool}, {"stride", data::Downsampling::kStride}});
  visitor.texts("transforms", data.transforms);
  visitor.integer("max_shift", data.max_shift, 0, 4096);
}

template <class Visitor>
void visit_network(Visitor& visitor, model::NetworkSettings& network) {
  visitor.section("network");
  visitor.text("structure", network.structure);
  visitor.parts("layers", "structure", network.structure);
  visitor.choice("kind", network.kind,
                 {{"snn", model::NetworkKind::kSpiking}, {"ann", model::NetworkKind::kAnn}});
  visitor.integer("num_steps", network.num_steps, 1, 4096);
  visitor.flag("bias", network.bias);

  visitor.section("neuron");
  kernels::NeuronParams& neuron = network.neuron;
  visitor.choice("kind", network.neuron_kind,
                 {{"lif", model::NeuronKind::kLif},
                  {"if", model::NeuronKind::kIf},
                  {"cuba-lif", model::NeuronKind::kCubaLif}});
  visitor.number("v_threshold", neuron.v_threshold, kPositive);
  visitor.number("decay", neuron.decay, kZeroToOne);
  visitor.number("current_decay", neuron.current_decay, kZeroToOne);
  visitor.choice("surrogate", neuron.surrogate,
                 {{"rectangular", kernels::Surrogate::kRectangular},
                  {"triangular", kernels::Surrogate::kTriangular},
                  {"sigmoid", kernels::Surrogate::kSigmoid},
                  {"arctan", kernels::Surrogate::kArctan}});
  visitor.number("surrogate_width", neuron.surrogate_width, kPositive);
  visitor.choice("reset", neuron.reset,
                 {{"zero", kernels::Reset::kZero},
                  {"subtract", kernels::Reset::kSubtract},
                  {"none", kernels::Reset::kNone}});
  visitor.number("v_reset", neuron.v_reset, Range{});
  visitor.flag("detach_reset", neuron.detach_reset);
  visitor.flag("learn_decay", network.learn_decay);
  visitor.flag("learn_v_threshold", network.learn_v_threshold);

  visitor.section("norm");
  visitor.choice(
      "kind", network.norm.kind,
      {{"none", model::NormKind::kNone}, {"tdbn", model::NormKind::kTdbn}, {"tebn", model::NormKind::kTebn}});
  visitor.number("momentum", network.norm.momentum, kAboveZeroToOne);
  visitor.number("epsilon", network.norm.epsilon, kPositive);
  visitor.number("alpha", network.norm.alpha, kPositive);

  visitor.section("neunorm");
  visitor.flag("enabled", network.neunorm.enabled);
  visitor.number("decay", network.neunorm.decay, kZeroToBelowOne);
  visitor.choice("scale", network.neunorm.scale,
                 {{"mean", kernels::NeuNormScale::kMean}, {"literal", kernels::NeuNormScale::kLiteral}});
  visitor.flag("per_channel_u", network.neunorm.per_channel_u);
  visitor.number("u_init", network.neunorm.u_init, Range{});
  visitor.flag("after_pooling", network.neunorm.after_pooling);

  visitor.section("voting");
  visitor.integer("neurons_per_class", network.voting.neurons_per_class, 1, 65536);
  visitor.choice(
      "assignment", network.voting.assignment,
      {{"blocks", model::VotingAssignment::kBlocks}, {"random", model::VotingAssignment::kRandom}});

  visitor.section("dropout");
  visitor.number("rate", network.dropout.rate, kZeroToBelowOne);
  visitor.flag("same_mask_each_step", network.dropout.same_mask_each_step);

  visitor.section("init");
  visitor.choice("scheme", network.init.scheme,
                 {{"kaiming", model::InitScheme::kKaiming}, {"calibrated", model::InitScheme::kCalibrated}});
  visitor.choice("encoding", network.init.encoding,
                 {{"normal", model::EncodingInit::kNormal}, {"whitened", model::EncodingInit::kWhitened}});
  visitor.number("gain", network.init.gain, kPositive,
                 network.kind == model::NetworkKind::kAnn ? 1.0 : model::InitSettings().gain);
  visitor.number("firing_rate", network.init.firing_rate, kInsideZeroToOne);

  visitor.section("compute");
  visitor.choice("state", network.compute.state,
                 {{"compact", model::StateMode::kCompact}, {"exact", model::StateMode::kExact}});
  visitor.choice("precision", network.compute.precision,
                 {{"auto", model::Precision::kAuto},
                  {"fp32", model::Precision::kFp32},
                  {"bf16", model::Precision::kBf16}});
  visitor.choice(
      "path", network.compute.path,
      {{"auto", model::Path::kAuto}, {"dense", model::Path::kDense}, {"event", model::Path::kEvent}});
  visitor.choice("crossover", network.compute.crossover,
                 {{"measured", model::Crossover::kMeasured}, {"fixed", model::Crossover::kFixed}});
  visitor.number("working_set_mb", network.compute.working_set_mb, kNotNegative);
  visitor.number("event_forward_below", network.compute.event_forward_below, kNotNegative);
  visitor.number("event_gradient_below", network.compute.event_gradient_below, kNotNegative);
  visitor.number("open_windows_below", network.compute.open_windows_below, kNotNegative);
}

/// Votes of a readout are currents, not shares of spikes.
bool ends_with_readout(const std::string& structure) {
  constexpr std::string_view kReadout = "Readout";
  return structure.size() >= kReadout.size() &&
         structure.compare(structure.size() - kReadout.size(), kReadout.size(), kReadout) == 0;
}

template <class Visitor>
void visit_training(Visitor& visitor, Recipe& recipe) {
  visitor.section("optimizer");
  OptimizerSettings& optimizer = recipe.optimizer;
  visitor.choice("kind", optimizer.kind,
                 {{"sgd", OptimizerSettings::kSgd},
                  {"adam", OptimizerSettings::kAdam},
                  {"adamw", OptimizerSettings::kAdamW}});
  visitor.number("learning_rate", optimizer.learning_rate, kPositive);
  visitor.number("momentum", optimizer.momentum, kZeroToBelowOne);
  visitor.flag("nesterov", optimizer.nesterov);
  visitor.number("weight_decay", optimizer.weight_decay, kNotNegative);
  visitor.flag("decay_all", optimizer.decay_all);
  visitor.number("beta1", optimizer.beta1, kZeroToBelowOne);
  visitor.number("beta2", optimizer.beta2, kZeroToBelowOne);
  visitor.number("epsilon", optimizer.epsilon, kPositive);
  visitor.number("encoding_rate_factor", optimizer.encoding_rate_factor, kNotNegative);
  visitor.number("fully_connected_rate_factor", optimizer.fully_connected_rate_factor, kNotNegative);
  visitor.number("neuron_rate_factor", optimizer.neuron_rate_factor, kNotNegative);
  visitor.number("neunorm_rate_factor", optimizer.neunorm_rate_factor, kNotNegative);
  visitor.number("max_gradient_norm", optimizer.max_gradient_norm, kNotNegative);
  visitor.number("average_decay", optimizer.average_decay, kZeroToBelowOne);

  visitor.section("schedule");
  ScheduleSettings& schedule = recipe.schedule;
  visitor.choice("kind", schedule.kind,
                 {{"constant", ScheduleSettings::kConstant},
                  {"step", ScheduleSettings::kStep},
                  {"cosine", ScheduleSettings::kCosine},
                  {"linear", ScheduleSettings::kLinear},
                  {"one-cycle", ScheduleSettings::kOneCycle}});
  visitor.integer("step_epochs", schedule.step_epochs, 1, kMaxInt);
  visitor.number("factor", schedule.factor, kAboveZeroToOne);
  visitor.number("final_rate_fraction", schedule.final_rate_fraction, kZeroToOne);
  visitor.number("warmup_epochs", schedule.warmup_epochs, kNotNegative);
  visitor.text("num_steps", schedule.num_steps);

  visitor.section("loss");
  LossSettings& loss = recipe.loss;
  visitor.choice("kind", loss.kind,
                 {{"mse", LossSettings::kMse}, {"cross-entropy", LossSettings::kCrossEntropy}});
  visitor.choice("reduction", loss.reduction, {{"mean", LossSettings::kMean}, {"sum", LossSettings::kSum}});
  visitor.number("vote_scale", loss.vote_scale, kPositive,
                 ends_with_readout(recipe.network.structure) ? 1.0 : LossSettings().vote_scale);
  visitor.number("label_smoothing", loss.label_smoothing, kZeroToBelowOne);
  visitor.flag("each_step", loss.each_step);
  visitor.number("tet_weight", loss.tet_weight, kZeroToOne);
  visitor.number("tet_target", loss.tet_target, kAny);

  visitor.section("training");
  TrainingSettings& training = recipe.training;
  visitor.integer("epochs", training.epochs, 1, kMaxInt);
  visitor.integer("batch_size", training.batch_size, 1, kMaxInt);
  visitor.integer("eval_batch_size", training.eval_batch_size, 1, kMaxInt);
  visitor.integer("accumulate", training.accumulate, 1, kMaxInt);
  visitor.choice("gradient_format", training.gradient_format,
                 {{"fp32", TrainingSettings::kFp32}, {"bf16", TrainingSettings::kBf16}});
  visitor.integer("max_iterations", training.max_iterations, 0, kMaxInt64);
  visitor.flag("keep_best", training.keep_best);
  visitor.integer("early_stopping_epochs", training.early_stopping_epochs, 0, kMaxInt);
  visitor.integer("log_every", training.log_every, 1, kMaxInt);
  visitor.integer("checkpoint_every", training.checkpoint_every, 1, kMaxInt);
  visitor.number("checkpoint_minutes", training.checkpoint_minutes, kNotNegative);
  visitor.integer("workers", training.workers, 0, 1024);

  visitor.section("logging");
  visitor.flag("tensorboard", recipe.logging.tensorboard);
}

/// The one list of all keys, read by Reader and written by Writer.
template <class Visitor>
void visit(Visitor& visitor, Recipe& recipe) {
  visitor.text("name", recipe.name);
  visitor.text("description", recipe.description);
  visitor.integer("seed", recipe.seed, 0, kMaxInt64);
  visit_data(visitor, recipe.data);
  visit_network(visitor, recipe.network);
  visit_training(visitor, recipe);
}

bool fit_for_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

std::string name_from_file(const std::string& file) {
  std::string name = std::filesystem::path(file).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !fit_for_a_name(c); }, '-');
  return name.empty() || name.front() == '.' ? "recipe" : name;
}

/// Name and description say what this file is; those of the file it extends say what that one is.
void drop_inherited(const config::Table& root, const std::string& file, Recipe& recipe) {
  const auto inherited = [&](const char* key) {
    const std::string from = root.origin(key).file;
    return from != file && from != "--set";
  };
  if (!root.has("name") || inherited("name")) recipe.name = name_from_file(file);
  if (inherited("description")) recipe.description.clear();
}

/// What a name ends up in is a folder.
void check_name(const config::Table& root, const std::string& name) {
  const bool fit = !name.empty() && name.size() <= 100 && name.front() != '.' &&
                   std::all_of(name.begin(), name.end(), fit_for_a_name);
  if (!fit) {
    throw root.error("name", "expected 1 to 100 letters, digits, '-', '_' or '.', not starting with '.'");
  }
}

/// What other programs and papers call keys.
const std::vector<std::pair<std::string, std::string>>& other_names() {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {"lr", "optimizer.learning_rate"},
      {"wd", "optimizer.weight_decay"},
      {"opt", "optimizer.kind"},
      {"optim", "optimizer.kind"},
      {"batch", "training.batch_size"},
      {"bs", "training.batch_size"},
      {"iterations", "training.max_iterations"},
      {"T", "network.num_steps"},
      {"steps", "network.num_steps"},
      {"timesteps", "network.num_steps"},
      {"time_steps", "network.num_steps"},
      {"threshold", "neuron.v_threshold"},
      {"thresh", "neuron.v_threshold"},
      {"v_th", "neuron.v_threshold"},
      {"vth", "neuron.v_threshold"},
      {"tau", "neuron.decay"},
      {"tau_mem", "neuron.decay"},
      {"beta", "neuron.decay"},
      {"dt", "data.window_us"},
      {"model", "network.structure"}};
  return names;
}

Recipe read(config::Toml document, const std::string& file, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) document.apply_override(assignment);
  Recipe recipe;
  config::Table root = document.root();
  Reader reader(root);
  visit(reader, recipe);
  root.also_called(other_names());
  root.finish();
  drop_inherited(root, file, recipe);
  check_name(root, recipe.name);
  check_recipe(root, recipe);
  return recipe;
}

}  // namespace

bool operator==(const Recipe& a, const Recipe& b) { return to_toml(a) == to_toml(b); }

Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides) {
  return read(config::Toml::parse_file(path), path, overrides);
}

Recipe parse_recipe(const std::string& text, const std::string& name,
                    const std::vector<std::string>& overrides) {
  return read(config::Toml::parse_string(text, name), name, overrides);
}

std::string to_toml(const Recipe& recipe) {
  for (const std::uint64_t seed : {recipe.seed, recipe.data.split_seed}) {
    if (seed > static_cast<std::uint64_t>(kMaxInt64)) {
      throw ConfigError("seed " + std::to_string(seed) + " exceeds 2^63 - 1, the largest integer of TOML");
    }
  }
  Writer writer;
  Recipe copy = recipe;
  visit(writer, copy);
  return config::to_toml(writer.root());
}

std::string recipe_key_called(const std::string& name) {
  const auto found = std::find_if(other_names().begin(), other_names().end(),
                                  [&name](const auto& other) { return other.first == name; });
  return found == other_names().end() ? "" : found->second;
}

}  // namespace spikeloom::train
