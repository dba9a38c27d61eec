#pragma once
// What needs LibTorch. Loading it takes most of a second, which nobody should wait who asks for help, has
// made a mistake or converts a recording, and a machine that only runs networks need not have it. So the
// program is two: `spikeloom`, and `spikeloom-training` next to it. Both read the same options; in the first,
// each function below starts the second in its place: the same process, arguments and descriptors. They
// return the exit code.
#include <string>
#include <vector>

#include "app/bench_command.h"
#include "app/eval_command.h"
#include "app/info_command.h"
#include "app/launch_command.h"
#include "app/study_command.h"
#include "app/train_command.h"

namespace spikeloom::app {

int run_train(const TrainOptions& options);
int run_eval(const EvalOptions& options);
int run_bench(BenchOptions& options);
/// results: what there is of each cell of the study.
int run_study(const StudyOptions& options, const train::Study& study, std::vector<train::CellResult> results);
int run_launch(LaunchOptions options);

/// `info` without an argument.
int info_environment(bool json);
/// `info` of the recipe in the file `path`.
int info_recipe(const std::string& path, const InfoOptions& options);

}  // namespace spikeloom::app
