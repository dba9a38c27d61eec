#include "spikeloom/train/session/training_session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/base/memory.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/train/machine/environment.h"
#include "spikeloom/train/machine/environment_log.h"
#include "spikeloom/train/network/crossovers.h"
#include "spikeloom/train/network/stage_paths.h"
#include "spikeloom/train/recipe/schedule.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/steps/device_feed.h"

namespace spikeloom::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

TrainingSession::TrainingSession(const TrainingRequest& request, TrainingObserver& observer)
    : request_(request), ranks_(request.group), observer_(observer), recipe_(request.recipe) {}

TrainingResult TrainingSession::run() {
  if (request_.resume) {
    if (auto result = open_run()) return *result;
  }
  choose_device();
  // The resolved recipe says what was taken.
  recipe_.network.compute.precision = settled_precision(recipe_.network, request_.device);
  check_ranks();
  splits_ = data::open_dataset(recipe_.data, recipe_.network.num_steps, request_.data_dir);
  check_data();
  build();
  if (request_.resume) {
    resume();
  } else {
    start_run();
  }
  share_parameters();
  move_to_device();
  make_runner();
  if (request_.resume) {
    note_changes();
  } else if (ranks_.leads()) {
    // From here on the run can be resumed, whatever happens; and a disk too small for a checkpoint shows at
    // once.
    save_checkpoint();
    write_text_file(folder_->file("recipe.toml"), to_toml(recipe_));
  }
  if (ranks_.leads()) {
    open_records();
    auto environment = describe_environment(ops::describe(device_));
    environment.emplace_back("processes", std::to_string(ranks_.size()));
    append_session(folder_->file(kEnvironmentFile), state_.iteration, environment);
  }
  if (!ranks_.alone()) ranks_.group()->note_run(std::filesystem::absolute(run_path()).string());
  // Kept when the run is resumed: the same path as before, to the last bit.
  take_crossovers(true);
  release_freed_memory();

  TrainingStart start;
  start.run_path = run_path();
  start.data_description = splits_.description;
  start.data_root = splits_.root;
  start.network = recipe_.network.structure;
  start.parameters = network_->plan().parameters();
  start.macs_per_step = network_->plan().macs_per_step();
  start.num_steps = recipe_.network.num_steps;
  start.iterations_per_epoch = batches_per_epoch_;
  start.processes = ranks_.size();
  start.threads = num_threads();
  start.resumed = request_.resume;
  start.epoch = state_.epoch;
  start.batch = state_.batch;
  start.memory = memory_;
  observer_.started(start);
  if (recipe_.training.batch_size > splits_.train->size()) {
    observer_.warned("training.batch_size = " + std::to_string(recipe_.training.batch_size) +
                     " is more than the " + std::to_string(splits_.train->size()) +
                     " training samples: each batch is the whole set, one update an epoch");
  }

  try {
    return train_to_end();
  } catch (const std::exception& error) {
    note_failure(error);
    throw;
  }
}

TrainingResult TrainingSession::train_to_end() {
  last_checkpoint_ = Clock::now();
  while (!state_.finished) {
    change_phase(steps_now());
    prepare_phase();
    if (!train_epoch() || !finish_epoch()) {
      save_checkpoint();
      TrainingResult result = summary();
      result.interrupted = true;
      return result;
    }
  }
  return finish();
}

ModelInfo TrainingSession::model_info() const {
  ModelInfo info;
  info.recipe = recipe_;
  info.input = network_->plan().input;
  info.class_names = splits_.train->class_names();
  info.iterations = state_.iteration;
  const data::RawImages* images = splits_.train->raw_images();
  if (images != nullptr && images->standardization != nullptr) {
    info.standardization = *images->standardization;
  }
  return info;
}

