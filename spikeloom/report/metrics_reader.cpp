#include "spikeloom/report/metrics_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "spikeloom/report/thinned.h"

namespace spikeloom::report {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestLine = std::size_t{1} << 18;
constexpr std::size_t kMostLayers = 4096, kMostResumes = 256;
constexpr std::size_t kLongestName = 80;
constexpr int kMostOrders = 64;
constexpr double kAny = -1.0;

/// A line up to kLongestLine; a longer one is passed over ("" and `too_long`). false at the end of the file.
bool next_line(std::istream& file, std::string& line, bool& too_long, bool& ended) {
  line.clear();
  too_long = false;
  std::streambuf& bytes = *file.rdbuf();
  for (int byte = bytes.sbumpc(); byte != std::char_traits<char>::eof(); byte = bytes.sbumpc()) {
    ended = byte == '\n';
    if (ended) return true;
    if (line.size() < kLongestLine) {
      line.push_back(static_cast<char>(byte));
    } else {
      too_long = true;
    }
  }
  return !line.empty();
}

std::string text(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

class MetricsReader {
 public:
  MetricsReader(const ReadLimits& limits, RunRecord& run)
      : run_(run), steps_(limits.points), epochs_(limits.points) {}

  void line(const json& object, const std::string& source, std::int64_t number_of_line) {
    line_ = number_of_line;
    run_.iterations = std::max(run_.iterations, count(object, "iteration"));
    const double seconds = number(object, "train_seconds");
    if (seconds > run_.train_seconds) run_.train_seconds = seconds;
    const std::string kind = text(object, "kind");
    if (kind == "train") steps_.add(point(object, source, ""));
    if (kind == "epoch") epoch(point(object, source, "train_"));
    if (kind == "resume") resume(object);
  }

  void finish() {
    if (odd_lines_ > 0) {
      run_.add_problem(fmt::format(
          "metrics.jsonl: {} with values of another kind or range; the first is "
          "'{}' in line {}",
          odd_lines_ == 1 ? "1 line" : fmt::format("{} lines", odd_lines_), first_odd_, first_odd_line_));
    }
    run_.epochs_done = static_cast<std::int64_t>(epochs_.count());
    run_.steps = steps_.take();
    run_.epochs = epochs_.take();
  }

 private:
  /// kMissing where there is none (null: it was not finite); noted where it is something else, or outside of
  /// 0 .. largest.
  double number(const json& object, const std::string& key, double largest = kAny) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) return kMissing;
    const double value = at->is_number() ? at->get<double>() : kMissing;
    if (largest == kAny ? std::isfinite(value) : value >= 0.0 && value <= largest) return value;
    odd(key);
    return kMissing;
  }
  /// 0 where there is none.
  std::int64_t count(const json& object, const char* key) {
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

  MetricsPoint point(const json& object, const std::string& source, const std::string& prefix) {
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
  void learn_order(const json& rates, const std::string& source) {
    const bool known = std::all_of(rates.items().begin(), rates.items().end(),
                                   [&](const auto& item) { return index_.count(item.key()) > 0; });
    // A container that keeps the order takes quadratic time: not for every line of a hostile file.
    if (known || ++orders_ > kMostOrders) return;
    const auto ordered = nlohmann::ordered_json::parse(source, nullptr, false);
    for (const auto& item : ordered.at("firing_rates").items()) {
      if (run_.layers.size() == kMostLayers) return;
      if (index_.emplace(item.key(), run_.layers.size()).second) run_.layers.push_back(item.key());
    }
  }

  void epoch(MetricsPoint point) {
    const double accuracy = std::isfinite(point.average_validation_accuracy)
                                ? point.average_validation_accuracy
                                : point.validation_accuracy;
    if (std::isfinite(accuracy) && !(run_.best_validation_accuracy >= accuracy)) {
      run_.best_validation_accuracy = accuracy;
      run_.best_epoch = point.epoch;
    }
    epochs_.add(std::move(point));
  }

  void resume(const json& object) {
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
      add("data: " + (changed.is_string() ? changed.get<std::string>()
                                          : changed.dump(-1, ' ', false, json::error_handler_t::replace)));
    }
    run_.resumed.push_back(std::move(point));
  }

  RunRecord& run_;
  Thinned<MetricsPoint> steps_, epochs_;
  std::map<std::string, std::size_t> index_;  ///< of each layer in run_.layers
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
  MetricsReader reader(limits, run);
  std::string line;
  std::int64_t damaged = 0, number = 0;
  bool too_long = false, ended = true;
  while (next_line(file, line, too_long, ended)) {
    ++number;
    if (line.empty() && !too_long) continue;
    const auto object = too_long ? json() : json::parse(line, nullptr, false);
    if (object.is_object()) {
      reader.line(object, line, number);
    } else if (ended) {  // else it is being written
      ++damaged;
    }
  }
  reader.finish();
  if (damaged > 0) {
    run.add_problem("metrics.jsonl: " + std::to_string(damaged) + (damaged == 1 ? " line is" : " lines are") +
                    " no JSON object");
  }
}

}  // namespace spikeloom::report
