#include "app/stop_signals.h"

#include <csignal>

namespace spikeloom::app {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

namespace {

extern "C" void handle_stop_signal(int signal) {
  stop_requested = true;
  // A terminal that is closed may say so twice: once itself, once by its shell.
  if (signal != SIGHUP) std::signal(signal, SIG_DFL);
}

}  // namespace

void stop_on_signals() {
  std::signal(SIGINT, handle_stop_signal);
  std::signal(SIGTERM, handle_stop_signal);
  if (std::signal(SIGHUP, handle_stop_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup
  // TrainingDisplay takes the error of the write as a wish to stop.
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace spikeloom::app
