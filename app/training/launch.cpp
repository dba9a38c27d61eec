// `spikeloom launch`, of the program that links LibTorch.
#include <unistd.h>

#include <array>
#include <string>

#include "app/launch_command.h"
#include "app/output.h"
#include "app/process.h"
#include "app/stop_signals.h"
#include "app/training/commands.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/parallel/launcher.h"

namespace spikeloom::app {

int run_launch(const LaunchOptions& options) {
  parallel::Launch launch = options.launch;
  std::array<char, 4096> path{};
  if (::readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0) {
    throw DataError("/proc/self/exe: cannot be read, so the program cannot be started again");
  }
  launch.program = path.data();
  launch.command = {program_path()};
  launch.command.insert(launch.command.end(), options.words.begin(), options.words.end());
  launch.stop = &stop_requested;
  stop_on_signals();
  return parallel::launch(launch, [](const std::string& line) { print_line(stderr, "spikeloom: " + line); });
}

}  // namespace spikeloom::app
