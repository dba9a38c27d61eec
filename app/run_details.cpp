#include "app/run_details.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/runtime/observation/observe.h"
#include "spikeloom/train/run/model_info.h"

namespace spikeloom::app {
namespace {

/// "" where there is none that may be read.
std::string split_of(const report::RunRecord& run) {
  if (run.test_accuracy) return "test";
  const std::string held_out = run.recipe_value("data.validation_samples");
  return held_out.empty() || held_out == "0" ? "" : "validation";
}

/// The files that may hold the network, the one to show first: the kept model, of a run that goes on the
/// newest weights that there are.
std::vector<std::string> models_of(const report::RunRecord& run) {
  namespace fs = std::filesystem;
  const std::string found = train::find_model(run.path), checkpoint = run.path + "/checkpoint.safetensors";
  if (found == checkpoint) return {found};
  std::error_code no_model, no_checkpoint;
  const auto of_model = fs::last_write_time(found, no_model);
  const auto of_checkpoint = fs::last_write_time(checkpoint, no_checkpoint);
  if (no_checkpoint) return {found};
  // The kept network is there twice where it is that of the best epoch.
  const std::string best = run.path + "/best.safetensors";
  std::error_code ignored;
  if (starts_with(run.selection(), "best validation epoch") && fs::is_regular_file(best, ignored))
    return {found, best, checkpoint};
  const bool newer = no_model || of_checkpoint > of_model;
  if (run.state != report::RunState::kFinished && newer) return {checkpoint, found};
  return {found, checkpoint};
}

/// As the network has its layers; "rfc1 recurrent" is of rfc1.
void in_order_of(const model::NetworkPlan& plan, std::vector<report::WeightStatistics>& weights) {
  const auto place = [&](const report::WeightStatistics& one) {
    const std::string layer = one.name.substr(0, one.name.find(' '));
    return std::find_if(plan.layers.begin(), plan.layers.end(),
                        [&](const model::LayerPlan& each) { return each.name == layer; });
  };
  std::stable_sort(weights.begin(), weights.end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
}

/// Network and weights of the first of the run's files that is whole; what is wrong with those before it
/// becomes a note.
bool read_model(const report::RunRecord& run, report::RunDetails& details) {
  try {
    std::string damage;
    for (const std::string& model : models_of(run)) {
      try {
        const train::ModelInfo info = train::read_model_info(model);
        details.weights = report::read_weights(model);
        details.plan = info.plan();
        in_order_of(*details.plan, details.weights);
        details.model = model;
        details.model_iteration = info.iterations;
        if (!damage.empty()) {
          details.notes.push_back(
              damage + "; network, weights and samples are those of " +
              std::filesystem::path(model).filename().string() +
              (info.iterations >= 0 ? fmt::format(", iteration {}", with_separators(info.iterations)) : ""));
        }
        return true;
      } catch (const Error& error) {
        damage += (damage.empty() ? "" : "; ") + std::string(error.what());
      }
    }
    throw DataError(damage);
  } catch (const Error& error) {
    details.notes.push_back(std::string("Network and weights are not shown: ") + error.what());
  }
  return false;
}

/// As many samples as are asked for, or as the limit on work leaves.
std::int64_t sample_count(const RunDetailsRequest& request, const report::RunRecord& run,
                          const model::NetworkPlan& plan) {
  constexpr std::int64_t kFewest = 10;
  if (request.most_macs <= 0) return request.samples;
  const double steps = std::max(1.0, std::atof(run.recipe_value("network.num_steps").c_str()));
  const double of_sample = std::max(1.0, static_cast<double>(plan.macs_per_step()) * steps);
  const auto most =
      std::max(kFewest, static_cast<std::int64_t>(static_cast<double>(request.most_macs) / of_sample));
  return request.samples > 0 ? std::min(request.samples, most) : most;
}

}  // namespace

report::RunDetails gather_details(const report::RunRecord& run, const RunDetailsRequest& request) {
  report::RunDetails details;
  if (!read_model(run, details)) return details;
  if (!request.run_samples) return details;
  runtime::ObservationRequest observation;
  observation.model = details.model;
  observation.data_dir = request.data_dir;
  observation.samples = sample_count(request, run, *details.plan);
  observation.stop = request.stop;
  observation.rasters = request.rasters;
  observation.threads = request.threads;
  observation.split = request.split.empty() ? split_of(run) : request.split;
  if (observation.split.empty()) {
    details.notes.emplace_back(
        "No samples were run: the run was not tested, and no validation samples were held out (--split names "
        "a part)");
    return details;
  }
  try {
    details.observations = runtime::observe(observation);
  } catch (const ConfigError&) {
    if (!request.split.empty() || !request.rasters.empty()) throw;
    details.notes.emplace_back("No samples were run: the recipe's data set cannot be opened");
  } catch (const Error& error) {
    if (!request.split.empty()) throw;
    details.notes.push_back(std::string("No samples were run: ") + error.what());
  }
  return details;
}

}  // namespace spikeloom::app
