#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/data/registry.h"

namespace spikeloom::train {

struct EvaluationResult {
  std::int64_t samples = 0;
  std::int64_t correct = 0;
  double accuracy = 0.0;  ///< correct / samples, in [0, 1]
  double loss = 0.0;      ///< mean over the samples, the recipe's loss
  double seconds = 0.0;
  std::vector<std::pair<std::string, double>> firing_rates;  ///< spikes / (neurons x steps), a layer each
  std::vector<std::vector<std::int64_t>> confusion;          ///< [label][prediction]
};

struct EvaluationRequest {
  std::string model;            ///< model file, checkpoint or run folder
  std::string device = "cpu";   ///< cpu, cuda or cuda:N
  std::string data_dir;         ///< "" = search (data/registry.h)
  std::string split = "test";   ///< "train", "validation" or "test"
  std::int64_t batch_size = 0;  ///< 0 = the recipe's
  std::int64_t limit = 0;       ///< only the first so many samples; 0 = all
  int threads = 0;              ///< as in TrainingRequest
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< called now and then; may be empty
  /// The same while recordings are binned into the cache, before.
  std::function<void(std::int64_t done, std::int64_t total)> preparing;
};

struct ModelEvaluation {
  EvaluationResult result;
  std::string model;      ///< the file that was used
  std::string dataset;    ///< registered name
  std::string data_root;  ///< the folder that was read
  std::vector<std::string> class_names;
};

/// Runs a trained network over a split of its data set, in an ArithmeticScope of its own.
/// Throws CheckpointError, FormatError, DataError, ConfigError (unknown split, classes that do not fit).
ModelEvaluation evaluate_model(const EvaluationRequest& request);

}  // namespace spikeloom::train
