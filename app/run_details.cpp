#include "app/run_details.h"

#include "spikeloom/base/errors.h"
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

}  // namespace

report::RunDetails gather_details(const report::RunRecord& run, const RunDetailsRequest& request) {
  report::RunDetails details;
  std::string model;
  try {
    model = train::find_model(run.path);
    details.plan = train::read_model_info(model).plan();
    details.weights = report::read_weights(model);
  } catch (const Error& error) {
    details.notes.push_back(std::string("Network and weights are not shown: ") + error.what());
    return details;
  }
  if (!request.run_samples) return details;
  runtime::ObservationRequest observation;
  observation.model = model;
  observation.data_dir = request.data_dir;
  observation.samples = request.samples;
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
