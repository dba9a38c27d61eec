#pragma once
#include <atomic>

namespace spikeloom::app {

/// Becomes true when the user wants to stop (see stop_on_signals).
extern std::atomic<bool> stop_requested;

/// From now on Ctrl-C, SIGTERM and a closed terminal (SIGHUP, unless nohup has it ignored) set
/// stop_requested; a second Ctrl-C or SIGTERM ends the program at once. A closed pipe becomes an error of the
/// write.
void stop_on_signals();

}  // namespace spikeloom::app
