#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include "spikeloom/base/text.h"
#include "spikeloom/formats/html_text.h"
#include "spikeloom/report/energy.h"
#include "spikeloom/report/page/drawing.h"
#include "spikeloom/report/page/firing_warnings.h"
#include "spikeloom/report/page/page.h"
#include "spikeloom/report/run_labels.h"

namespace spikeloom::report {
namespace {

using nlohmann::ordered_json;

constexpr float kHuge = std::numeric_limits<float>::max();

/// Six digits: more are not seen. What is not finite becomes null.
ordered_json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

ordered_json number(const std::optional<double>& value) { return number(value ? *value : kMissing); }

/// Which of `count` points are shown: evenly spaced, the first and the last among them.
std::vector<std::size_t> shown_points(std::size_t count, std::size_t most) {
  std::vector<std::size_t> shown;
  if (count <= most || most < 2) most = std::max<std::size_t>(count, 1);
  for (std::size_t i = 0; i < most && i < count; ++i)
    shown.push_back(most == 1 ? 0 : i * (count - 1) / (most - 1));
  return shown;
}

using Field = double MetricsPoint::*;

/// {"iteration": [...], "epoch": [...], "loss": [...], ...}: fields without any value are left out.
ordered_json curves(const std::vector<MetricsPoint>& points, std::size_t most,
                    const std::vector<std::pair<const char*, Field>>& fields) {
  const auto shown = shown_points(points.size(), most);
  ordered_json result = {{"iteration", ordered_json::array()}, {"epoch", ordered_json::array()}};
  for (const std::size_t i : shown) {
    result["iteration"].push_back(points[i].iteration);
    result["epoch"].push_back(points[i].epoch);
  }
  for (const auto& [name, field] : fields) {
    ordered_json values = ordered_json::array();
    bool any = false;
    for (const std::size_t i : shown) {
      values.push_back(number(points[i].*field));
      any = any || std::isfinite(points[i].*field);
    }
    if (any) result[name] = std::move(values);
  }
  return result;
}

ordered_json rates(const RunRecord& run, const std::vector<MetricsPoint>& points, std::size_t most) {
  const auto shown = shown_points(points.size(), most);
  ordered_json layers = ordered_json::array();
  for (std::size_t layer = 0; layer < run.layers.size(); ++layer) {
    ordered_json values = ordered_json::array();
    for (const std::size_t i : shown) {
      const auto& list = points[i].firing_rates;
      values.push_back(number(layer < list.size() ? list[layer] : kMissing));
    }
    layers.push_back(std::move(values));
  }
  return layers;
}

const std::vector<std::pair<const char*, Field>> kStepFields = {
    {"loss", &MetricsPoint::loss},
    {"accuracy", &MetricsPoint::accuracy},
    {"learning_rate", &MetricsPoint::learning_rate},
    {"samples_per_s", &MetricsPoint::samples_per_s},
    {"wait", &MetricsPoint::loader_wait_share}};
const std::vector<std::pair<const char*, Field>> kEpochFields = {
    {"loss", &MetricsPoint::loss},
    {"accuracy", &MetricsPoint::accuracy},
    {"validation_loss", &MetricsPoint::validation_loss},
    {"validation_accuracy", &MetricsPoint::validation_accuracy},
    {"average_validation_loss", &MetricsPoint::average_validation_loss},
    {"average_validation_accuracy", &MetricsPoint::average_validation_accuracy},
    {"learning_rate", &MetricsPoint::learning_rate},
    {"samples_per_s", &MetricsPoint::samples_per_s},
    {"seconds", &MetricsPoint::train_seconds}};

/// The data set; of one's own recordings or images the folder too, which alone says what they are.
std::string dataset_text(const RunRecord& run) {
  const std::string dataset = run.recipe_string("data.dataset"), folder = run.recipe_string("data.folder");
  return dataset == "folder" && !folder.empty() ? "folder " + folder : dataset;
}

ordered_json summary(const RunRecord& run) {
  const auto last = [&](Field field) { return run.epochs.empty() ? kMissing : run.epochs.back().*field; };
  return {{"name", run.name},
          {"path", run.path},
          {"state", to_string(run.state)},
          {"stopped_early", run.stopped_early},
          {"epochs_done", run.epochs_done},
          {"epochs_planned", run.epochs_planned},
          {"iterations", run.iterations},
          {"train_seconds", number(run.train_seconds)},
          {"seconds_left", number(run.seconds_left())},
          {"best_validation_accuracy", number(run.best_validation_accuracy)},
          {"best_epoch", run.best_epoch},
          {"best_iteration", run.best_iteration},
          {"selection", run.selection()},
          {"init", run.init_from.empty() ? "" : run.init_from + ": " + run.init_text},
          {"failure", run.failure ? ordered_json(run.failure->text()) : nullptr},
          {"last_epoch_iteration", run.epochs.empty() ? 0 : run.epochs.back().iteration},
          {"test_accuracy", number(run.test_accuracy)},
          {"train_accuracy", number(last(&MetricsPoint::accuracy))},
          {"structure", run.recipe_string("network.structure")},
          {"num_steps", run.recipe_value("network.num_steps")},
          {"dataset", dataset_text(run)},
          {"problems", run.problems}};
}

ordered_json histogram_json(const Histogram& histogram) {
  return {{"low", number(histogram.low)}, {"high", number(histogram.high)}, {"counts", histogram.counts}};
}

ordered_json decision_json(const Decision& decision) {
  return {{"index", decision.index},
          {"label", decision.label},
          {"prediction", decision.prediction},
          {"runner_up", decision.runner_up},
          {"confidence", number(decision.confidence)},
          {"label_confidence", number(decision.label_confidence)}};
}

ordered_json picture_json(const Picture& picture) {
  return {{"width", picture.width},
          {"height", picture.height},
          {"channels", picture.channels},
          {"events", picture.is_events},
          {"values", formats::base64(picture.values)}};
}

/// Of the classes that matter at the end: those of the most votes, and the label.
ordered_json votes_json(const SampleRaster& raster) {
  constexpr std::size_t kMost = 6;
  const auto none = ordered_json::array();
  ordered_json result = {{"steps", raster.vote_steps}, {"classes", none}, {"values", none}, {"any", false}};
  if (raster.votes.empty()) return result;
  const std::vector<float>& last = raster.votes.back();
  std::vector<std::size_t> order(last.size());
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  const auto known = [&](std::size_t k) { return std::isfinite(last[k]) ? last[k] : -kHuge; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return known(a) > known(b); });
  const auto label = static_cast<std::size_t>(raster.decision.label);
  if (order.size() > kMost) {
    const auto at = std::find(order.begin(), order.end(), label);
    if (at != order.end() && at - order.begin() >= static_cast<std::ptrdiff_t>(kMost)) {
      order.resize(kMost);
      order.push_back(label);
    } else {
      order.resize(kMost);
    }
  }
  for (const std::size_t k : order) {
    ordered_json values = ordered_json::array();
    for (const auto& step : raster.votes) values.push_back(number(step[k]));
    result["classes"].push_back(k);
    result["values"].push_back(std::move(values));
  }
  result["any"] = std::any_of(last.begin(), last.end(), [](float vote) { return vote != 0.0f; });
  return result;
}

ordered_json raster_json(const SampleRaster& raster) {
  ordered_json layers = ordered_json::array();
  for (const LayerRaster& layer : raster.layers) {
    layers.push_back({{"layer", layer.layer},
                      {"neurons", layer.neurons},
                      {"spikes", layer.spikes},
                      {"active", layer.active},
                      {"shown", layer.shown},
                      {"trains", layer.trains}});
  }
  return {{"decision", decision_json(raster.decision)},
          {"picture", picture_json(raster.picture)},
          {"num_steps", raster.num_steps},
          {"layers", std::move(layers)},
          {"votes", votes_json(raster)}};
}

/// Work and energy of a sample, by layer, against the artificial network's.
ordered_json cost_json(const Observations& observed, const std::optional<model::NetworkPlan>& plan) {
  const EnergyTable table;
  std::map<std::string, std::int64_t> dense;
  if (plan) {
    for (const auto& layer : plan->layers) dense[layer.name] = layer.synapses();
  }
  ordered_json layers = ordered_json::array();
  double energy = 0.0, dense_energy = 0.0;
  for (const LayerObservation& layer : observed.layers) {
    const double here = energy_estimate_pj(layer), there = energy_estimate_pj(dense[layer.name]);
    energy += here;
    dense_energy += there;
    layers.push_back({{"layer", layer.name},
                      {"firing_rate", layer.fires ? number(layer.firing_rate) : nullptr},
                      {"synaptic_operations", number(layer.synaptic_operations)},
                      {"macs", number(layer.macs)},
                      {"updates", number(layer.updates)},
                      {"energy_pj", number(here)},
                      {"dense_macs", plan ? ordered_json(dense[layer.name]) : nullptr},
                      {"dense_energy_pj", plan ? number(there) : nullptr}});
  }
  return {{"layers", std::move(layers)},
          {"energy_pj", number(energy)},
          {"dense_energy_pj", plan ? number(dense_energy) : nullptr},
          {"addition_pj", table.addition_pj},
          {"mac_pj", number(table.mac_pj())},
          {"source", kEnergySource}};
}

ordered_json observations_json(const Observations& observed, const std::optional<model::NetworkPlan>& plan) {
  ordered_json result = {
      {"dataset", observed.dataset},       {"split", observed.split},
      {"samples", observed.samples},       {"part_size", observed.part_size},
      {"correct", observed.correct},       {"classes", observed.classes},
      {"confidence", observed.confidence}, {"spiking", observed.spiking},
      {"confusion", observed.confusion},   {"calibration_error", number(observed.calibration_error)}};
  for (const char* list : {"calibration", "potentials", "rasters", "hardest"})
    result[list] = ordered_json::array();
  for (const CalibrationBin& bin : observed.calibration) {
    result["calibration"].push_back(
        {{"samples", bin.samples}, {"correct", bin.correct}, {"confidence", number(bin.confidence)}});
  }
  for (const LayerObservation& layer : observed.layers) {
    if (layer.potentials.counts.empty()) continue;
    result["potentials"].push_back({{"layer", layer.name}, {"histogram", histogram_json(layer.potentials)}});
  }
  for (const SampleRaster& raster : observed.rasters) result["rasters"].push_back(raster_json(raster));
  for (const HardSample& one : observed.hardest) {
    result["hardest"].push_back(
        {{"decision", decision_json(one.decision)}, {"picture", picture_json(one.picture)}});
  }
  const auto fires = [](const LayerObservation& layer) { return layer.fires; };
  const auto is_silent = [](const LayerObservation& layer) { return !layer.fires || layer.spikes == 0; };
  result["no_spikes"] = std::any_of(observed.layers.begin(), observed.layers.end(), fires) &&
                        std::all_of(observed.layers.begin(), observed.layers.end(), is_silent);
  result["no_votes"] =
      !observed.layers.empty() && observed.layers.back().fires && observed.layers.back().spikes == 0;
  result["cost"] = cost_json(observed, plan);
  return result;
}

ordered_json network_json(const model::NetworkPlan& plan) {
  ordered_json layers = ordered_json::array();
  for (const auto& layer : plan.layers) {
    layers.push_back({{"name", layer.name},
                      {"layer", notation_of(layer)},
                      {"takes", sources_text(plan, layer)},
                      {"output", to_string(layer.output)},
                      {"parameters", layer.parameters},
                      {"macs_per_step", layer.macs_per_step}});
  }
  return {{"parameters", plan.parameters()},
          {"macs_per_step", plan.macs_per_step()},
          {"layers", std::move(layers)},
          {"drawing", draw_network(plan)}};
}

// split: the part that was observed.
ordered_json commands(const RunRecord& run, const std::string& split) {
  const std::string folder = shell_quoted(run.path), name = shell_quoted(run.name + "-again");
  ordered_json result = ordered_json::array();
  const auto add = [&](const char* what, const std::string& command) {
    result.push_back({{"what", what}, {"command", command}});
  };
  add("Train it again, from its resolved recipe",
      "spikeloom train " + shell_quoted(run.path + "/recipe.toml") + " --out " + name +
          (run.init_from.empty() ? "" : " --init-from " + shell_quoted(run.init_from)));
  if (run.state == RunState::kInterrupted || run.state == RunState::kFailed)
    add("Resume it", "spikeloom train --resume " + folder);
  // The test part of a training that has not ended is not read.
  const bool untested = split.empty() && run.state != RunState::kFinished;
  const std::string part = untested ? "train" : split.empty() ? "test" : split;
  add("Accuracy, by the engine that trained it",
      "spikeloom eval " + folder + (part == "test" ? "" : " --split " + part));
  add("Make this report", "spikeloom report " + folder);
  return result;
}

/// What the curves leave out, and epochs with fewer time steps.
std::vector<std::string> learning_notes(const RunRecord& run, std::size_t points) {
  std::vector<std::string> notes;
  const auto shown = [&](const std::vector<MetricsPoint>& list) {
    return static_cast<std::int64_t>(std::min(list.size(), points));
  };
  std::string thinned;
  const auto add = [&](std::int64_t lines, std::int64_t kept, const char* nouns) {
    if (lines <= kept) return;
    thinned += fmt::format("{}{} of {} {}", thinned.empty() ? "" : " and ", with_separators(kept),
                           with_separators(lines), nouns);
  };
  add(run.epoch_lines, shown(run.epochs), "epochs");
  add(run.step_lines, shown(run.steps), "lines of iterations");
  if (!thinned.empty())
    notes.push_back("The curves are thinned: they show " + thinned + ", evenly spaced, and the last.");
  const int all = run.num_steps();
  std::int64_t fewer = 0;
  for (const MetricsPoint& point : run.epochs)
    if (point.num_steps > 0 && point.num_steps < all) fewer = std::max(fewer, point.epoch);
  if (fewer > 0) {
    notes.push_back(fmt::format(
        "The epochs up to {} ran with fewer than {} (schedule.num_steps), their validation too: the best "
        "validation accuracy is that of the epochs after them, from which training.keep_best chooses.",
        fewer, counted(all, "time step")));
  }
  return notes;
}

/// "the network of iteration 1,200 (checkpoint.safetensors, written at 12:30:05)".
std::string network_of(const RunDetails& details) {
  const std::size_t slash = details.model.find_last_of('/');
  std::string file = slash == std::string::npos ? details.model : details.model.substr(slash + 1);
  if (!details.model_time.empty()) file += ", " + details.model_time;
  if (details.model_iteration < 0) return "the network in " + file;
  if (details.model_iteration == 0) return "the network before its first iteration (" + file + ")";
  return fmt::format("the network of iteration {} ({})", with_separators(details.model_iteration), file);
}

}  // namespace

