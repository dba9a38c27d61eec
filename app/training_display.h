#pragma once
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "app/progress_line.h"
#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {

/// Shows a training: one line that is drawn again on a terminal, a line now and then elsewhere. Where its
/// stream cannot be written to any more (a closed pipe or terminal, a full disk), it asks the training to
/// stop and be saved, and is silent from then on.
class TrainingDisplay : public train::TrainingObserver {
 public:
  /// quiet: warnings only. stop: becomes true when the output is lost.
  TrainingDisplay(std::FILE* stream, bool quiet, std::atomic<bool>* stop);

  void started(const train::TrainingStart& start) override;
  void preparing(const std::string& split, std::int64_t done, std::int64_t total) override;
  void progressed(const train::TrainingProgress& progress) override;
  void epoch_ended(const train::EpochReport& report) override;
  void evaluating(const std::string& split, std::int64_t done, std::int64_t total) override;
  void warned(const std::string& message) override;

  /// At the end: the accuracy's curve over the epochs, the slowest stage, and the warnings once more. Nothing
  /// where it is to be quiet.
  void summarise();

  /// Why the stream cannot be written to any more, as errno says; 0 = it can.
  int output_error() const { return output_error_; }
  /// Nobody reads any more: what was on the other side of a pipe, or the terminal, is gone.
  bool reader_is_gone() const;

 private:
  void say(const std::string& line) { write(line + "\n"); }
  void write(const std::string& text);
  void draw(const std::string& line);
  void clear();
  bool due(double seconds);
  void remember(const train::EpochReport& report);
  void estimate_time(const train::TrainingProgress& progress);
  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  std::atomic<bool>* stop_;
  int output_error_ = 0;
  bool drawn_ = false;
  int num_steps_ = 0;  ///< of the network, or of the epoch before
  std::int64_t first_iteration_ = -1;
  bool time_said_ = false;
  std::chrono::steady_clock::time_point last_{};
  std::vector<double> accuracies_;  ///< of the epochs: validation, or training without a validation part
  bool validated_ = false;
  double best_ = -1.0;  ///< EpochReport::best_validation_accuracy of the last epoch
  std::string slowest_stage_;
  double slowest_share_ = 0.0;
  std::vector<std::string> warnings_;
};

}  // namespace spikeloom::app
