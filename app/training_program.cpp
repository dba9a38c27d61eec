// Of `spikeloom` alone: the commands of spikeloom-training by name, for --help and suggestions, and how they
// are started.
#include "app/training_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>

#include "app/commands.h"
#include "app/process.h"
#include "spikeloom/base/errors.h"

namespace spikeloom::app {
namespace {

// And what says the help of all of them.
constexpr const char* kTrainingCommands[] = {"train", "eval",   "info",      "bench",
                                             "study", "launch", "--help-all"};

}  // namespace

void add_train(CLI::App& program, Command&) { program.add_subcommand("train", kTrainDescription); }
void add_eval(CLI::App& program, Command&) { program.add_subcommand("eval", kEvalDescription); }
void add_info(CLI::App& program, Command&) { program.add_subcommand("info", kInfoDescription); }
void add_bench(CLI::App& program, Command&) { program.add_subcommand("bench", kBenchDescription); }
void add_study(CLI::App& program, Command&) { program.add_subcommand("study", kStudyDescription); }
void add_launch(CLI::App& program, Command&) { program.add_subcommand("launch", kLaunchDescription); }

void start_training_program(char** argv) {
  if (argv[0] == nullptr || argv[1] == nullptr) return;
  const std::string command = argv[1];
  if (std::find(std::begin(kTrainingCommands), std::end(kTrainingCommands), command) ==
      std::end(kTrainingCommands))
    return;
  wait_without_spinning(command);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string path = (self.parent_path() / "spikeloom-training").string();
  ::execv(path.c_str(), argv);  // returns only if it fails
  throw ConfigError(fmt::format("'{}' needs the program {}, which cannot be started: {}", command, path,
                                std::strerror(errno)));
}

}  // namespace spikeloom::app
