#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace spikeloom::parallel {

/// What is set, for a process that continues after a restart, to the folder of the run.
constexpr char kRestartedRun[] = "SPIKELOOM_RESTARTED_RUN";

/// Processes of one program on this machine, and maybe as many launchers on other machines.
struct Launch {
  std::string program;               ///< the file that is started
  std::vector<std::string> command;  ///< its name as it is told, and its arguments; the same for all
  int processes = 1;                 ///< on this machine
  int nodes = 1, node_rank = 0;      ///< machines, and which of them this is
  std::string address = "127.0.0.1";
  int port = 0;  ///< of the meeting point, on machine 0; 0: one that the system chooses, of one machine only
  /// How often all are started again when one was killed or has lost the others. An error that would only
  /// come again (exit codes 2, 3, 4) ends them.
  int restarts = 0;
  double timeout_seconds = 300.0;           ///< for the launchers of other machines
  const std::atomic<bool>* stop = nullptr;  ///< becomes true: all are asked to stop (SIGTERM)
};

/// Starts the processes with RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT and
/// TORCHELASTIC_* set, as torchrun does, and waits for them; the meeting point is this program's on machine
/// 0. When one fails, the others get ten seconds to leave by themselves. say: one line for a person. Returns
/// the exit code of a process that found something wrong (of several, of the lowest rank); else 5 if one was
/// killed or has lost the others, 130 if they were interrupted, or 0. Throws ConfigError for settings
/// that do not fit together or a port that is in use, ParallelError when a launcher does not come.
int launch(const Launch& settings, const std::function<void(const std::string&)>& say);

}  // namespace spikeloom::parallel
