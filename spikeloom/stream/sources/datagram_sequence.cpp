#include "spikeloom/stream/sources/datagram_sequence.h"

#include <algorithm>

namespace spikeloom::stream {

void DatagramSequence::begin(std::uint64_t number) {
  started_ = true;
  run_ = 0;
  span_ = 1;
  next_ = number + 1;
  came_.reset();
  came_.set(number % kWindow);
}

void DatagramSequence::advance(std::uint64_t number) {
  const std::uint64_t ahead = number - next_;
  counts_.lost += static_cast<std::int64_t>(ahead);
  if (ahead >= kWindow) came_.reset();
  for (std::uint64_t i = 0; i < std::min(ahead, kWindow); ++i) came_.reset((next_ + i) % kWindow);
  came_.set(number % kWindow);
  next_ = number + 1;
  span_ = std::min(span_ + ahead + 1, kWindow);
  run_ = 0;
}

DatagramSequence::Answer DatagramSequence::restart(std::uint64_t first, std::uint64_t number) {
  const bool follows = first != number;
  ++counts_.restarts;
  begin(first);
  while (next_ != number + 1) advance(next_);
  return {Kind::kNew, true, follows};
}

DatagramSequence::Answer DatagramSequence::take(std::uint64_t number) {
  if (!started_) {
    begin(number);
    return {Kind::kNew};
  }
  const std::uint64_t ahead = number - next_, behind = next_ - number;  // modulo 2^64
  if (ahead >= kJump && behind >= kJump) return restart(number, number);
  if (ahead < kJump) {
    advance(number);
    return {Kind::kNew};
  }
  const bool is_old = behind > span_;
  const bool came = !is_old && came_.test(number % kWindow);
  if (run_ > 0 && number == run_next_) {
    ++run_;
    ++run_next_;
  } else if (is_old || came) {
    run_ = 1;
    run_next_ = number + 1;
    before_run_ = counts_;
  } else {
    run_ = 0;
  }
  // Senders count from 0: an old 0 that is far back shows it at once.
  const bool begins_far_back = number == 0 && behind > kWindow;
  if (run_ >= kRestartRun || begins_far_back) {
    counts_ = before_run_;
    return restart(number + 1 - static_cast<std::uint64_t>(run_), number);
  }
  if (came) {
    ++counts_.repeated;
    return {Kind::kRepeated, false, run_ > 1};
  }
  ++counts_.late;
  if (!is_old) {
    --counts_.lost;
    came_.set(number % kWindow);
  }
  return {Kind::kLate, false, run_ > 1};
}

}  // namespace spikeloom::stream
