#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/model/memory_estimate.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::parallel {
class Group;
}

namespace spikeloom::train {

using LayerRates = std::vector<std::pair<std::string, double>>;

/// Said once, before the first iteration.
struct TrainingStart {
  std::string run_path;
  std::string data_description;
  std::string data_root;
  std::string network;  ///< structure string
  std::int64_t parameters = 0;
  std::int64_t macs_per_step = 0;
  int num_steps = 1;  ///< T of the network
  std::int64_t iterations_per_epoch = 0;
  int processes = 1, threads = 1;  ///< that train together; threads of this one
  bool resumed = false;
  int epoch = 0;  ///< where it starts, from 0
  std::int64_t batch = 0;
  model::MemoryEstimate memory;  ///< on a device: of the device, but for the inputs
};

/// Said after each training iteration.
struct TrainingProgress {
  int epoch = 0, epochs = 0;                    ///< epoch from 0
  std::int64_t batch = 0, batches = 0;          ///< done in this epoch, of how many
  std::int64_t iteration = 0, iterations = 0;   ///< done since the first epoch, of how many
  double loss = 0.0;                            ///< of this batch
  double mean_loss = 0.0, mean_accuracy = 0.0;  ///< of this epoch so far
  double samples_per_s = 0.0;                   ///< of this session, validation not counted
  double seconds_left = 0.0;                    ///< of training, estimated
  bool logged = false;                          ///< this iteration also went into metrics.jsonl
};

/// Said at the end of each epoch.
struct EpochReport {
  int epoch = 0, epochs = 0;
  int num_steps = 1;                              ///< T of this epoch, also of its validation
  double train_loss = 0.0, train_accuracy = 0.0;  ///< while training: dropout and augmentation on
  bool has_validation = false;
  double validation_loss = 0.0, validation_accuracy = 0.0;
  bool has_average = false;  ///< of weights (optimizer.average_decay), on the validation samples:
  double average_validation_loss = 0.0, average_validation_accuracy = 0.0;
  double learning_rate = 0.0;
  double samples_per_s = 0.0;
  double seconds = 0.0;
  double loader_wait_share = 0.0;  ///< of this session's training time
  /// The stage that took longest, forward and backward, of some steps that were timed; "" where steps are not
  /// waited for (on a device). Its share of the time of all stages.
  std::string slowest_stage;
  double slowest_share = 0.0;
  /// Best validation so far, over all sessions, of the epochs that training.keep_best chooses from: those
  /// with all of the network's time steps. -1: there was none. The epoch counts from 0.
  double best_validation_accuracy = -1.0;
  int best_epoch = -1;
  LayerRates firing_rates;
};

/// Receives what a program shows; every method may be left as it is. Called on the training thread.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void started(const TrainingStart&) {}
  /// Before started() or evaluating(): recordings are binned into the cache, so many of how many.
  virtual void preparing(const std::string& /*split*/, std::int64_t /*done*/, std::int64_t /*total*/) {}
  virtual void progressed(const TrainingProgress&) {}
  virtual void epoch_ended(const EpochReport&) {}
  virtual void evaluating(const std::string& /*split*/, std::int64_t /*done*/, std::int64_t /*total*/) {}
  virtual void warned(const std::string&) {}
};