ordered_json run_page_data(const RunRecord& run, const RunDetails& details, std::size_t points) {
  ordered_json data = {{"kind", "run"}};
  data["run"] = summary(run);
  data["layers"] = run.layers;
  data["steps"] = curves(run.steps, points, kStepFields);
  data["epochs"] = curves(run.epochs, points, kEpochFields);
  data["learning_notes"] = learning_notes(run, points);
  // Where there are few epochs the lines between them say more, if they say anything.
  const bool by_epoch = run.epochs.size() >= 10 || run.steps.size() <= run.epochs.size() ||
                        std::all_of(run.steps.begin(), run.steps.end(),
                                    [](const MetricsPoint& point) { return point.firing_rates.empty(); });
  const std::size_t of_rates =
      std::max<std::size_t>(20, points / std::max<std::size_t>(1, run.layers.size()) * 4);
  const auto& rated = by_epoch ? run.epochs : run.steps;
  data["rates"] = curves(rated, std::min(points, of_rates), {});
  data["rates"]["layers"] = rates(run, rated, std::min(points, of_rates));
  data["resumed"] = ordered_json::array();
  for (const ResumePoint& point : run.resumed) {
    data["resumed"].push_back({{"epoch", point.epoch}, {"iteration", point.iteration}, {"what", point.what}});
  }
  data["environment"] = run.environment;
  data["result"] = run.result;
  data["recipe"] = run.recipe_text;
  data["commands"] = commands(run, details.observations ? details.observations->split : "");
  data["weights"] = ordered_json::array();
  for (const WeightStatistics& one : details.weights) {
    data["weights"].push_back({{"name", one.name},
                               {"shape", one.shape},
                               {"mean", number(one.mean)},
                               {"deviation", number(one.deviation)},
                               {"least", number(one.least)},
                               {"most", number(one.most)},
                               {"zeros", number(one.zeros)},
                               {"histogram", histogram_json(one.histogram)}});
  }
  if (details.plan) data["network"] = network_json(*details.plan);
  if (details.observations) data["observed"] = observations_json(*details.observations, details.plan);
  if (data.contains("observed") && data["observed"]["dataset"] == run.recipe_string("data.dataset"))
    data["observed"]["dataset"] = dataset_text(run);
  data["model"] = details.model;
  data["model_iteration"] = details.model_iteration >= 0 ? ordered_json(details.model_iteration) : nullptr;
  data["model_time"] = details.model_time;
  if (data.contains("observed")) {
    data["observed"]["of"] = network_of(details);
  }
  data["network_of"] = details.model.empty() ? "" : network_of(details);
  data["warnings"] = firing_warnings(run, details);
  data["notes"] = details.notes;
  return data;
}

