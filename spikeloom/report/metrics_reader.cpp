#include "spikeloom/report/metrics_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "spikeloom/base/json_text.h"
#include "spikeloom/base/text.h"
#include "spikeloom/report/thinned.h"

namespace spikeloom::report {
namespace {

constexpr std::size_t kLongestLine = std::size_t{1} << 18;
constexpr std::size_t kMostLayers = 4096, kMostResumes = 256;
constexpr std::size_t kLongestName = 80, kLongestReason = 2000, kMostBests = 4096;
constexpr int kMostOrders = 64;
constexpr double kAny = -1.0;

/// The lines of a file, of which no more than a block and the longest line is in memory.
class Lines {
 public:
  explicit Lines(std::istream& file) : file_(file), block_(std::size_t{1} << 20) {}

  /// A line up to kLongestLine; a longer one is passed over ("" and `too_long`). false at the end of the
  /// file. `ended`: the line has a line end.
  bool next(std::string& line, bool& too_long, bool& ended) {
    line.clear();
    too_long = ended = false;
    bool any = false;
    while (!ended && (at_ < filled_ || fill())) {
      any = true;
      const char* const begin = block_.data() + at_;
      const auto* const end = static_cast<const char*>(std::memchr(begin, '\n', filled_ - at_));
      ended = end != nullptr;
      const auto length = static_cast<std::size_t>((ended ? end : block_.data() + filled_) - begin);
      too_long = too_long || line.size() + length > kLongestLine;
      if (!too_long) line.append(begin, length);
      at_ += length + (ended ? 1 : 0);
    }
    if (too_long) line.clear();
    return any;
  }

 private:
  bool fill() {
    file_.read(block_.data(), static_cast<std::streamsize>(block_.size()));
    filled_ = static_cast<std::size_t>(file_.gcount());
    at_ = 0;
    return filled_ > 0;
  }

  std::istream& file_;
  std::vector<char> block_;
  std::size_t at_ = 0, filled_ = 0;
};

enum class Kind { kTrain, kEpoch, kOther };

/// As a training writes them; of other lines it is not known before they are looked into.
Kind kind_of(const std::string& line) {
  if (starts_with(line, "{\"kind\":\"train\"")) return Kind::kTrain;
  return starts_with(line, "{\"kind\":\"epoch\"") ? Kind::kEpoch : Kind::kOther;
}

/// Which lines of a long file are looked into (read_metrics).
class Choice {
 public:
  Choice(std::int64_t file_bytes, std::int64_t most)
      : every_(std::max<std::int64_t>(1, (file_bytes + most - 1) / std::max<std::int64_t>(1, most))),
        left_(most) {}

  bool takes(Kind kind, const std::string& line) {
    if (every_ == 1) return true;
    if (kind != Kind::kTrain && left_ > 0) {
      left_ -= static_cast<std::int64_t>(line.size());
      return true;
    }
    auto& count = counts_[static_cast<std::size_t>(kind)];
    if (count++ % every_ == 0) return true;
    ++passed_over_[static_cast<std::size_t>(kind)];
    return false;
  }
  std::int64_t every() const { return every_; }
  std::int64_t passed_over(Kind kind) const { return passed_over_[static_cast<std::size_t>(kind)]; }