struct TrainingRequest {
  Recipe recipe;  ///< not read when resuming: the run folder has its own
  std::string run_path;
  std::string data_dir;  ///< "" = search (data/registry.h)
  bool resume = false;
  /// When resuming: what is to change in the run's recipe ("training.epochs=20"), of the keys that may
  /// (recipe_changes.h). A finished run continues if that leaves something to do.
  std::vector<std::string> changes;
  /// When resuming: resume although the data are not those of the checkpoint (data/fingerprint.h). What
  /// differs is then a warning, and noted in metrics.jsonl.
  bool accept_changed_data = false;
  /// Model file, checkpoint or run folder whose parameters a new training starts with where names and shapes
  /// are the same; which were taken and which not is said and noted in metrics.jsonl; nothing is calibrated
  /// then. Not with resume.
  std::string init_from;
  std::string device =
      "cpu";  ///< cpu, cuda or cuda:N; a run may be resumed on another one, its bits then differ
  /// Kernels', LibTorch's and the BLAS's while it trains; 0 = num_threads() of base/threads.h (the processors
  /// of this process, or SPIKELOOM_NUM_THREADS), or, when resuming, the number that the run began with.
  /// Another number changes the last digits: a warning says so.
  int threads = 0;
  /// Largest share of the time that checkpoints inside an epoch may take: where one takes long, they are
  /// written less often than training.checkpoint_minutes says. 0 = as often as it says.
  double checkpoint_share = 0.01;
  /// On the CPU: the loop, kernels and optimisers of a device on their host queue. Slow; for tests where
  /// there is no device.
  bool device_path_on_host = false;
  /// The processes that train together (parallel/group.h), all of which call train(); nullptr: this one
  /// alone. Rank 0 writes, and its observer is told; it reads the checkpoint of a run that is resumed, so the
  /// others need none. Each needs the data, and the recipe of a new run. Only on the CPU.
  parallel::Group* group = nullptr;
  /// Becomes true when the user wants to stop, in any process: the state is saved and train() returns with
  /// interrupted = true.
  const std::atomic<bool>* stop = nullptr;
};

/// Beyond it a result.json would be large, and nobody reads a matrix.
constexpr std::size_t kMaxVoteShareClasses = 128;

struct TrainingResult {
  std::string run_path;
  std::string model_path;  ///< empty if interrupted
  bool interrupted = false;
  /// A finished run was resumed and nothing was left to do: all else is as result.json has it.
  bool nothing_left = false;
  bool stopped_early = false;  ///< by training.early_stopping_epochs
  std::string selection;       ///< "last epoch" or "best validation epoch (N)"
  int epochs = 0;
  std::int64_t iterations = 0;
  double train_seconds = 0.0;  ///< training alone, over all sessions: no validation, no test
  double samples_per_s = 0.0;
  bool has_validation = false;
  double validation_accuracy = 0.0;  ///< of the kept model
  bool has_test = false;
  double test_accuracy = 0.0, test_loss = 0.0;
  std::int64_t test_samples = 0;
  /// [label][class] on the test part, and the classes' names: EvaluationResult::vote_shares. Empty where that
  /// is, and above kMaxVoteShareClasses classes.
  std::vector<std::vector<double>> vote_shares;
  std::vector<std::string> class_names;
  /// How often the test part was read, or begun to be, over all sessions of the run: 1, but for runs that
  /// were stopped while it was read, or made longer after it was.
  int test_reads = 0;
  bool simulated = false;   ///< the data is simulated recordings (data::DataSplits)
  LayerRates firing_rates;  ///< on the test samples, or of the last epoch without them
  double peak_memory_mb = 0.0;
  double peak_device_memory_mb = 0.0;  ///< 0 on the CPU
  std::string device;                  ///< its name, empty for the CPU
};

/// Trains a network from a recipe and keeps everything in a run folder (run_folder.h).
///
/// The kept model is that of the last epoch, or of the best validation epoch (training.keep_best); the test
/// part is read once, at the end, for that model.
/// The same recipe, data and number of threads give the same bits, in any program; a run that was interrupted
/// and resumed gives the bits of one that was not. A resumed run takes the data, settings and threads of its
/// checkpoint: other data and edits of its recipe.toml are refused, what may change is in TrainingRequest.
/// Threads and floating-point mode are set for it and put back (arithmetic_scope.h): one training at a time
/// in a process. Several processes give the bits of as many, and one's but for rounding. Throws ParallelError
/// when another process has left, for the reason that it gave; ConfigError, DataError, FormatError,
/// ShapeError, CheckpointError; NumericsError if the loss or a weight is not finite, or weights exploded
/// (root mean square above 1e6; names iteration, layer and last good checkpoint). Source: Wu et al. 2019
/// (STBP, eq. 11-14).
TrainingResult train(const TrainingRequest& request, TrainingObserver& observer);

/// A TrainingResult as a JSON object, as written to result.json.
std::string to_json(const TrainingResult& result, const Recipe& recipe);

/// The result in such a text, which stands in the file `path`. Throws DataError if it is damaged.
TrainingResult result_from_json(const std::string& text, const std::string& path);

}  // namespace spikeloom::train
