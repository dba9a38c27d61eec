#include "spikeloom/stream/live_stream.h"

#include <algorithm>
#include <thread>

namespace spikeloom::stream {
namespace {

constexpr std::chrono::milliseconds kLookAround{50};  // how soon Ctrl-C is heard

/// Reads the source into a queue until it ends, fails or is stopped.
class Reader {
 public:
  Reader(LiveSource& source, const LiveSettings& settings)
      : source_(source),
        waits_(settings.waits_when_full),
        queue_(settings.queue_events),
        thread_([this] { run(); }) {}
  ~Reader() { finish(); }

  EventQueue& queue() { return queue_; }
  std::int64_t dropped() const { return dropped_; }
  std::int64_t received() const { return received_; }
  void finish() {
    stop_ = true;
    queue_.stop();
    if (thread_.joinable()) thread_.join();
  }
  /// Valid once the queue is done.
  std::exception_ptr failure() const { return failure_; }

 private:
  void run() {
    std::vector<events::Event> events;
    auto state = LiveSource::State::kGoesOn;
    while (state == LiveSource::State::kGoesOn && !stop_) {
      try {
        state = source_.read(events, kLookAround);
      } catch (...) {
        failure_ = std::current_exception();
        state = LiveSource::State::kEnd;
      }
      if (events.empty()) continue;
      received_ += static_cast<std::int64_t>(events.size());
      dropped_ += static_cast<std::int64_t>(queue_.push(events, Clock::now(), waits_));
    }
    queue_.close();
  }

  LiveSource& source_;
  bool waits_;
  EventQueue queue_;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> dropped_{0}, received_{0};
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

LiveSummary run_live(LiveSource& source, Decider& decider, const LiveSettings& settings,
                     const std::atomic<bool>& stop, const std::function<void(const LiveDecision&)>& decided) {
  LiveSummary summary;
  std::vector<ArrivedEvent> piece(kReadEvents);
  Clock::time_point began{}, cause{}, last_event{};
  bool any = false, enough = false;
  std::int64_t unused = 0;  // of the last piece
  Reader reader(source, settings);
  decider.stop_with(stop);
  const Decider::Decided tell = [&](const Decision& decision) {
    if (enough) return;  // a gap between two events can be many windows
    const std::int64_t latency =
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - cause).count();
    summary.latency.add(latency);
    enough = ++summary.decisions == settings.most_decisions;
    decided({&decision, latency, decider.late(), reader.dropped()});
  };
  while (!stop && !enough) {
    const std::size_t count = reader.queue().pop(piece.data(), piece.size(), kLookAround);
    if (count == 0) {
      cause = Clock::now();
      if (reader.queue().is_done()) break;
      if (any && settings.idle.count() > 0 && cause - last_event >= settings.idle) {
        last_event = cause;
        decider.flush(tell);
      }
      continue;
    }
    if (!any) began = piece.front().arrived;
    any = true;
    std::size_t used = 0;
    for (; used < count && !enough && !stop; ++used) {
      cause = piece[used].arrived;
      decider.take(piece[used].event, tell);
    }
    unused += static_cast<std::int64_t>(count - used);
    last_event = piece[count - 1].arrived;
  }
  summary.was_stopped = stop;
  if (!stop && !enough) {
    cause = Clock::now();
    decider.flush(tell);
  }
  reader.finish();
  summary.failure = reader.failure();
  summary.received = reader.received();
  summary.dropped = reader.dropped();
  summary.left_in_queue = static_cast<std::int64_t>(reader.queue().left()) + unused;
  summary.binned = decider.events();
  summary.late = decider.late();
  summary.outside = decider.outside();
  summary.out_of_range = decider.out_of_range();
  summary.restarts = decider.restarts();
  summary.steps = decider.steps();
  summary.synaptic_operations = decider.synaptic_operations();
  if (any) summary.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return summary;
}

}  // namespace spikeloom::stream
