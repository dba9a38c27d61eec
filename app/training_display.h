#pragma once
#include <chrono>
#include <cstdio>
#include <string>

#include "spikeloom/train/trainer.h"

namespace spikeloom::app {

/// Shows a training: one line that is drawn again on a terminal, a line now and then elsewhere.
class TrainingDisplay : public train::TrainingObserver {
 public:
  /// quiet: warnings only.
  TrainingDisplay(std::FILE* stream, bool quiet);

  void started(const train::TrainingStart& start) override;
  void preparing(const std::string& split, std::int64_t done, std::int64_t total) override;
  void progressed(const train::TrainingProgress& progress) override;
  void epoch_ended(const train::EpochReport& report) override;
  void evaluating(const std::string& split, std::int64_t done, std::int64_t total) override;
  void warned(const std::string& message) override;

 private:
  void draw(const std::string& line);
  void clear();
  bool due(double seconds);
  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

/// "[=====>    ]" of `width` characters between the brackets.
std::string progress_bar(double fraction, int width);

}  // namespace spikeloom::app
