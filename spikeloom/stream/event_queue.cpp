#include "spikeloom/stream/event_queue.h"

#include <algorithm>

namespace spikeloom::stream {

EventQueue::EventQueue(std::size_t capacity) : ring_(capacity) {}

std::size_t EventQueue::push(Span<const events::Event> events, Clock::time_point arrived, bool waits) {
  std::unique_lock<std::mutex> lock(mutex_);
  std::size_t done = 0;
  while (done < events.size()) {
    if (waits) changed_.wait(lock, [&] { return closed_ || count_ < ring_.size(); });
    if (closed_) {
      left_ += events.size() - done;
      return 0;
    }
    const std::size_t fits = std::min(events.size() - done, ring_.size() - count_);
    for (std::size_t i = 0; i < fits; ++i) {
      ring_[(first_ + count_ + i) % ring_.size()] = {events[done + i], arrived};
    }
    count_ += fits;
    done += fits;
    if (fits > 0) changed_.notify_all();
    if (!waits) break;
  }
  return events.size() - done;
}

std::size_t EventQueue::pop(ArrivedEvent* events, std::size_t capacity, std::chrono::milliseconds timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return closed_ || count_ > 0; });
  const std::size_t taken = std::min(count_, capacity);
  for (std::size_t i = 0; i < taken; ++i) events[i] = ring_[(first_ + i) % ring_.size()];
  first_ = (first_ + taken) % ring_.size();
  count_ -= taken;
  if (taken > 0) changed_.notify_all();
  return taken;
}

void EventQueue::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void EventQueue::stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  left_ += count_;
  count_ = 0;
  changed_.notify_all();
}

std::size_t EventQueue::left() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return left_;
}

bool EventQueue::is_done() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return closed_ && count_ == 0;
}

}  // namespace spikeloom::stream
