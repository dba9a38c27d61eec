#pragma once
// A recipe: everything that decides the outcome of an experiment, read from TOML (every key:
// docs/recipes.md).
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/data/settings.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::train {

struct OptimizerSettings {
  enum Kind { kSgd, kAdam, kAdamW };
  Kind kind = kSgd;
  double learning_rate = 0.1;
  double momentum = 0.9;  ///< SGD only
  bool nesterov = false;  ///< SGD only
  double weight_decay = 0.0;
  bool decay_all = false;                    ///< false: weight_decay acts on weights of layers only
  double beta1 = 0.9, beta2 = 0.999;         ///< Adam only
  double epsilon = 1e-8;                     ///< Adam only
  double fully_connected_rate_factor = 1.0;  ///< times learning_rate for fully connected and voting layers
  double encoding_rate_factor = 1.0;         ///< times learning_rate for the first layer; 0: it stays
  double neuron_rate_factor = 1.0;           ///< times learning_rate for learnable decays and thresholds
  double neunorm_rate_factor = 1.0;          ///< times learning_rate for NeuNorm's U
  double max_gradient_norm = 0.0;            ///< the whole gradient is scaled down to this 2-norm; 0 = off
  /// Decay of the exponential moving average of weights (engine/update.h), in [0, 1). The model that is kept
  /// is then the average, evaluated beside the weights themselves on validation; 0 = off.
  double average_decay = 0.0;

  /// Floats kept for each parameter: moments, and the average.
  int values_per_parameter() const {
    return (kind != kSgd ? 2 : momentum > 0.0 ? 1 : 0) + (average_decay > 0.0 ? 1 : 0);
  }
};

struct ScheduleSettings {
  enum Kind { kConstant, kStep, kCosine, kLinear, kOneCycle };
  Kind kind = kConstant;
  int step_epochs = 40;  ///< kStep: every so many epochs the rate is multiplied by factor
  double factor = 0.1;
  double final_rate_fraction =
      0.0;                     ///< kCosine, kLinear, kOneCycle: the last rate as a fraction of the first
  double warmup_epochs = 0.0;  ///< the rate rises linearly from 0 over so many epochs
  /// T by epoch: "1:60, 2:30" trains the first 60 epochs with 1 step, the next 30 with 2 and the rest with
  /// network.num_steps, as all of them where it is empty (schedule.h).
  std::string num_steps;
};

struct LossSettings {
  enum Kind {
    kMse,           ///< eq. 11
    kCrossEntropy,  ///< softmax over the votes
  };
  enum Reduction {
    kMean,  ///< mean over batch and classes (the authors' code)
    kSum,   ///< sum over classes, mean over the batch (eq. 11)
  };
  Kind kind = kMse;
  Reduction reduction = kMean;  ///< kMse only
  double vote_scale =
      10.0;  ///< kCrossEntropy only: votes in [0, 1] are multiplied by this before the softmax
  double label_smoothing = 0.0;  ///< in [0, 1): this share of the target is spread over all classes
  /// The loss of each step's votes, averaged, instead of that of their mean (TET).
  bool each_step = false;
  double tet_weight =
      0.0;  ///< each_step: weight of the squared distance of each step's votes from tet_target
  double tet_target = 1.0;
};

struct TrainingSettings {
  int epochs = 10;
  std::int64_t batch_size = 100, eval_batch_size = 100;
  int accumulate = 1;  ///< pieces of a batch, or of a process's part of it, that run one after the other
  /// How gradients travel between processes (parallel/gradient_exchange.h).
  enum GradientFormat { kFp32, kBf16 } gradient_format = kFp32;
  std::int64_t max_iterations = 0;  ///< stop after so many batches of training; 0 = no limit
  /// false: the model is that of the last epoch; true: of the epoch that is best on the validation samples.
  bool keep_best = false;
  /// Stop when the validation accuracy has not exceeded its best for so many epochs; 0 = never.
  int early_stopping_epochs = 0;
  int log_every = 50;        ///< iterations
  int checkpoint_every = 1;  ///< epochs
  /// Also save inside an epoch when so many minutes have passed (TrainingRequest::checkpoint_share); 0 = off.
  double checkpoint_minutes = 1.0;
  int workers = 1;  ///< threads that read samples ahead; 0: read when needed
};

struct LoggingSettings {
  bool tensorboard = false;  ///< event files for TensorBoard in the run's folder (docs/run-folder.md)
};

struct Recipe {
  std::string name;  ///< default: the recipe's file name without folder and ".toml"
  std::string description;
  std::uint64_t seed = 1;  ///< at most 2^63 - 1, TOML's largest integer
  data::DataSettings data;
  model::NetworkSettings network;
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  LossSettings loss;
  TrainingSettings training;
  LoggingSettings logging;
};

/// Same in every key that a recipe file can hold, doubles bit for bit (0 and -0 differ).
bool operator==(const Recipe& a, const Recipe& b);
inline bool operator!=(const Recipe& a, const Recipe& b) { return !(a == b); }

/// The recipe in the file `path`. `extends` is resolved, then each override ("training.batch_size=32") is
/// applied in turn; name and description are never taken from the file that is extended. Throws ConfigError
/// with file, line and key (file "--set" for an override): not TOML, an unknown key (with the nearest known
/// one), a wrong type, a value out of range, settings that contradict each other; model::StructureError for
/// the structure string; DataError if a file cannot be read.
Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides = {});

/// The same from text; `name` stands for the file in errors and as the place that `extends` is relative to.
Recipe parse_recipe(const std::string& text, const std::string& name,
                    const std::vector<std::string>& overrides = {});

/// Every key with its value, as TOML; parse_recipe of it gives an equal recipe. Deterministic.
/// Throws ConfigError if the seed exceeds 2^63 - 1.
std::string to_toml(const Recipe& recipe);

}  // namespace spikeloom::train
