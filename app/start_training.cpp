// Of `spikeloom` alone: what needs LibTorch is done by spikeloom-training.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "app/process.h"
#include "app/training/commands.h"
#include "spikeloom/base/errors.h"

namespace spikeloom::app {
namespace {

/// Throws ConfigError if the program is not there; else it does not return.
int start_training_program() {
  char** argv = program_arguments();
  wait_without_spinning(argv[1]);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string path = (self.parent_path() / "spikeloom-training").string();
  ::execv(path.c_str(), argv);  // returns only if it fails
  throw ConfigError(fmt::format("'{}' needs the program {}, which cannot be started: {}", argv[1], path,
                                std::strerror(errno)));
}

}  // namespace

int run_train(const TrainOptions&) { return start_training_program(); }
int run_eval(const EvalOptions&) { return start_training_program(); }
int run_bench(BenchOptions&) { return start_training_program(); }
int run_study(const StudyOptions&, const train::Study&, const std::vector<train::CellResult>&) {
  return start_training_program();
}
int run_launch(const LaunchOptions&) { return start_training_program(); }
int info_environment(bool) { return start_training_program(); }
int info_recipe(const std::string&, const InfoOptions&) { return start_training_program(); }

}  // namespace spikeloom::app
