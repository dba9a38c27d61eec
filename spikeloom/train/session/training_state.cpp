#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {
namespace {

nlohmann::ordered_json to_object(const RunningMetrics& metrics) {
  return {{"loss_sum", metrics.loss_sum}, {"correct", metrics.correct}, {"samples", metrics.samples}};
}

nlohmann::ordered_json to_array(const FiringRates& rates) {
  auto array = nlohmann::ordered_json::array();
  for (const auto& layer : rates.layers) array.push_back({layer.name, layer.spikes, layer.neuron_steps});
  return array;
}

FiringRates to_rates(const nlohmann::json& array) {
  FiringRates rates;
  for (const auto& layer : array) {
    rates.layers.push_back(
        {layer.at(0).get<std::string>(), layer.at(1).get<double>(), layer.at(2).get<double>()});
  }
  return rates;
}

nlohmann::ordered_json to_object(const std::optional<data::PartFingerprint>& part) {
  if (!part) return nullptr;
  return {
      {"samples", part->samples}, {"names", part->names}, {"sizes", part->sizes}, {"labels", part->labels}};
}

std::optional<data::PartFingerprint> to_part(const nlohmann::json& object) {
  if (object.is_null()) return std::nullopt;
  data::PartFingerprint part;
  part.samples = object.at("samples").get<std::int64_t>();
  part.names = object.at("names").get<std::string>();
  part.sizes = object.at("sizes").get<std::string>();
  part.labels = object.at("labels").get<std::string>();
  return part;
}

nlohmann::ordered_json to_object(const data::Fingerprint& data) {
  return {{"shape", data.shape},
          {"class_names", data.class_names},
          {"train", to_object(data.train)},
          {"validation", to_object(data.validation)},
          {"test", to_object(data.test)}};
}

data::Fingerprint to_fingerprint(const nlohmann::json& object) {
  data::Fingerprint data;
  data.shape = object.at("shape").get<std::string>();
  data.class_names = object.at("class_names").get<std::vector<std::string>>();
  data.train = to_part(object.at("train"));
  data.validation = to_part(object.at("validation"));
  data.test = to_part(object.at("test"));
  return data;
}

RunningMetrics to_metrics(const nlohmann::json& object) {
  RunningMetrics metrics;
  metrics.loss_sum = object.at("loss_sum").get<double>();
  metrics.correct = object.at("correct").get<std::int64_t>();
  metrics.samples = object.at("samples").get<std::int64_t>();
  return metrics;
}

}  // namespace

void RunningMetrics::add(double loss, std::int64_t correct_count, std::int64_t count) {
  loss_sum += loss * static_cast<double>(count);
  correct += correct_count;
  samples += count;
}

std::string TrainingState::to_json() const {
  // nlohmann-json writes the shortest text that reads back as the same double: resuming loses no bit.
  nlohmann::ordered_json json = {{"epoch", epoch},
                                 {"batch", batch},
                                 {"iteration", iteration},
                                 {"epoch_metrics", to_object(epoch_metrics)},
                                 {"log_metrics", to_object(log_metrics)},
                                 {"epoch_rates", to_array(epoch_rates)},
                                 {"log_rates", to_array(log_rates)},
                                 {"train_seconds", train_seconds},
                                 {"best_validation", best_validation},
                                 {"best_epoch", best_epoch},
                                 {"last_validation", last_validation},
                                 {"finished", finished},
                                 {"cut_batch", cut_batch},
                                 {"stopped_early", stopped_early},
                                 {"test_reads", test_reads},
                                 {"metrics_size", metrics_size},
                                 {"event_file", event_file},
                                 {"event_file_size", event_file_size},
                                 {"changes", nlohmann::ordered_json::array()}};
  for (const std::string& change : changes) json["changes"].push_back(parse_ordered_json(change));
  if (data) json["data"] = to_object(*data);
  return json_text(json, -1, BadText::kReplace);
}

TrainingState TrainingState::from_json(const std::string& text, const std::string& path) {
  TrainingState state;
  try {
    const auto json = parse_json(text);
    state.epoch = json.at("epoch").get<int>();
    state.batch = json.at("batch").get<std::int64_t>();
    state.iteration = json.at("iteration").get<std::int64_t>();
    state.epoch_metrics = to_metrics(json.at("epoch_metrics"));
    state.log_metrics = to_metrics(json.at("log_metrics"));
    state.epoch_rates = to_rates(json.at("epoch_rates"));
    state.log_rates = to_rates(json.at("log_rates"));
    state.train_seconds = json.at("train_seconds").get<double>();
    state.best_validation = json.at("best_validation").get<double>();
    state.best_epoch = json.at("best_epoch").get<int>();
    state.last_validation = json.at("last_validation").get<double>();
    state.finished = json.at("finished").get<bool>();
    state.metrics_size = json.at("metrics_size").get<std::int64_t>();
    // Not in checkpoints of older versions.
    state.event_file = json.value("event_file", "");
    state.event_file_size = json.value("event_file_size", std::int64_t{0});
    state.cut_batch = json.value("cut_batch", std::int64_t{0});
    state.stopped_early = json.value("stopped_early", false);
    state.test_reads = json.value("test_reads", state.finished ? 1 : 0);
    if (json.contains("changes")) {
      for (const auto& change : parse_ordered_json(text).at("changes")) {
        state.changes.push_back(json_text(change));
      }
    }
    if (json.contains("data")) state.data = to_fingerprint(json.at("data"));
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError(path + ": its training state is damaged");
  }
  if (state.epoch < 0 || state.batch < 0 || state.cut_batch < 0 || state.cut_batch > state.iteration ||
      state.iteration < state.batch || state.metrics_size < 0) {
    throw CheckpointError(path + ": its training state is damaged: epoch " + std::to_string(state.epoch) +
                          ", batch " + std::to_string(state.batch) + ", iteration " +
                          std::to_string(state.iteration) + ", metrics_size " +
                          std::to_string(state.metrics_size));
  }
  return state;
}

}  // namespace spikeloom::train