namespace {

/// Which runs' curves are shown: of more than can be told apart those of the highest accuracy.
std::vector<std::size_t> with_curves(const std::vector<RunRecord>& runs) {
  constexpr std::size_t kMost = 100;
  std::vector<std::size_t> chosen(runs.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = i;
  if (chosen.size() <= kMost) return chosen;
  const auto accuracy = [&](std::size_t i) {
    const RunRecord& run = runs[i];
    if (run.test_accuracy) return *run.test_accuracy;
    if (run.best_validation_accuracy) return *run.best_validation_accuracy;
    const double trained = run.epochs.empty() ? kMissing : run.epochs.back().accuracy;
    return std::isfinite(trained) ? trained : -1.0;
  };
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&](std::size_t a, std::size_t b) { return accuracy(a) > accuracy(b); });
  chosen.resize(kMost);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

ordered_json run_list_data(const std::vector<RunRecord>& runs) {
  ordered_json data = {{"kind", "list"}, {"runs", ordered_json::array()}};
  const auto labels = run_labels(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    data["runs"].push_back(summary(runs[i]));
    data["runs"].back()["name"] = labels[i];
  }
  return data;
}

ordered_json comparison_data(const std::vector<RunRecord>& runs, std::size_t points) {
  ordered_json data = run_list_data(runs);
  data["kind"] = "comparison";
  std::set<std::string> keys;
  std::vector<std::string> order;  // that of the recipes
  data["thinned"] = false;
  for (const std::size_t i : with_curves(runs)) {
    const auto kept = static_cast<std::int64_t>(std::min(runs[i].epochs.size(), points));
    if (runs[i].epoch_lines > kept) data["thinned"] = true;
    data["runs"][i]["epochs"] = curves(runs[i].epochs, points, kEpochFields);
    if (runs[i].epochs.size() < 2) data["runs"][i]["steps"] = curves(runs[i].steps, points, kStepFields);
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& one : runs[i].recipe)
      if (keys.insert(one.first).second) order.push_back(one.first);
  }
  std::vector<std::map<std::string, std::string>> recipes(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i)
    recipes[i].insert(runs[i].recipe.begin(), runs[i].recipe.end());
  data["differences"] = ordered_json::array();
  for (const std::string& key : order) {
    ordered_json values = ordered_json::array();
    bool same = true;
    for (const auto& recipe : recipes) {
      const auto at = recipe.find(key);
      values.push_back(at == recipe.end() ? ordered_json(nullptr) : ordered_json(at->second));
      same = same && values.back() == values.front();
    }
    if (!same) data["differences"].push_back({{"key", key}, {"values", std::move(values)}});
  }
  return data;
}

}  // namespace spikeloom::report
