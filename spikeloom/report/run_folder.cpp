#include "spikeloom/report/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/config/toml.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/report/metrics_reader.h"
#include "spikeloom/report/run_lock.h"

namespace spikeloom::report {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::int64_t kLargestFile = std::int64_t{1} << 20;
constexpr int kDeepest = 3;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// What stands in the place of a file, as in "NAME is a folder"; "" for a file, and where there is nothing.
std::string what_instead(const fs::path& path) {
  std::error_code ignored;
  const fs::file_type type = fs::status(path, ignored).type();
  if (type == fs::file_type::regular) return "";
  if (type == fs::file_type::directory) return "a folder";
  if (type == fs::file_type::fifo) return "a pipe";
  if (type == fs::file_type::socket) return "a socket";
  if (type == fs::file_type::character || type == fs::file_type::block) return "a device";
  return fs::is_symlink(path, ignored) ? "a link that leads nowhere" : "";
}

/// Whether the run has such a file. One that is a link to somewhere outside of the run's folder is not read:
/// a folder from elsewhere could make a report of any file.
bool has_file(RunRecord& run, const char* name) {
  const fs::path path = fs::path(run.path) / name;
  if (!is_file(path)) {
    const std::string instead = what_instead(path);
    if (!instead.empty()) run.add_problem(std::string(name) + " is " + instead + ", no file: it is not read");
    return false;
  }
  std::error_code error;
  if (!fs::is_symlink(path, error)) return true;
  const fs::path home = fs::canonical(run.path, error), target = fs::canonical(path, error);
  if (!error && std::mismatch(home.begin(), home.end(), target.begin(), target.end()).first == home.end())
    return true;
  run.add_problem(std::string(name) + " is a link that leads out of the run's folder: it is not read");
  return false;
}

std::string last_part(const std::string& path) {
  fs::path normal = fs::path(path).lexically_normal();
  if (!normal.has_filename()) normal = normal.parent_path();
  const std::string name = normal.filename().string();
  if (!name.empty() && name != "." && name != "..") return name;
  std::error_code ignored;
  return fs::canonical(path, ignored).filename().string();
}

/// Whether there is nothing of that name.
bool is_missing(const RunRecord& run, const char* name) {
  const fs::path path = fs::path(run.path) / name;
  return !is_file(path) && what_instead(path).empty();
}

/// The object in the file, or null with a problem noted where there is a file but no object.
ordered_json read_object(RunRecord& run, const char* name) {
  const std::string path = run.path + "/" + name;
  if (!has_file(run, name)) return nullptr;
  try {
    auto json = try_parse_ordered_json(read_text_file(path, kLargestFile));
    if (json.is_object()) return json;
    run.add_problem(std::string(name) + " is no JSON object");
  } catch (const Error& error) {
    run.add_problem(error.what());
  }
  return nullptr;
}

/// A value as TOML writes it.
std::string value_text(const config::Node& node) {
  const std::string line = config::to_toml({{"k", node}});
  const std::size_t from = line.find("= "), end = line.find_last_not_of('\n');
  return from == std::string::npos ? "" : line.substr(from + 2, end + 1 - (from + 2));
}

void flatten(const config::Entries& entries, const std::string& prefix,
             std::vector<std::pair<std::string, std::string>>& to) {
  for (const auto& entry : entries) {
    if (entry.node.is_table()) {
      flatten(std::get<config::Entries>(entry.node.value), prefix + entry.key + ".", to);
    } else {
      to.emplace_back(prefix + entry.key, value_text(entry.node));
    }
  }
}

void read_recipe(RunRecord& run) {
  const std::string path = run.path + "/recipe.toml";
  if (is_missing(run, "recipe.toml")) run.add_problem("recipe.toml is missing");
  if (!has_file(run, "recipe.toml")) return;
  try {
    run.recipe_text = read_text_file(path, kLargestFile);
    const auto toml = config::Toml::parse_string(run.recipe_text, path);
    // A resolved recipe extends nothing; one that does was not written by a training.
    flatten(std::get<config::Entries>(toml.tree().value), "", run.recipe);
    run.epochs_planned = std::max<std::int64_t>(0, toml.root().table("training").get_int("epochs", 0));
  } catch (const Error& error) {
    run.add_problem(error.what());
  }
}

/// How far the checkpoint of a run came that was killed before the first line of its metrics.
void read_checkpoint_state(RunRecord& run) {
  if (is_missing(run, "checkpoint.safetensors") || !has_file(run, "checkpoint.safetensors")) return;
  try {
    const auto file = formats::SafetensorsFile::open(run.path + "/checkpoint.safetensors");
    const auto at = file.metadata().find("training_state");
    if (at == file.metadata().end()) return;
    const auto state = try_parse_json(at->second);
    if (!state.is_object()) return;
    const auto number = [&](const char* key) {
      const auto value = state.find(key);
      const double given = value != state.end() && value->is_number() ? value->get<double>() : 0.0;
      return given >= 0.0 && given <= 9e15 ? given : 0.0;
    };
    run.iterations = static_cast<std::int64_t>(number("iteration"));
    run.train_seconds = number("train_seconds");
  } catch (const Error& error) {
    run.add_problem(error.what());
  }
}

void read_environment(RunRecord& run) {
  run.environment = ordered_json::array();
  const auto json = read_object(run, "environment.json");
  if (!json.is_object()) return;
  const auto sessions = json.find("sessions");
  if (sessions == json.end()) {
    run.environment.push_back(json);  // of an earlier version
  } else if (sessions->is_array()) {
    for (const auto& session : *sessions)
      if (session.is_object()) run.environment.push_back(session);
  }
}

void read_result(RunRecord& run) {
  auto json = read_object(run, "result.json");
  if (!json.is_object()) return;
  // kMissing, with a problem noted, unless it is a number in the range; null is no number that was not
  // finite.
  const auto number = [&](const char* key, double largest, const char* what) {
    const auto at = json.find(key);
    if (at == json.end() || at->is_null()) return kMissing;
    const double value = at->is_number() ? at->get<double>() : kMissing;
    if (value >= 0.0 && value <= largest) return value;
    run.add_problem(fmt::format("result.json: '{}' is no {}", key, what));
    return kMissing;
  };
  const auto flag = [&](const char* key) {
    const auto at = json.find(key);
    if (at == json.end()) return false;
    if (!at->is_boolean()) run.add_problem(fmt::format("result.json: '{}' is neither true nor false", key));
    return at->is_boolean() && at->get<bool>();
  };
  const bool interrupted = flag("interrupted");
  const double iterations = number("iterations", 9e15, "count");
  const auto fraction = [&](const char* key) {
    const double value = number(key, 1.0, "fraction from 0 to 1");
    if (std::isnan(value)) json.erase(key);
    return value;
  };
  const double accuracy = fraction("test_accuracy");
  fraction("validation_accuracy");
  if (!json.contains("iterations")) run.add_problem("result.json: 'iterations' is missing");
  // A finished run may have been resumed for more epochs: then its result is that of before.
  if (!(iterations >= static_cast<double>(run.iterations)) || interrupted || run.failure) return;
  run.state = RunState::kFinished;
  run.stopped_early = flag("stopped_early");
  if (std::isfinite(accuracy)) run.test_accuracy = accuracy;
  run.result = std::move(json);
}

void collect_runs(const fs::path& folder, int depth, std::size_t limit, std::vector<std::string>& runs) {
  if (is_run_folder(folder.string())) {
    runs.push_back(folder.string());
    return;
  }
  // Names that others give their files too: there may be runs below.
  if (is_file(folder / "metrics.jsonl") || is_file(folder / "result.json")) runs.push_back(folder.string());
  if (depth == kDeepest) return;
  std::error_code error;
  for (fs::directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end && runs.size() < limit; at.increment(error)) {
    std::error_code ignored;
    if (at->is_symlink(ignored) || !at->is_directory(ignored)) continue;
    if (at->path().filename().string().front() == '.') continue;
    collect_runs(at->path(), depth + 1, limit, runs);
  }
}

}  // namespace