 private:
  std::int64_t every_, left_;
  std::array<std::int64_t, 3> counts_{}, passed_over_{};
};

std::string text(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

class MetricsReader {
 public:
  MetricsReader(const ReadLimits& limits, RunRecord& run)
      : run_(run),
        steps_(limits.points),
        epochs_(limits.points),
        num_steps_(run.num_steps()),
        knows_steps_(num_steps_ > 0) {}

  void line(const nlohmann::json& object, const std::string& source, std::int64_t number_of_line) {
    line_ = number_of_line;
    const std::string kind = text(object, "kind");
    const std::int64_t iteration = count(object, "iteration");
    if (kind == "train") take_back(iteration, iteration, last_step_);
    if (kind == "epoch") take_back(iteration, iteration + 1, last_epoch_);
    run_.iterations = std::max(run_.iterations, iteration);
    const double seconds = number(object, "train_seconds");
    if (seconds > run_.train_seconds) run_.train_seconds = seconds;
    if (kind == "train") {
      ++run_.step_lines;
      steps_.add(point(object, source, ""));
    }
    if (kind == "epoch") {
      ++run_.epoch_lines;
      epoch(point(object, source, "train_"));
    }
    if (kind == "resume") resume(object);
    if (kind == "init") init(object);
    if (kind == "failure") {
      failure(object);
    } else {
      run_.failure.reset();  // it went on
    }
  }

  void finish() {
    if (odd_lines_ > 0) {
      run_.add_problem(
          fmt::format("metrics.jsonl: {} with values of another kind or range; the first is "
                      "'{}' in line {}",
                      counted(odd_lines_, "line"), first_odd_, first_odd_line_));
    }
    run_.steps = steps_.take();
    run_.epochs = epochs_.take();
    // Those that were taken back are none.
    if (!steps_.is_thinned()) run_.step_lines = static_cast<std::int64_t>(run_.steps.size());
    if (!epochs_.is_thinned()) run_.epoch_lines = static_cast<std::int64_t>(run_.epochs.size());
    run_.epochs_done = static_cast<std::int64_t>(run_.epochs.size());
    if (!run_.epochs.empty()) run_.epochs_done = std::max(run_.epochs_done, run_.epochs.back().epoch);
    if (bests_.empty()) return;
    run_.best_validation_accuracy = bests_.back().accuracy;
    run_.best_epoch = bests_.back().epoch;
    run_.best_iteration = bests_.back().iteration;
  }

 private:
  /// kMissing where there is none (null: it was not finite); noted where it is something else, or outside of
  /// 0 .. largest.
  double number(const nlohmann::json& object, const std::string& key, double largest = kAny) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) return kMissing;
    const double value = at->is_number() ? at->get<double>() : kMissing;
    if (largest == kAny ? std::isfinite(value) : value >= 0.0 && value <= largest) return value;
    odd(key);
    return kMissing;
  }
  /// 0 where there is none.
  std::int64_t count(const nlohmann::json& object, const char* key) {
    const double value = number(object, key, 9e15);
    return std::isfinite(value) ? static_cast<std::int64_t>(value) : 0;
  }
  void odd(const std::string& key) {
    if (odd_line_ == line_) return;
    odd_line_ = line_;
    if (odd_lines_++ > 0) return;
    first_odd_ = key.substr(0, kLongestName);
    first_odd_line_ = line_;
  }

  MetricsPoint point(const nlohmann::json& object, const std::string& source, const std::string& prefix) {
    MetricsPoint point;
    point.epoch = count(object, "epoch");
    point.iteration = count(object, "iteration");
    point.loss = number(object, prefix + "loss");
    point.accuracy = number(object, prefix + "accuracy", 1.0);
    point.validation_loss = number(object, "validation_loss");
    point.validation_accuracy = number(object, "validation_accuracy", 1.0);
    point.average_validation_loss = number(object, "average_validation_loss");
    point.average_validation_accuracy = number(object, "average_validation_accuracy", 1.0);
    point.learning_rate = number(object, "learning_rate");
    point.samples_per_s = number(object, "samples_per_s");
    point.train_seconds = number(object, "train_seconds");
    point.loader_wait_share = number(object, "loader_wait_share");
    point.num_steps =
        static_cast<int>(std::min<std::int64_t>(count(object, "num_steps"), std::int64_t{1} << 30));
    const auto rates = object.find("firing_rates");
    if (rates != object.end() && !rates->is_object()) odd("firing_rates");
    if (rates == object.end() || !rates->is_object()) return point;
    learn_order(*rates, source);
    for (const auto& [layer, rate] : rates->items()) {
      if (!rate.is_number()) {
        if (!rate.is_null()) odd(layer);
        continue;
      }
      const auto at = index_.find(layer);
      if (at == index_.end()) continue;
      if (point.firing_rates.size() <= at->second) point.firing_rates.resize(at->second + 1, kMissing);
      point.firing_rates[at->second] = rate.get<double>();
    }
    return point;
  }