void TrainingSession::build() {
  const auto shape = splits_.train->shape();
  const auto classes = static_cast<int>(splits_.train->class_names().size());
  auto plan = model::plan_network(recipe_.network, {shape.channels, shape.height, shape.width}, classes);
  check_memory(plan);
  network_ = make_network(plan, recipe_.network, recipe_.seed);
  enter_phase(steps_now());
  // Refuses what cannot run there before there is a folder.
  if (uses_device_backend()) network_->check_device(request_.device, request_.device_path_on_host);
  make_optimizer(network_->engine(), recipe_.optimizer);
  const std::int64_t batch = recipe_.training.batch_size;
  batches_per_epoch_ = (splits_.train->size() + batch - 1) / batch;
  if (batches_per_epoch_ == 0) throw DataError(splits_.root + ": there is no training sample");
}

void TrainingSession::check_memory(const model::NetworkPlan& plan) {
  constexpr int kLoaderBatches = 5;  // LoaderSettings::prefetch + 1
  model::MemoryUse use;
  use.batch_size = (std::min(own_batch(), splits_.train->size()) + recipe_.training.accumulate - 1) /
                   recipe_.training.accumulate;
  use.static_input = splits_.train->shape().is_static;
  use.moments = recipe_.optimizer.values_per_parameter();
  use.loader_batches = kLoaderBatches;
  memory_ = model::estimate_memory(plan, recipe_.network, use);
  const MemoryLimit limit = memory_limit();
  // A device has memory of its own, which says itself when it is full.
  const bool on_cpu = device_.is_cpu();
  const std::int64_t certain = on_cpu ? memory_.certain : memory_.parameters;
  const std::string has = limit.what + " is " + memory_text(limit.bytes);
  if (certain > limit.bytes) {
    throw ConfigError("its " + std::to_string(plan.parameters()) + " weights need " + memory_text(certain) +
                          (on_cpu ? " of memory with gradients and optimiser" : " of memory") + ", and " +
                          has + "; use smaller layers",
                      "", 0, "network.structure");
  }
  if (on_cpu && memory_.total() > limit.bytes) {
    observer_.warned("this training needs about " + memory_text(memory_.total()) + " of memory, and " + has +
                     ": if it fails, lower training.batch_size or network.num_steps");
  }
}

void TrainingSession::note_taken(const std::string& path, const TakenParameters& parameters) {
  const auto list = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  };
  std::string rest;
  if (!parameters.kept.empty()) rest += "; start values of: " + list(parameters.kept);
  if (!parameters.unused.empty()) rest += "; not used of it: " + list(parameters.unused);
  if (!rest.empty()) {
    observer_.warned(path + ": " + std::to_string(parameters.taken.size()) + " of " +
                     std::to_string(network_->program().slots.size()) + " parameters are taken" + rest);
  }
  note(json_text(nlohmann::ordered_json{{"kind", "init"},
                                        {"from", path},
                                        {"taken", parameters.taken},
                                        {"start_values", parameters.kept},
                                        {"not_used", parameters.unused}},
                 -1, BadText::kReplace));
}

void TrainingSession::calibrate() {
  data::LoaderSettings loading;
  loading.batch_size = std::min<std::int64_t>(recipe_.training.batch_size, 64);
  loading.shuffle = true;
  loading.seed = recipe_.seed;
  loading.workers = 0;
  data::Loader loader(train_, loading);
  const data::Batch* batch = loader.next();
  network_->engine().calibrate(network_->batch_of(*batch, train_->shape()), recipe_.network.init.firing_rate,
                               engine::Engine::CalibrationTarget::kWeights);
}

void TrainingSession::move_to_device() {
  if (uses_device_backend()) network_->to(request_.device, request_.device_path_on_host);
  ops::reset_peak_memory(device_);  // after the first use of the device: LibTorch knows none before
  const auto* images = splits_.train->raw_images();
  if (uses_device_backend() && images != nullptr) {
    device_images_ = std::make_shared<const DeviceImages>(*images, device_);
  }
}

