#include "spikeloom/train/trainer.h"

#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "spikeloom/base/version.h"
#include "spikeloom/train/arithmetic_scope.h"
#include "spikeloom/train/training_session.h"

namespace spikeloom::train {
namespace {

double peak_memory_mb() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

}  // namespace

TrainingResult TrainingSession::summary() const {
  TrainingResult result;
  result.run_path = folder_->path();
  result.epochs = state_.epoch;
  result.iterations = state_.iteration;
  result.train_seconds = state_.train_seconds;
  result.samples_per_s =
      session_seconds_ > 0.0 ? static_cast<double>(session_samples_) / session_seconds_ : 0.0;
  result.has_validation = splits_.validation != nullptr && state_.last_validation >= 0.0;
  result.validation_accuracy = result.has_validation ? state_.last_validation : 0.0;
  result.firing_rates = last_rates_;
  result.peak_memory_mb = peak_memory_mb();
  result.peak_device_memory_mb = static_cast<double>(ops::peak_memory(device_)) / (1 << 20);
  if (!device_.is_cpu()) result.device = ops::describe(device_);
  return result;
}

TrainingResult train(const TrainingRequest& request, TrainingObserver& observer) {
  const ArithmeticScope scope(request.threads);
  return TrainingSession(request, observer).run();
}

std::string to_json(const TrainingResult& result, const Recipe& recipe) {
  nlohmann::ordered_json json = {{"spikeloom_version", kVersion},
                                 {"recipe", recipe.name},
                                 {"dataset", recipe.data.dataset},
                                 {"network", recipe.network.structure},
                                 {"num_steps", recipe.network.num_steps},
                                 {"seed", recipe.seed},
                                 {"run", result.run_path},
                                 {"model", result.model_path},
                                 {"interrupted", result.interrupted},
                                 {"selection", result.selection},
                                 {"epochs", result.epochs},
                                 {"iterations", result.iterations},
                                 {"train_seconds", result.train_seconds},
                                 {"samples_per_s", result.samples_per_s}};
  if (result.has_validation) json["validation_accuracy"] = result.validation_accuracy;
  if (result.has_test) {
    json["test_accuracy"] = result.test_accuracy;
    if (result.has_last_epoch_test) json["last_epoch_test_accuracy"] = result.last_epoch_test_accuracy;
    json["test_loss"] = result.test_loss;
    json["test_samples"] = result.test_samples;
  }
  nlohmann::ordered_json rates = nlohmann::ordered_json::object();
  for (const auto& [layer, rate] : result.firing_rates) rates[layer] = rate;
  json["firing_rates"] = rates;
  json["peak_memory_mb"] = result.peak_memory_mb;
  if (!result.device.empty()) {
    json["device"] = result.device;
    json["peak_device_memory_mb"] = result.peak_device_memory_mb;
  }
  // A folder may have any name, JSON only UTF-8.
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace spikeloom::train
