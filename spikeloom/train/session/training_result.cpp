// How a training ends: the kept model, its test, result.json.
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/base/version.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/session/rates_object.h"
#include "spikeloom/train/session/training_session.h"

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
  result.run_path = run_path();
  result.epochs = state_.epoch;
  result.iterations = state_.iteration;
  result.train_seconds = state_.train_seconds;
  result.samples_per_s =
      session_seconds_ > 0.0 ? static_cast<double>(session_samples_) / session_seconds_ : 0.0;
  result.stopped_early = state_.stopped_early;
  result.simulated = splits_.simulated;
  result.has_validation = splits_.validation != nullptr && state_.last_validation >= 0.0;
  result.validation_accuracy = result.has_validation ? state_.last_validation : 0.0;
  result.firing_rates = last_rates_;
  result.peak_memory_mb = peak_memory_mb();
  result.peak_device_memory_mb = static_cast<double>(ops::peak_memory(device_)) / (1 << 20);
  if (!device_.is_cpu()) result.device = ops::describe(device_);
  return result;
}

TrainingResult TrainingSession::finish() {
  change_phase(recipe_.network.num_steps);
  TrainingResult result = summary();
  result.selection = "last epoch";
  ModelInfo kept = model_info();
  if (recipe_.training.keep_best && state_.best_epoch >= 0) {
    if (ranks_.leads()) {
      const std::string best = folder_->file("best.safetensors");
      load_parameters(best, *network_);
      kept.iterations = read_model_info(best).iterations;
    }
    share_parameters();
    result.selection = "best validation epoch (" + std::to_string(state_.best_epoch + 1) + ")";
    result.validation_accuracy = state_.best_validation;
  } else if (averages()) {
    runner_->optimizer().exchange_average();  // for good: nothing is trained any more
  }
  if (averages()) result.selection += ", average of weights";
  result.model_path = run_path() + "/model.safetensors";
  if (ranks_.leads()) save_model(result.model_path, *network_, kept);
  if (splits_.test) {
    const auto test = evaluate(splits_.test, "test");
    if (test.samples < splits_.test->size()) {
      result.interrupted = true;  // the checkpoint says "finished": resuming only tests
      result.model_path.clear();
      return result;
    }
    result.has_test = true;
    result.test_accuracy = test.accuracy;
    result.test_loss = test.loss;
    result.test_samples = test.samples;
    result.test_reads = state_.test_reads;
    if (!test.vote_shares.empty() && test.vote_shares.size() <= kMaxVoteShareClasses) {
      result.vote_shares = test.vote_shares;
      result.class_names = splits_.test->class_names();
    }
    result.firing_rates = test.firing_rates;
    note(json_text(nlohmann::ordered_json{{"kind", "test"},
                                          {"iteration", state_.iteration},
                                          {"selection", result.selection},
                                          {"test_loss", test.loss},
                                          {"test_accuracy", test.accuracy},
                                          {"samples", test.samples},
                                          {"firing_rates", rates_object(test.firing_rates)}}));
    record_test(test);
  }
  if (records_) records_->ended(true);
  if (ranks_.leads()) write_text_file(folder_->file("result.json"), to_json(result, recipe_) + "\n");
  return result;
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
  if (result.simulated) json["simulated"] = true;
  if (result.stopped_early) json["stopped_early"] = true;
  if (result.has_validation) json["validation_accuracy"] = result.validation_accuracy;
  if (result.has_test) {
    json["test_accuracy"] = result.test_accuracy;
    json["test_loss"] = result.test_loss;
    json["test_samples"] = result.test_samples;
    json["test_reads"] = result.test_reads;
    if (!result.vote_shares.empty()) {
      json["class_names"] = result.class_names;
      json["vote_shares"] = result.vote_shares;
    }
  }
  json["firing_rates"] = rates_object(result.firing_rates);
  json["peak_memory_mb"] = result.peak_memory_mb;
  if (!result.device.empty()) {
    json["device"] = result.device;
    json["peak_device_memory_mb"] = result.peak_device_memory_mb;
  }
  // A folder may have any name, JSON only UTF-8.
  return json_text(json, 2, BadText::kReplace);
}

TrainingResult result_from_json(const std::string& text, const std::string& path) {
  TrainingResult result;
  try {
    const auto json = parse_ordered_json(text);
    result.run_path = json.at("run").get<std::string>();
    result.model_path = json.at("model").get<std::string>();
    result.interrupted = json.at("interrupted").get<bool>();
    result.selection = json.at("selection").get<std::string>();
    result.epochs = json.at("epochs").get<int>();
    result.iterations = json.at("iterations").get<std::int64_t>();
    result.train_seconds = json.at("train_seconds").get<double>();
    result.samples_per_s = json.at("samples_per_s").get<double>();
    result.simulated = json.value("simulated", false);
    result.stopped_early = json.value("stopped_early", false);
    result.has_validation = json.contains("validation_accuracy");
    if (result.has_validation) result.validation_accuracy = json["validation_accuracy"].get<double>();
    result.has_test = json.contains("test_accuracy");
    if (result.has_test) {
      result.test_accuracy = json["test_accuracy"].get<double>();
      result.test_loss = json.at("test_loss").get<double>();
      result.test_samples = json.at("test_samples").get<std::int64_t>();
      result.test_reads = json.value("test_reads", 1);
      result.class_names = json.value("class_names", result.class_names);
      result.vote_shares = json.value("vote_shares", result.vote_shares);
    }
    for (const auto& rate : json.at("firing_rates").items()) {
      result.firing_rates.emplace_back(rate.key(), rate.value().get<double>());
    }
    result.peak_memory_mb = json.at("peak_memory_mb").get<double>();
    result.device = json.value("device", "");
    result.peak_device_memory_mb = json.value("peak_device_memory_mb", 0.0);
  } catch (const nlohmann::json::exception&) {
    throw DataError(path + ": is damaged; delete it, and resuming the run tests its model again");
  }
  return result;
}

}  // namespace spikeloom::train