void TrainingSession::make_runner() {
  const std::int64_t batch = std::min(recipe_.training.batch_size, splits_.train->size());
  runner_ = std::make_unique<StepRunner>(*network_, recipe_.optimizer, recipe_.loss, recipe_.seed,
                                         train_->shape().num_steps, batch);
  using parallel::GradientFormat;
  const bool rounded = recipe_.training.gradient_format == TrainingSettings::kBf16;
  runner_->divide_steps(ranks_, rounded ? GradientFormat::kBfloat16 : GradientFormat::kFloat,
                        recipe_.training.accumulate, device_.is_cuda() ? device_.index() : -1);
  load_optimizer_state(runner_->optimizer(), network_->engine(), resumed_optimizer_);
  resumed_optimizer_.clear();
}

std::int64_t TrainingSession::total_iterations() const {
  const std::int64_t all = batches_per_epoch_ * recipe_.training.epochs;
  return recipe_.training.max_iterations > 0 ? std::min(all, recipe_.training.max_iterations) : all;
}

bool TrainingSession::reached_limit() const { return state_.iteration >= total_iterations(); }

std::unique_ptr<BatchSource> TrainingSession::open_batches() {
  data::LoaderSettings loading;
  loading.batch_size = recipe_.training.batch_size;
  loading.shuffle = true;
  loading.augment = true;
  loading.seed = recipe_.seed;
  loading.epoch = state_.epoch;
  loading.workers = recipe_.training.workers;
  loading.first_batch = state_.batch;
  loading.part = ranks_.rank();
  loading.parts = ranks_.size();
  if (!uses_device_backend()) return std::make_unique<HostBatches>(train_, loading, *network_);
  return std::make_unique<DeviceFeed>(train_, loading, device_images_, device_, *runner_);
}

void TrainingSession::collect(double seconds) {
  const engine::Sums sums = runner_->collect();
  state_.train_seconds += seconds;
  session_seconds_ += seconds;
  session_samples_ += sums.samples;
  state_.epoch_rates.add(*network_, sums);
  state_.log_rates.add(*network_, sums);
  state_.epoch_metrics.add(sums.mean_loss(), sums.correct, sums.samples);
  state_.log_metrics.add(sums.mean_loss(), sums.correct, sums.samples);
  if (!sums.finite) check_finite(std::numeric_limits<double>::quiet_NaN());
}

void TrainingSession::step(const engine::Batch& batch) {
  constexpr std::int64_t kTimedEvery = 16;  // enough to tell which stage is the slowest
  const double rate = learning_rate_at(recipe_.optimizer, recipe_.schedule, recipe_.training.epochs,
                                       batches_per_epoch_, state_.iteration);
  const bool in_one_piece = ranks_.alone() && recipe_.training.accumulate == 1;
  if (!runner_->is_synchronous() || !in_one_piece || state_.iteration % kTimedEvery != 0) {
    return runner_->step(batch, state_.iteration, rate);
  }
  std::vector<engine::StageCost> costs;
  runner_->timed_step(batch, state_.iteration, rate, costs, false);
  stage_ms_.resize(costs.size());
  for (std::size_t i = 0; i < costs.size(); ++i) stage_ms_[i] += costs[i].forward_ms + costs[i].backward_ms;
}

