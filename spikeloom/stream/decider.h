#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/events/event.h"
#include "spikeloom/runtime/classifier.h"

namespace spikeloom::stream {

/// How events become steps, and steps decisions.
struct DeciderSettings {
  std::int64_t step_us = 5000;    ///< > 0
  std::int64_t window_steps = 1;  ///< > 0
  /// Steps from one decision to the next, 1 .. window_steps: window_steps gives tumbling windows, fewer
  /// sliding ones.
  std::int64_t every_steps = 1;
  /// One state goes through all windows, whose votes are those of their steps; false: each window starts from
  /// a reset, as a sample of a training does (overlapping windows are run side by side).
  bool carries_state = false;
  /// A step of event time of more than this, forward or back, starts anew: the window is finished and the
  /// next event is the first of a new one. At least a window.
  std::int64_t gap_us = 1000000;
  // Event (x, y) counts at (x / downsample, y / downsample) of the frame, at most 255 of them.
  int downsample = 1;
  bool stride_downsampling = false;  ///< only x and y that are multiples of downsample count
  bool binary = false;               ///< 1 where there is any event
};

struct Decision {
  std::int64_t start_us = 0, end_us = 0;  ///< event time: from, up to
  std::int64_t events = 0;                ///< that it saw
  /// Classes. best: -1 where all votes are 0 (of equal ones the lowest). runner_up: -1 where
  /// there is no other class, or no best one.
  int best = -1, runner_up = -1;
  std::vector<float> votes;  ///< [classes], as Session::votes()
};

/// Events in the order of their coming to decisions: bins them into steps on a grid that starts with the
/// first event, runs the network after each step, and decides at the end of each window. Deterministic:
/// depends on events and flushes alone. Memory is fixed by the constructor. One thread at a time.
class Decider {
 public:
  using Decided = std::function<void(const Decision&)>;

  /// Throws ConfigError for settings out of range, and for windows of more steps than the network has;
  /// ShapeError for an input of other than 1 or 2 channels.
  Decider(const runtime::Classifier& network, const DeciderSettings& settings);

  /// An event; `decided` is called for each window that it ends. Events whose step was run before are late,
  /// those outside of the frame and those of times beyond 2^61 us are left out; all are counted.
  void take(const events::Event& event, const Decided& decided);
  /// As if no event came any more before the next decision: runs the steps up to it, if any event came since
  /// the last one.
  void flush(const Decided& decided);

  const DeciderSettings& settings() const { return settings_; }
  std::int64_t events() const { return events_; }  ///< that were binned
  std::int64_t late() const { return late_; }
  std::int64_t outside() const { return outside_; }
  std::int64_t out_of_range() const { return out_of_range_; }  ///< by their times
  std::int64_t restarts() const { return restarts_; }          ///< for a gap in time, or time going back
  std::int64_t steps() const { return steps_; }
  std::int64_t decisions() const { return decisions_; }
  std::int64_t synaptic_operations() const;

 private:
  struct Window {
    std::unique_ptr<runtime::Classifier> network;
    std::int64_t start = -1;  ///< step; -1: not in use
    std::int64_t events = 0;
  };

  bool add(const events::Event& event);
  void start(std::int64_t t_us);
  void run_step(const Decided& decided);
  void run_windows(const Decided& decided);
  void run_carried(const Decided& decided);
  void decide(const runtime::Classifier& network, Span<const double> before, std::int64_t events,
              const Decided& decided);

  DeciderSettings settings_;
  model::Shape input_;
  std::vector<float> frame_;
  std::vector<Window> windows_;
  // With carried state, of the last window_steps steps: the sums and events before each.
  std::vector<double> sums_before_, zeros_;
  std::vector<std::int64_t> events_before_;
  Decision decision_;
  bool started_ = false;
  std::int64_t step_start_us_ = 0, step_ = 0;  ///< of the open step; steps since start()
  std::int64_t step_events_ = 0, events_since_start_ = 0, undecided_events_ = 0;
  std::int64_t events_ = 0, late_ = 0, outside_ = 0, out_of_range_ = 0, restarts_ = 0, steps_ = 0,
               decisions_ = 0, operations_ = 0;
};

}  // namespace spikeloom::stream