const char* to_string(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kFinished:
      return "finished";
    case RunState::kFailed:
      return "failed";
    case RunState::kInterrupted:
      break;
  }
  return "interrupted";
}

ordered_json failure_json(const RunRecord& run) {
  if (!run.failure) return nullptr;
  const Failure& failure = *run.failure;
  return {{"epoch", failure.epoch},
          {"iteration", failure.iteration},
          {"exit_code", failure.exit_code},
          {"reason", failure.reason}};
}

void RunRecord::add_problem(const std::string& text) {
  const std::string folder = path + "/";
  problems.push_back(text.rfind(folder, 0) == 0 ? text.substr(folder.size()) : text);
}

std::string RunRecord::recipe_value(const std::string& key) const {
  for (const auto& [one, value] : recipe)
    if (one == key) return value;
  return "";
}

std::string RunRecord::recipe_string(const std::string& key) const {
  const std::string value = recipe_value(key);
  return value.size() >= 2 && value.front() == '"' && value.back() == '"' ? value.substr(1, value.size() - 2)
                                                                          : value;
}

std::string Failure::text() const {
  // A reason that says where need not be told.
  if (reason.find("iteration " + std::to_string(iteration)) != std::string::npos) return "failed: " + reason;
  return fmt::format("failed in epoch {}, iteration {}: {}", epoch, iteration, reason);
}

