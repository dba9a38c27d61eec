#pragma once
#include <string>

namespace spikeloom::report {

/// Whether a training writes into the run folder now: it holds the lock on run.lock. Asking takes a shared
/// lock for a moment, which a training that starts waits for.
bool is_locked(const std::string& folder);

}  // namespace spikeloom::report
