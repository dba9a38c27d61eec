#pragma once
// Internal to train: one training from start (or resume) to result. Few files need more of LibTorch than a
// device.
#include <c10/core/Device.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "spikeloom/data/fingerprint.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/train/evaluation/evaluate_network.h"
#include "spikeloom/train/machine/ranks.h"
#include "spikeloom/train/network/firing_rates.h"
#include "spikeloom/train/recipe/recipe_changes.h"
#include "spikeloom/train/recipe/schedule.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/run/model_info.h"
#include "spikeloom/train/run/run_folder.h"
#include "spikeloom/train/run/tensorboard_log.h"
#include "spikeloom/train/session/trainer.h"
#include "spikeloom/train/steps/batch_source.h"
#include "spikeloom/train/steps/step_runner.h"

namespace spikeloom::train {

struct DeviceImages;

/// Sums over the batches since some point.
struct RunningMetrics {
  double loss_sum = 0.0;
  std::int64_t correct = 0;
  std::int64_t samples = 0;

  void add(double loss, std::int64_t correct_count, std::int64_t count);
  double loss() const { return samples > 0 ? loss_sum / static_cast<double>(samples) : 0.0; }
  double accuracy() const {
    return samples > 0 ? static_cast<double>(correct) / static_cast<double>(samples) : 0.0;
  }
};

/// Where a training stands: all that a checkpoint holds besides tensors.
struct TrainingState {
  int epoch = 0;               ///< from 0
  std::int64_t batch = 0;      ///< batches done in this epoch
  std::int64_t iteration = 0;  ///< batches done since the first epoch
  RunningMetrics epoch_metrics;
  RunningMetrics log_metrics;  ///< since the last line in metrics.jsonl
  FiringRates epoch_rates;
  FiringRates log_rates;
  double train_seconds = 0.0;
  double best_validation = -1.0;
  int best_epoch = -1;
  double last_validation = -1.0;
  bool finished = false;
  /// Batches that were done of the last epoch, where training.max_iterations ended it before its end: `epoch`
  /// counts it as done.
  std::int64_t cut_batch = 0;
  bool stopped_early = false;
  int test_reads = 0;  ///< the one that begins now included
  std::int64_t metrics_size = 0;
  std::string event_file;                 ///< of TensorBoard, the last one; "" without
  std::int64_t event_file_size = 0;       ///< its bytes
  std::vector<std::string> changes;       ///< settings and data that changed when it was resumed, as JSON
  std::optional<data::Fingerprint> data;  ///< none in checkpoints of older versions

  std::string to_json() const;
  /// Throws CheckpointError if the text is damaged.
  static TrainingState from_json(const std::string& text, const std::string& path);
};

class TrainingSession {
 public:
  TrainingSession(const TrainingRequest& request, TrainingObserver& observer);
  TrainingResult run();

