#pragma once
#include <chrono>
#include <cstdint>
#include <vector>

namespace spikeloom::engine {

/// What a training step does one after the other, in laps that follow each other without gaps: a lap ends
/// when its work is done, and what lies between two pieces of work counts to the later one. So laps add up to
/// the step.
class Timeline {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Kind : std::uint8_t { kOther, kForward, kLoss, kBackward, kUpdate };
  struct Lap {
    Kind kind = Kind::kOther;
    int stage = -1;  ///< of kForward and kBackward
    Clock::time_point begin, end;
  };

  void start() { last_ = Clock::now(); }
  /// Ends a lap now.
  void lap(Kind kind, int stage = -1) {
    const Clock::time_point now = Clock::now();
    laps_.push_back({kind, stage, last_, now});
    last_ = now;
  }
  const std::vector<Lap>& laps() const { return laps_; }

 private:
  Clock::time_point last_ = Clock::now();
  std::vector<Lap> laps_;
};

}  // namespace spikeloom::engine