  /// Layers that are new, in the order in which the line has them: that of the network.
  void learn_order(const nlohmann::json& rates, const std::string& source) {
    const bool known = std::all_of(rates.items().begin(), rates.items().end(),
                                   [&](const auto& item) { return index_.count(item.key()) > 0; });
    // A container that keeps the order takes quadratic time: not for every line of a hostile file.
    if (known || ++orders_ > kMostOrders) return;
    const auto ordered = try_parse_ordered_json(source);
    for (const auto& item : ordered.at("firing_rates").items()) {
      if (run_.layers.size() == kMostLayers) return;
      if (index_.emplace(item.key(), run_.layers.size()).second) run_.layers.push_back(item.key());
    }
  }

  /// Lines from this iteration on come once more: what is known of them is void. Of a line of an epoch the
  /// steps of that iteration are not: they came before it.
  void take_back(std::int64_t iteration, std::int64_t first_step, std::int64_t& last) {
    const bool again = iteration > 0 && iteration <= last;
    last = iteration;
    if (!again) return;
    const auto since = [](std::int64_t first) {
      return [first](const MetricsPoint& one) { return one.iteration >= first; };
    };
    steps_.take_back(since(first_step));
    epochs_.take_back(since(iteration));
    while (!bests_.empty() && bests_.back().iteration >= iteration) bests_.pop_back();
    while (!run_.resumed.empty() && run_.resumed.back().iteration >= iteration) run_.resumed.pop_back();
    last_step_ = std::min(last_step_, first_step - 1);
    last_epoch_ = std::min(last_epoch_, iteration - 1);
    last = iteration;
    run_.iterations = iteration;
    run_.train_seconds = 0.0;
  }

  void epoch(MetricsPoint point) {
    note_best(point);
    if (point.epoch > 0) epochs_.take_back([&](const MetricsPoint& one) { return one.epoch >= point.epoch; });
    epochs_.add(std::move(point));
  }

  /// As the training chooses (train/session/training_epoch_end.cpp): the first of the highest, of the epochs
  /// with all time steps. Without a recipe these are the most that there are.
  void note_best(const MetricsPoint& point) {
    const double accuracy = std::isfinite(point.average_validation_accuracy)
                                ? point.average_validation_accuracy
                                : point.validation_accuracy;
    if (!std::isfinite(accuracy)) return;
    if (!knows_steps_ && point.num_steps > num_steps_) {
      num_steps_ = point.num_steps;
      bests_.clear();
    }
    if (point.num_steps > 0 && num_steps_ > 0 && point.num_steps != num_steps_) return;
    if (!bests_.empty() && bests_.back().accuracy >= accuracy) return;
    bests_.push_back({accuracy, point.epoch, point.iteration});
    if (bests_.size() < kMostBests) return;
    for (std::size_t i = 0; 2 * i < bests_.size(); ++i) bests_[i] = bests_[2 * i];
    bests_.resize(kMostBests / 2);
    bests_.push_back({accuracy, point.epoch, point.iteration});
  }

  void failure(const nlohmann::json& object) {
    Failure failure;
    failure.epoch = count(object, "epoch");
    failure.iteration = count(object, "iteration");
    failure.exit_code = static_cast<int>(std::min<std::int64_t>(count(object, "exit_code"), 255));
    failure.reason = text(object, "reason").substr(0, kLongestReason);
    run_.failure = std::move(failure);
  }

  void init(const nlohmann::json& object) {
    constexpr std::size_t kMost = 8;
    const auto names = [&](const char* key) {
      std::string list;
      const auto at = object.find(key);
      if (at == object.end() || !at->is_array()) return list;
      std::size_t count = 0;
      for (const auto& one : *at) {
        if (one.is_string() && ++count <= kMost)
          list += (list.empty() ? "" : ", ") + one.get<std::string>().substr(0, kLongestName);
      }
      return count > kMost ? list + fmt::format(" and {} more", count - kMost) : list;
    };
    run_.init_from = text(object, "from").substr(0, kLongestReason);
    const auto taken = object.find("taken");
    const auto count = taken != object.end() && taken->is_array() ? taken->size() : 0;
    run_.init_text = counted(static_cast<std::int64_t>(count), "parameter");
    const std::string kept = names("start_values"), unused = names("not_used");
    if (!kept.empty()) run_.init_text += "; start values of " + kept;
    if (!unused.empty()) run_.init_text += "; not used of it: " + unused;
  }

