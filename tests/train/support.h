#pragma once
// What the tests of training share: a small recipe, observers that note and stop, and what a run folder
// holds.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spikeloom/formats/safetensors.h"
#include "spikeloom/train/session/trainer.h"
#include "tests/train/pattern_set.h"

namespace spikeloom::train::testing {

using spikeloom::testing::TemporaryFolder;
using spikeloom::testing::write_pattern_set;

/// Two small layers and a vote, four iterations an epoch on write_pattern_set(dir, 60, 20); ends after two
/// epochs.
Recipe small_recipe(const std::vector<std::string>& overrides = {});

/// Keeps all that it is told, and sets `stop` when `stop_when` says so.
class Recorder : public TrainingObserver {
 public:
  void started(const TrainingStart& start) override { starts.push_back(start); }
  void progressed(const TrainingProgress& progress) override;
  void epoch_ended(const EpochReport& report) override { epochs.push_back(report); }
  void evaluating(const std::string& split, std::int64_t done, std::int64_t total) override;
  void warned(const std::string& message) override { warnings.push_back(message); }

  std::vector<TrainingStart> starts;
  std::vector<TrainingProgress> progress;
  std::vector<EpochReport> epochs;
  std::vector<std::string> warnings;
  int evaluations = 0;                            ///< times that evaluating() was called
  std::map<std::string, std::int64_t> evaluated;  ///< samples that were evaluated of each part

  std::atomic<bool> stop{false};
  std::int64_t stop_at_iteration = -1;  ///< after so many iterations of the whole training
  std::string stop_in_split;            ///< in the evaluation of this split ...
  int stop_in_evaluation = 1;           ///< ... for the so manieth time

 private:
  int evaluations_ = 0;
  std::map<std::string, std::int64_t> last_done_;
};

/// Trains `recipe` into `run_path` on the set in `data_dir`.
TrainingResult run_training(const Recipe& recipe, const std::string& run_path, const std::string& data_dir,
                            Recorder& recorder);
TrainingRequest resume_request(const std::string& run_path, const std::string& data_dir, Recorder& recorder);
TrainingResult resume_training(const std::string& run_path, const std::string& data_dir, Recorder& recorder,
                               const std::vector<std::string>& changes = {});

/// The lines of a run's metrics.jsonl.
std::vector<nlohmann::json> read_metrics(const std::string& run_path);
/// The same as text, without what a clock decides (speeds and durations).
std::vector<std::string> timeless_metrics(const std::string& run_path);

/// Tensors of a safetensors file: name -> element type, shape and bytes, as one comparable string.
std::map<std::string, std::string> read_tensors(const std::string& path);

/// The message of the exception of type E that `action` throws; fails the test if it throws none.
template <class E>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "the expected exception was not thrown";
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace spikeloom::train::testing