// Nobody waits for a step on a device: sums are read now and then.
bool TrainingSession::train_epoch() {
  if (ranks_.any(stopped(), "whether to stop")) return false;
  if (reached_limit()) return true;
  constexpr double kShowSeconds = 0.5;  // that long nothing is read from a device, unless it is asked for
  const ops::StreamScope stream(device_, ops::StreamScope::Order::kAlone);
  const auto batches = open_batches();
  bool uncollected = false;
  double waited = 0.0;
  auto start = Clock::now();
  const auto read_sums = [&] {
    if (!uncollected) return;
    const RunningMetrics before = state_.epoch_metrics;
    // The device is waited for first: its time is part of the steps'.
    network_->engine().backend().wait();
    collect(seconds_since(start));
    loader_wait_seconds_ += batches->wait_seconds() - waited;
    waited = batches->wait_seconds();
    uncollected = false;
    log_if_due();
    const auto samples = static_cast<double>(state_.epoch_metrics.samples - before.samples);
    observer_.progressed(progress_now((state_.epoch_metrics.loss_sum - before.loss_sum) / samples));
    start = Clock::now();
  };
  // With other processes, what one of them wants, or its clock says, is agreed on in each step.
  const auto stop_now = [&] { return ranks_.alone() ? stopped() : runner_->agreed().stop; };
  const auto checkpoint_now = [&] {
    return ranks_.alone() ? checkpoint_due() : runner_->agreed().checkpoint;
  };
  while (const engine::Batch* batch = batches->next()) {
    runner_->wish({stopped(), ranks_.leads() && checkpoint_due()});
    step(*batch);
    ++state_.batch;
    ++state_.iteration;
    uncollected = true;
    const bool log = state_.iteration % recipe_.training.log_every == 0;
    if (runner_->is_synchronous() || log || reached_limit() || stop_now() || checkpoint_now() ||
        seconds_since(start) > kShowSeconds) {
      read_sums();
    }
    if (reached_limit()) return true;
    if (stop_now()) return false;
    if (checkpoint_now()) {
      save_checkpoint();
      start = Clock::now();  // no part of the training's time
    }
  }
  read_sums();
  return true;
}

TrainingProgress TrainingSession::progress_now(double loss) const {
  TrainingProgress progress;
  progress.epoch = state_.epoch;
  progress.epochs = recipe_.training.epochs;
  progress.batch = state_.batch;
  progress.batches = batches_per_epoch_;
  progress.iteration = state_.iteration;
  progress.iterations = total_iterations();
  progress.loss = loss;
  progress.mean_loss = state_.epoch_metrics.loss();
  progress.mean_accuracy = state_.epoch_metrics.accuracy();
  progress.samples_per_s = static_cast<double>(session_samples_) / session_seconds_;
  progress.seconds_left =
      work_left() * static_cast<double>(recipe_.training.batch_size) / progress.samples_per_s;
  progress.logged = state_.iteration % recipe_.training.log_every == 0;
  return progress;
}

void TrainingSession::log_if_due() {
  if (state_.iteration % recipe_.training.log_every != 0) return;
  log_iteration(learning_rate_at(recipe_.optimizer, recipe_.schedule, recipe_.training.epochs,
                                 batches_per_epoch_, state_.iteration - 1));
}

bool TrainingSession::checkpoint_due() const {
  if (recipe_.training.checkpoint_minutes == 0.0) return false;
  const double seconds = seconds_since(last_checkpoint_);
  return seconds > 60.0 * recipe_.training.checkpoint_minutes &&
         (request_.checkpoint_share <= 0.0 || seconds * request_.checkpoint_share >= checkpoint_seconds_);
}

void TrainingSession::prepare(const std::shared_ptr<const data::Dataset>& dataset, const std::string& split) {
  if (dataset == nullptr) return;
  dataset->prepare([&](std::int64_t done, std::int64_t total) {
    observer_.preparing(split, done, total);
    ranks_.alive();
    return !stopped();
  });
}

void TrainingSession::save_checkpoint() {
  if (!ranks_.leads()) return;
  check_finite(state_.epoch_metrics.loss());  // a checkpoint is good, or it is not written
  const auto start = Clock::now();
  state_.metrics_size = folder_->metrics_size();
  if (records_) {
    state_.event_file = records_->file_name();
    state_.event_file_size = records_->size();
  }
  const std::string path = folder_->file("checkpoint.safetensors");
  try {
    train::save_checkpoint(path, *network_, model_info(), state_.to_json(),
                           optimizer_state(runner_->optimizer(), network_->engine()));
  } catch (const DataError& error) {
    if (!std::filesystem::exists(path)) throw;
    throw DataError(std::string(error.what()) +
                    "; the checkpoint before it is whole: make room, then resume with --resume " +
                    folder_->path());
  }
  last_checkpoint_ = Clock::now();
  checkpoint_seconds_ = seconds_since(start);
}

}  // namespace spikeloom::train
