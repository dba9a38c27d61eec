#include "spikeloom/watch/open_connections.h"

#include <sys/socket.h>

#include <algorithm>

namespace spikeloom::watch {

OpenConnections::OpenConnections(std::size_t most, const ConnectionTimes& times)
    : most_(std::max<std::size_t>(most, 1)), times_(times), thread_([this] { watch_times(); }) {}

OpenConnections::~OpenConnections() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void OpenConnections::opened(int socket) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto now = Clock::now();
  if (open_.size() >= most_) {
    const auto oldest = std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) {
      return a.second.opened < b.second.opened;
    });
    ::shutdown(oldest->first, SHUT_RDWR);
    open_.erase(oldest);
  }
  open_[socket] = {now, now + times_.request};
  changed_.notify_one();
}

void OpenConnections::asked(int socket) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto at = open_.find(socket);
  if (at == open_.end()) return;
  at->second.end = Clock::now() + times_.answer;
  changed_.notify_one();
}

void OpenConnections::closed(int socket) {
  const std::lock_guard<std::mutex> lock(mutex_);
  open_.erase(socket);
}

void OpenConnections::watch_times() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    const auto now = Clock::now();
    auto next = Clock::time_point::max();
    for (auto at = open_.begin(); at != open_.end();) {
      if (at->second.end <= now) {
        ::shutdown(at->first, SHUT_RDWR);
        at = open_.erase(at);
      } else {
        next = std::min(next, at->second.end);
        ++at;
      }
    }
    if (open_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
  }
}

}  // namespace spikeloom::watch
