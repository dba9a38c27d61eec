// What follows the last batch of an epoch: validation, report, checkpoint.
#include <nlohmann/json.hpp>
#include <optional>

#include "spikeloom/base/json_text.h"
#include "spikeloom/train/recipe/schedule.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/session/rates_object.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {
namespace {

/// The network's weights are their average as long as it lives.
class AverageScope {
 public:
  explicit AverageScope(engine::Optimizer& optimizer) : optimizer_(optimizer) {
    optimizer_.exchange_average();
  }
  ~AverageScope() { optimizer_.exchange_average(); }
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  engine::Optimizer& optimizer_;
};

}  // namespace

EvaluationResult TrainingSession::evaluate(const std::shared_ptr<const data::Dataset>& dataset,
                                           const std::string& split) {
  prepare(dataset, split);
  ranks_.meet("the " + split + " samples");
  NetworkEvaluation settings;
  settings.ranks = ranks_;
  settings.batch_size = recipe_.training.eval_batch_size;
  settings.workers = recipe_.training.workers;
  settings.loss = recipe_.loss;
  settings.stop = request_.stop;
  settings.progress = [&](std::int64_t done, std::int64_t total) {
    observer_.evaluating(split, done, total);
  };
  return evaluate_network(*network_, dataset, settings);
}

double TrainingSession::loader_wait_share() const {
  return session_seconds_ > 0.0 ? loader_wait_seconds_ / session_seconds_ : 0.0;
}

bool TrainingSession::validate(EpochReport& report) {
  if (validation_ == nullptr) return true;
  const auto complete = [&](const EvaluationResult& result) { return result.samples == validation_->size(); };
  const EvaluationResult own = evaluate(validation_, "validation");
  if (!complete(own)) return false;
  report.has_validation = true;
  report.validation_loss = own.loss;
  report.validation_accuracy = state_.last_validation = own.accuracy;
  if (!averages()) record_confusion("validation", own);
  if (averages()) {
    const AverageScope average(runner_->optimizer());
    const EvaluationResult averaged = evaluate(validation_, "validation");
    if (!complete(averaged)) return false;
    report.has_average = true;
    report.average_validation_loss = averaged.loss;
    report.average_validation_accuracy = state_.last_validation = averaged.accuracy;
    record_confusion("validation", averaged);
  }
  // Epochs of fewer steps are not compared with those of the network that is kept.
  if (report.num_steps != recipe_.network.num_steps || state_.last_validation <= state_.best_validation)
    return true;
  state_.best_validation = state_.last_validation;
  state_.best_epoch = state_.epoch;
  if (!recipe_.training.keep_best || !ranks_.leads()) return true;
  std::optional<AverageScope> average;
  if (averages()) average.emplace(runner_->optimizer());
  save_model(folder_->file("best.safetensors"), *network_, model_info());
  return true;
}

bool TrainingSession::finish_epoch() {
  EpochReport report;
  report.epoch = state_.epoch;
  report.epochs = recipe_.training.epochs;
  report.num_steps = steps_now();
  report.train_loss = state_.epoch_metrics.loss();
  report.train_accuracy = state_.epoch_metrics.accuracy();
  report.learning_rate =
      learning_rate_at(recipe_.optimizer, recipe_.schedule, recipe_.training.epochs, batches_per_epoch_,
                       std::max<std::int64_t>(state_.iteration - 1, 0));
  report.samples_per_s =
      session_seconds_ > 0.0 ? static_cast<double>(session_samples_) / session_seconds_ : 0.0;
  report.seconds = state_.train_seconds;
  report.loader_wait_share = loader_wait_share();
  fill_slowest_stage(report);
  report.firing_rates = state_.epoch_rates.rates();
  report_layers(report.firing_rates);
  report_loader();
  check_finite(report.train_loss);
  check_same_weights();
  if (!validate(report)) return false;  // stopped: done again after resuming
  report.best_validation_accuracy = state_.best_validation;
  report.best_epoch = state_.best_epoch;
  nlohmann::ordered_json line = {{"kind", "epoch"},
                                 {"epoch", state_.epoch + 1},
                                 {"iteration", state_.iteration},
                                 {"num_steps", report.num_steps},
                                 {"train_loss", report.train_loss},
                                 {"train_accuracy", report.train_accuracy}};
  if (report.has_validation) {
    line["validation_loss"] = report.validation_loss;
    line["validation_accuracy"] = report.validation_accuracy;
  }
  if (report.has_average) {
    line["average_validation_loss"] = report.average_validation_loss;
    line["average_validation_accuracy"] = report.average_validation_accuracy;
  }
  line["learning_rate"] = report.learning_rate;
  line["samples_per_s"] = report.samples_per_s;
  line["train_seconds"] = state_.train_seconds;
  line["loader_wait_share"] = loader_wait_share();
  line["firing_rates"] = rates_object(report.firing_rates);
  note(json_text(line));
  record_epoch(report);
  last_rates_ = report.firing_rates;
  observer_.epoch_ended(report);

  ++state_.epoch;
  state_.cut_batch = state_.batch < batches_per_epoch_ ? state_.batch : 0;
  state_.batch = 0;
  state_.epoch_metrics = RunningMetrics();
  state_.epoch_rates.clear();
  state_.finished = is_done(state_);
  state_.stopped_early = state_.finished && state_.epoch < recipe_.training.epochs && !reached_limit();
  if (state_.finished && splits_.test) ++state_.test_reads;  // the next thing that is done
  if (state_.finished || state_.epoch % recipe_.training.checkpoint_every == 0) save_checkpoint();
  return true;
}

}  // namespace spikeloom::train
