#include "app/stoppable_output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "spikeloom/base/errors.h"

namespace spikeloom::app {

void StoppableOutput::print(const std::string& text) {
  if (!gave_up_) gave_up_ = !write(STDOUT_FILENO, text);
}

void StoppableOutput::print_error(const std::string& text) {
  if (gave_up_errors_) return;
  try {
    gave_up_errors_ = !write(STDERR_FILENO, text);
  } catch (const DataError&) {  // there is nowhere to say it
    gave_up_errors_ = true;
  }
}

bool StoppableOutput::is_over() {
  constexpr std::chrono::milliseconds kPatience{400};
  if (!stop_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (!stopped_) stopped_at_ = now;
  stopped_ = true;
  return now - stopped_at_ >= kPatience;
}

bool StoppableOutput::write(int descriptor, const std::string& text) {
  constexpr int kLookAroundMs = 50;
  // A pipe that polls as writable takes so many bytes without waiting.
  constexpr std::size_t kAtOnce = PIPE_BUF;
  for (std::size_t done = 0; done < text.size();) {
    pollfd ready{descriptor, POLLOUT, 0};
    const int events = ::poll(&ready, 1, kLookAroundMs);
    if (events <= 0) {
      if (is_over()) return false;
      continue;
    }
    const ssize_t written = ::write(descriptor, text.data() + done, std::min(kAtOnce, text.size() - done));
    if (written >= 0) {
      done += static_cast<std::size_t>(written);
    } else if (errno != EINTR && errno != EAGAIN) {
      throw DataError(std::string("cannot write the output: ") + std::strerror(errno));
    }
  }
  return true;
}

}  // namespace spikeloom::app
