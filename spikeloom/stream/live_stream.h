#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>

#include "spikeloom/stream/decider.h"
#include "spikeloom/stream/event_queue.h"
#include "spikeloom/stream/latency_histogram.h"
#include "spikeloom/stream/sources/source.h"

namespace spikeloom::stream {

struct LiveSettings {
  std::size_t queue_events = std::size_t{1} << 18;  ///< 32 bytes each
  /// Where the queue is full: the source is kept waiting; false: new events are left out and counted.
  bool waits_when_full = false;
  /// After so long without an event the window is finished as if none came any more; 0: never.
  std::chrono::milliseconds idle{1000};
  std::int64_t most_decisions = 0;  ///< 0: any number
};

/// What a decision cost, and what was missing up to it.
struct LiveDecision {
  const Decision* decision = nullptr;
  /// From the arrival of what ended the window (the first event after it, the time without events, the end of
  /// the stream) to the decision, nanoseconds.
  std::int64_t latency_ns = 0;
  std::int64_t late = 0, dropped = 0;  ///< since the beginning
};

/// received = binned + late + outside + out_of_range + dropped + left_in_queue.
struct LiveSummary {
  std::int64_t received = 0, binned = 0, late = 0, outside = 0, out_of_range = 0, restarts = 0;
  std::int64_t dropped = 0;        ///< as the queue was full; 0 where the source is kept waiting
  std::int64_t left_in_queue = 0;  ///< read and not used, as the stream was stopped or had its decisions
  std::int64_t steps = 0, decisions = 0, synaptic_operations = 0;
  double seconds = 0.0;  ///< from the first event's arrival to the end
  LatencyHistogram latency;
  bool was_stopped = false;
  std::exception_ptr failure;  ///< what the source threw, once all before it was decided
};

/// Runs a stream to its end, or until `stop` or most_decisions: a thread of its own reads, this one decides.
/// Throws what `decided` and the network throw; the reading thread has ended then.
LiveSummary run_live(LiveSource& source, Decider& decider, const LiveSettings& settings,
                     const std::atomic<bool>& stop, const std::function<void(const LiveDecision&)>& decided);

}  // namespace spikeloom::stream