 private:
  /// Trains what is left, tests.
  TrainingResult train_to_end();
  /// Notes in metrics.jsonl why the training fails. Throws nothing.
  void note_failure(const std::exception& error) noexcept;
  void build();
  void check_memory(const model::NetworkPlan& plan);
  /// Reads a run's recipe and state, and applies what is to change. The result if nothing is left to do.
  std::optional<TrainingResult> open_run();
  std::optional<TrainingResult> open_own_run();
  /// What rank 0 found in the run's folder is what all go on from.
  std::optional<TrainingResult> share_run(std::optional<TrainingResult> done);
  void start_run();
  void share_parameters();
  void share_fingerprint(const data::Fingerprint& own);
  void choose_device();
  void check_ranks() const;
  void check_same_weights();
  std::int64_t own_batch() const { return (recipe_.training.batch_size + ranks_.size() - 1) / ranks_.size(); }
  /// A run that was finished continues if its recipe now asks for more.
  void reopen();
  /// Whether the recipe asks for no more than this.
  bool is_done(const TrainingState& state) const;
  bool improves_no_more(const TrainingState& state) const;
  void check_data();
  void resume();
  void note_changes();
  void calibrate();
  /// Says and notes which parameters of another model the training starts with.
  void note_taken(const std::string& path, const TakenParameters& parameters);
  /// Fills the cache of a set of recordings; ends early if the user wants to stop.
  void prepare(const std::shared_ptr<const data::Dataset>& dataset, const std::string& split);
  /// False if it was stopped before the end.
  bool train_epoch();
  std::unique_ptr<BatchSource> open_batches();
  /// Adds up what the steps since the last call did, in so many seconds. Waits for them.
  void collect(double seconds);
  TrainingProgress progress_now(double loss) const;
  /// Iterations that are left, each counted as so many of the present T as its own T is a multiple of that.
  double work_left() const;
  void log_if_due();
  bool checkpoint_due() const;
  bool uses_device_backend() const { return !device_.is_cpu() || request_.device_path_on_host; }
  void move_to_device();
  void make_runner();
  /// T of the epoch that is trained now (schedule.num_steps).
  int steps_now() const { return num_steps_at(recipe_, state_.epoch); }
  /// Network and data get the epoch's T, and the run its crossovers; nothing happens if they have it.
  void enter_phase(int num_steps);
  /// The same once it trains; also makes the runner, which takes the optimiser's state
  /// over.
  void change_phase(int num_steps);
  /// Fills the caches of its data.
  void prepare_phase();
  void take_crossovers(bool may_measure);
  bool averages() const { return recipe_.optimizer.average_decay > 0.0; }
  /// Validation of the weights, and of their average where there is one; false if it was stopped.
  bool validate(EpochReport& report);
  bool finish_epoch();
  double loader_wait_share() const;
  void step(const engine::Batch& batch);
  void report_loader();
  void fill_slowest_stage(EpochReport& report) const;
  void check_finite(double loss);
  void report_layers(const LayerRates& rates);
  void log_iteration(double learning_rate);
  /// Event files for TensorBoard (training_records.cpp); nothing happens without logging.tensorboard.
  void open_records();
  void record_iteration(double learning_rate, const LayerRates& rates);
  void record_epoch(const EpochReport& report);
  void record_confusion(const std::string& split, const EvaluationResult& result);
  void record_test(const EvaluationResult& test);
  void save_checkpoint();
  EvaluationResult evaluate(const std::shared_ptr<const data::Dataset>& dataset, const std::string& split);
  TrainingResult finish();
  TrainingResult summary() const;
  std::string run_path() const { return folder_ ? folder_->path() : request_.run_path; }
  /// Adds a line to metrics.jsonl.
  void note(const std::string& line) {
    if (folder_) folder_->append_metrics(line);
  }
  bool stopped() const { return request_.stop != nullptr && *request_.stop; }
  std::int64_t total_iterations() const;
  bool reached_limit() const;
  ModelInfo model_info() const;

  TrainingRequest request_;
  const Ranks ranks_;
  TrainingObserver& observer_;
  Recipe recipe_;
  std::optional<RunFolder> folder_;  ///< of rank 0; made once data and network are known to be good
  data::DataSplits splits_;
  std::shared_ptr<const data::Dataset> train_, validation_;  ///< of splits_, at the T of the epoch
  bool prepared_ = false;                                    ///< these two
  std::unique_ptr<Network> network_;
  c10::Device device_ = c10::kCPU;
  std::unique_ptr<StepRunner> runner_;
  std::shared_ptr<const DeviceImages> device_images_;
  std::vector<SavedTensor> resumed_optimizer_;
  Recipe recipe_before_;  ///< resumed: without what changed
  std::vector<RecipeChange> changes_;
  std::string changed_data_;  ///< what differs, and is accepted
  bool keep_metrics_ =
      false;  ///< what follows the checkpoint in metrics.jsonl is the line of a finished test
  model::MemoryEstimate memory_;
  TrainingState state_;
  std::optional<TensorBoardLog> records_;
  std::int64_t batches_per_epoch_ = 0;
  LayerRates last_rates_;
  std::set<std::string> reported_;  ///< layers whose silence or saturation was said already
  std::vector<double> stage_ms_;    ///< of each stage, forward and backward, of the steps that were timed
  bool loader_reported_ = false;
  std::int64_t session_samples_ = 0;
  double session_seconds_ = 0.0;
  double loader_wait_seconds_ = 0.0;  ///< part of session_seconds_ in which no batch was ready
  std::chrono::steady_clock::time_point last_checkpoint_;
  double checkpoint_seconds_ = 0.0;  ///< how long the last one took
};

}  // namespace spikeloom::train