  void resume(const nlohmann::json& object) {
    if (run_.resumed.size() == kMostResumes) return;
    ResumePoint point;
    point.epoch = count(object, "epoch");
    point.iteration = count(object, "iteration");
    const auto add = [&](const std::string& what) { point.what += (point.what.empty() ? "" : "; ") + what; };
    const auto settings = object.find("settings");
    if (settings != object.end() && settings->is_object()) {
      for (const auto& [key, change] : settings->items())
        if (change.is_object()) add(key + ": " + text(change, "before") + " -> " + text(change, "after"));
    }
    if (object.contains("changed_data")) {
      const auto& changed = object["changed_data"];
      add("data: " +
          (changed.is_string() ? changed.get<std::string>() : json_text(changed, -1, BadText::kReplace)));
    }
    run_.resumed.push_back(std::move(point));
  }

  RunRecord& run_;
  Thinned<MetricsPoint> steps_, epochs_;
  struct Best {
    double accuracy;
    std::int64_t epoch, iteration;
  };
  std::vector<Best> bests_;  ///< each higher than the one before: what is left when epochs are taken back
  int num_steps_;
  bool knows_steps_;
  std::int64_t last_step_ = 0, last_epoch_ = 0;  ///< iterations of the last lines of these kinds
  std::map<std::string, std::size_t> index_;     ///< of each layer in run_.layers
  int orders_ = 0;
  std::int64_t line_ = 0, odd_line_ = 0, odd_lines_ = 0, first_odd_line_ = 0;
  std::string first_odd_;
};

}  // namespace

void read_metrics(const std::string& path, const ReadLimits& limits, RunRecord& run) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    run.add_problem("metrics.jsonl cannot be read");
    return;
  }
  std::error_code ignored;
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, ignored));
  Choice choice(ignored ? 0 : bytes, limits.parsed_bytes);
  MetricsReader reader(limits, run);
  std::int64_t damaged = 0;
  struct Line {
    std::string text;
    std::int64_t number = 0;  ///< 0: none
    bool too_long = false, ended = true;
  };
  const auto look_into = [&](Line& line) {
    const auto object = line.too_long ? nlohmann::json() : try_parse_json(line.text);
    if (object.is_object()) {
      reader.line(object, line.text, line.number);
    } else if (line.ended) {  // else it is being written
      ++damaged;
    }
    line.number = 0;
  };
  Lines lines(file);
  Line line, last_step, last_epoch;  // those that were passed over
  std::int64_t number = 0;
  while (lines.next(line.text, line.too_long, line.ended)) {
    line.number = ++number;
    if (line.text.empty() && !line.too_long) continue;
    const Kind kind = kind_of(line.text);
    Line* const last = kind == Kind::kTrain ? &last_step : kind == Kind::kEpoch ? &last_epoch : nullptr;
    if (choice.takes(kind, line.text)) {
      if (last != nullptr) last->number = 0;
      look_into(line);
    } else if (last != nullptr) {
      std::swap(*last, line);
    }
  }
  const std::int64_t steps = choice.passed_over(Kind::kTrain) - (last_step.number > 0 ? 1 : 0),
                     epochs = choice.passed_over(Kind::kEpoch) - (last_epoch.number > 0 ? 1 : 0);
  const bool step_first = last_step.number < last_epoch.number;
  for (Line* const one : {step_first ? &last_step : &last_epoch, step_first ? &last_epoch : &last_step})
    if (one->number > 0) look_into(*one);
  reader.finish();
  run.step_lines += steps;
  run.epoch_lines += epochs;
  if (damaged > 0) {
    run.add_problem(
        fmt::format("metrics.jsonl: {} no JSON object", counted(damaged, "line is", "lines are")));
  }
  if (choice.every() > 1) {
    std::string what = fmt::format(
        "metrics.jsonl is large ({:.1f} GB): one line of an iteration in {} was "
        "read, and the last",
        1e-9 * static_cast<double>(bytes), choice.every());
    if (choice.passed_over(Kind::kEpoch) + choice.passed_over(Kind::kOther) > 0)
      what += "; of the epochs likewise, so that the best one may be missing";
    run.add_problem(what);
  }
}

}  // namespace spikeloom::report
