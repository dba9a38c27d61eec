#pragma once
// What needs LibTorch. Loading it takes most of a second, which nobody should wait who asks for help, has
// made a mistake or converts a recording, and a machine that only runs networks need not have it. So the
// program is two: `spikeloom`, and `spikeloom-training` next to it. Both read the same options; in the first,
// each function below starts the second in its place: the same process, arguments and descriptors. They
// return the exit code.
#include <string>
#include <vector>

namespace spikeloom::train {
struct Study;
struct CellResult;
}  // namespace spikeloom::train

namespace spikeloom::app {

struct BenchOptions;
struct EvalOptions;
struct InfoOptions;
struct LaunchOptions;
struct StudyOptions;
struct TrainOptions;

int run_train(const TrainOptions& options);
int run_eval(const EvalOptions& options);
int run_bench(BenchOptions& options);
/// results: what there is of each cell of the study.
int run_study(const StudyOptions& options, const train::Study& study,
              const std::vector<train::CellResult>& results);
int run_launch(const LaunchOptions& options);

/// `info` without an argument.
int info_environment(bool json);
/// `info` of the recipe in the file `path`.
int info_recipe(const std::string& path, const InfoOptions& options);

}  // namespace spikeloom::app
