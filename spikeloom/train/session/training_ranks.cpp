// The part of a training session that is about other processes: rank 0 has the run's folder, and all begin
// with what it has.
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/network/crossovers.h"
#include "spikeloom/train/session/training_session.h"
#include "spikeloom/train/steps/whitening.h"

namespace spikeloom::train {
namespace {

using Json = nlohmann::ordered_json;

/// Tensors as text and values, which travel apart.
Json heads_of(const std::vector<SavedTensor>& tensors) {
  Json heads = Json::array();
  for (const SavedTensor& tensor : tensors) {
    heads.push_back({{"name", tensor.name},
                     {"shape", tensor.shape},
                     {"values", tensor.values.size()},
                     {"integers", tensor.integers}});
  }
  return heads;
}

std::vector<SavedTensor> tensors_of(const Json& heads) {
  std::vector<SavedTensor> tensors;
  for (const Json& head : heads) {
    SavedTensor& tensor = tensors.emplace_back();
    tensor.name = head.at("name").get<std::string>();
    tensor.shape = head.at("shape").get<std::vector<std::int64_t>>();
    tensor.values.resize(head.at("values").get<std::size_t>());
    tensor.integers = head.at("integers").get<std::vector<std::int64_t>>();
  }
  return tensors;
}

}  // namespace

// `cuda` is another device in each process of a machine.
void TrainingSession::choose_device() {
  if (!ranks_.alone() && request_.device == "cuda") {
    request_.device = "cuda:" + std::to_string(ranks_.group()->placement().local_rank);
  }
  device_ = ops::device_of(request_.device);
}

void TrainingSession::check_ranks() const {
  if (recipe_.training.accumulate > 1 && uses_device_backend()) {
    throw ConfigError("a batch runs in pieces on the CPU only", "", 0, "training.accumulate");
  }
  if (ranks_.alone()) return;
  if (device_.is_cuda() && recipe_.training.gradient_format == TrainingSettings::kBf16) {
    throw ConfigError("gradients of CUDA devices travel as fp32 only", "", 0, "training.gradient_format");
  }
  ranks_.check_recipe(to_toml(recipe_));
  if (ranks_.size() > recipe_.training.batch_size) {
    throw ConfigError("must be " + std::to_string(ranks_.size()) +
                          " at least, the number of processes, not " +
                          std::to_string(recipe_.training.batch_size),
                      "", 0, "training.batch_size");
  }
}

std::optional<TrainingResult> TrainingSession::open_run() {
  if (ranks_.alone()) return open_own_run();
  std::optional<TrainingResult> done;
  if (ranks_.leads()) done = open_own_run();
  return share_run(std::move(done));
}

std::optional<TrainingResult> TrainingSession::share_run(std::optional<TrainingResult> done) {
  std::string text;
  if (ranks_.leads()) {
    Json json = {{"recipe", to_toml(recipe_)},
                 {"name", recipe_.name},
                 {"state", state_.to_json()},
                 {"run", run_path()},
                 {"optimizer", heads_of(resumed_optimizer_)}};
    if (done) json["result"] = train::to_json(*done, recipe_);
    text = json_text(json, -1, BadText::kReplace);
  }
  const Json json = parse_ordered_json(ranks_.share(text, "the state of the run"));
  if (!ranks_.leads()) {
    request_.run_path = json.at("run").get<std::string>();
    recipe_ =
        parse_recipe(json.at("recipe").get<std::string>(), json.at("name").get<std::string>() + ".toml");
    state_ = TrainingState::from_json(json.at("state").get<std::string>(), request_.run_path);
    resumed_optimizer_ = tensors_of(json.at("optimizer"));
    if (json.contains("result")) {
      done = result_from_json(json["result"].get<std::string>(), request_.run_path);
      done->nothing_left = true;
    }
  }
  for (SavedTensor& tensor : resumed_optimizer_) ranks_.share(tensor.values, "the optimiser's state");
  return done;
}

void TrainingSession::start_run() {
  if (!ranks_.leads()) return;
  const std::string model = request_.init_from.empty() ? "" : find_model(request_.init_from);
  std::optional<TakenParameters> taken;
  if (!model.empty()) taken = take_parameters(model, *network_);
  if (!taken && recipe_.network.init.encoding == model::EncodingInit::kWhitened) {
    whiten_first_layer(*network_, recipe_.network, train_, recipe_.seed);
  }
  // Not before data and network are known to be good: a mistake leaves no folder behind.
  folder_.emplace(RunFolder::create(request_.run_path));
  if (taken) {
    note_taken(model, *taken);
  } else if (recipe_.network.init.scheme == model::InitScheme::kCalibrated &&
             recipe_.network.kind == model::NetworkKind::kSpiking) {
    calibrate();
  }
}

void TrainingSession::share_parameters() {
  if (ranks_.alone()) return;
  for (std::size_t slot = 0; slot < network_->program().slots.size(); ++slot) {
    std::vector<float> values = network_->engine().read(static_cast<int>(slot));
    ranks_.share(values, "the parameters");
    if (!ranks_.leads()) network_->engine().write(static_cast<int>(slot), {values.data(), values.size()});
  }
}

void TrainingSession::share_fingerprint(const data::Fingerprint& own) {
  if (ranks_.alone()) return;
  TrainingState of_first;
  of_first.data = own;
  of_first = TrainingState::from_json(ranks_.share(of_first.to_json(), "the data of rank 0"), run_path());
  // All know of it before rank 0 makes the run's folder.
  std::string difference = data::difference(*of_first.data, own);
  if (!difference.empty()) difference = splits_.root + ": " + difference;
  const auto differences = ranks_.group()->gather(difference, "whether the data are the same");
  for (std::size_t rank = 1; rank < differences.size(); ++rank) {
    if (differences[rank].empty()) continue;
    throw DataError("rank " + std::to_string(rank) + " has other data than rank 0, in " + differences[rank] +
                    "; all processes need the same");
  }
}

void TrainingSession::check_same_weights() {
  if (ranks_.alone()) return;
  const engine::Buffer values = network_->engine().copy_of_values();
  std::vector<char> bytes(static_cast<std::size_t>(values.bytes()));
  network_->engine().backend().memory().to_host(values, bytes.data());
  ranks_.check_equal(bytes.data(), bytes.size(), "the weights");
}

}  // namespace spikeloom::train