std::string RunRecord::selection() const {
  if (!result.is_object()) return "";
  const auto at = result.find("selection");
  return at != result.end() && at->is_string() ? at->get<std::string>() : "";
}

int RunRecord::num_steps() const {
  return static_cast<int>(std::clamp(std::strtol(recipe_value("network.num_steps").c_str(), nullptr, 10), 0L,
                                     std::int64_t{1} << 30));
}

std::string RunRecord::epochs_text() const {
  return epochs_planned > 0 ? fmt::format("{}/{}", epochs_done, epochs_planned) : std::to_string(epochs_done);
}

std::optional<double> RunRecord::seconds_left() const {
  if (state == RunState::kFinished || epochs_planned <= 0 || epochs_done > epochs_planned)
    return std::nullopt;
  double done = static_cast<double>(epochs_done);
  if (epochs_done > 0 && !epochs.empty() && epochs.back().iteration > 0) {
    // The part of the epoch that runs, where an epoch has as many iterations as those before.
    const double of_epoch = static_cast<double>(epochs.back().iteration) / done;
    done = std::min(done + 1.0, std::max(done, static_cast<double>(iterations) / of_epoch));
  }
  if (done <= 0.0 || !(train_seconds > 0.0)) return std::nullopt;
  return train_seconds / done * std::max(0.0, static_cast<double>(epochs_planned) - done);
}

bool is_run_folder(const std::string& path) {
  const fs::path folder(path);
  return is_file(folder / "recipe.toml") &&
         (is_file(folder / "metrics.jsonl") || is_file(folder / "checkpoint.safetensors"));
}

std::vector<std::string> find_runs(const std::string& given, std::size_t limit) {
  const std::string folder = without_end_slashes(given);
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw DataError(folder + ": no such folder");
  fs::directory_iterator readable(folder, error);
  if (error) throw DataError(folder + ": cannot be read: " + error.message());
  std::vector<std::string> runs;
  collect_runs(folder, 0, limit, runs);
  std::sort(runs.begin(), runs.end());
  return runs;
}

RunRecord read_run(const std::string& given, const ReadLimits& limits) {
  const std::string folder = without_end_slashes(given);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) throw DataError(folder + ": no such run folder");
  const bool has_any = is_file(folder + "/recipe.toml") || is_file(folder + "/metrics.jsonl") ||
                       is_file(folder + "/result.json");
  if (!has_any) {
    std::string what = ": holds neither recipe.toml nor metrics.jsonl nor result.json: not a run";
    for (const char* name : {"recipe.toml", "metrics.jsonl", "result.json"}) {
      const std::string instead = what_instead(folder + "/" + name);
      if (!instead.empty()) what += fmt::format("; {} is {}, no file", name, instead);
    }
    throw DataError(folder + what);
  }
  RunRecord run;
  run.path = folder;
  run.name = last_part(folder);
  read_recipe(run);
  if (is_missing(run, "metrics.jsonl")) run.add_problem("metrics.jsonl is missing");
  if (has_file(run, "metrics.jsonl")) read_metrics(folder + "/metrics.jsonl", limits, run);
  if (run.iterations == 0) read_checkpoint_state(run);
  read_environment(run);
  if (run.failure) run.state = RunState::kFailed;
  read_result(run);
  if (is_locked(folder)) run.state = RunState::kRunning;
  return run;
}

}  // namespace spikeloom::report
