#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/events/event.h"

namespace spikeloom::stream {

using Clock = std::chrono::steady_clock;

/// An event and when it came in here.
struct ArrivedEvent {
  events::Event event;
  Clock::time_point arrived;
};

/// Events between the thread that reads them and the one that decides: a ring of fixed size, so that memory
/// does not grow with a consumer that is too slow.
class EventQueue {
 public:
  /// capacity: events, > 0; all of its memory is taken here.
  explicit EventQueue(std::size_t capacity);

  /// Appends events that arrived at one time. Where there is no room: `waits` waits for it, else what does
  /// not fit is left out. Returns how many were left out. Once nothing comes any more (close(), stop()) they
  /// are not taken, and count as left().
  std::size_t push(Span<const events::Event> events, Clock::time_point arrived, bool waits);
  /// Takes up to `capacity` events, waiting at most `timeout` for the first. Returns how many.
  std::size_t pop(ArrivedEvent* events, std::size_t capacity, std::chrono::milliseconds timeout);
  /// Nothing comes any more; what is there can still be taken.
  void close();
  /// The same, and what is there is gone; who waits in push() goes on.
  void stop();
  /// Events that stop() found, and those that came, or waited for room, after it: nobody takes them.
  std::size_t left() const;
  /// Closed, and all taken.
  bool is_done() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ArrivedEvent> ring_;
  std::size_t first_ = 0, count_ = 0, left_ = 0;
  bool closed_ = false;
};

}  // namespace spikeloom::stream
