#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/data/registry.h"

namespace spikeloom::train {

/// What the network said about one sample.
struct Prediction {
  std::int64_t label = 0, guess = 0;
  std::vector<float> votes;  ///< [classes]
};

struct EvaluationResult {
  std::int64_t samples = 0;
  std::int64_t correct = 0;
  double accuracy = 0.0;  ///< correct / samples, in [0, 1]
  double loss = 0.0;      ///< mean over the samples, the recipe's loss
  double seconds = 0.0;
  std::vector<std::pair<std::string, double>> firing_rates;  ///< spikes / (neurons x steps), a layer each
  std::vector<std::vector<std::int64_t>> confusion;          ///< [label][prediction]
  /// [label][class]: mean share of a sample's votes that each class gets (evaluation/vote_shares.h). A row
  /// sums to 1; it is 0 throughout where no sample of the label has votes. Empty for a network whose last
  /// layer does not spike (Readout, artificial networks).
  std::vector<std::vector<double>> vote_shares;
  std::vector<Prediction> predictions;  ///< of all samples in order, if asked for
};

struct EvaluationRequest {
  std::string model;           ///< model file, checkpoint or run folder
  std::string device = "cpu";  ///< cpu, cuda or cuda:N
  std::string data_dir;        ///< "" = search (data/registry.h)
  std::string split = "test";  ///< "train", "validation" or "test": only this part has to be there
  /// Keys of the recipe that are others for this evaluation, "data.folder=PATH": [data] and
  /// network.num_steps. With another data.dataset or data.folder the recipe's split and limits do not apply:
  /// they have their defaults unless they are given here; with another data.dataset
  /// nor does what says how files of one's own are read.
  std::vector<std::string> overrides;
  /// Which class of the data is which of the model, where the names differ: data::parse_class_map().
  std::string class_map;
  std::int64_t batch_size = 0;    ///< 0 = the recipe's
  std::int64_t limit = 0;         ///< only the first so many samples; 0 = all
  int threads = 0;                ///< as in TrainingRequest
  bool keep_predictions = false;  ///< fill EvaluationResult::predictions and ModelEvaluation::sample_names
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< called now and then; may be empty
  /// The same while recordings are binned into the cache, before.
  std::function<void(std::int64_t done, std::int64_t total)> preparing;
};

struct ModelEvaluation {
  EvaluationResult result;
  std::string model;                      ///< the file that was used
  std::string dataset;                    ///< registered name
  std::string data_root;                  ///< the folder that was read
  std::string data_description;           ///< one line: how many samples there are, and how they were split
  std::vector<std::string> data_classes;  ///< classes of the data, in its own order
  std::vector<std::string> class_names;
  std::vector<std::string> sample_names;  ///< of the predictions: data::SampleOrigin::for_people()
};

/// Runs a trained network over a split of its data set, or of other data of the same shape. Labels are
/// matched by the classes' names, never by their places: all classes that the data has samples of must be
/// known to the model, or be mapped. Throws CheckpointError, FormatError, DataError, ConfigError (unknown
/// split or key, classes or samples that do not fit; pixels standardised by statistics that the other data
/// does not have).
/// Runs in an ArithmeticScope of its own.
ModelEvaluation evaluate_model(const EvaluationRequest& request);

}  // namespace spikeloom::train
