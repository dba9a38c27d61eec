#pragma once
// The subcommands. Each add_* declares its options on the program's parser and what runs when it is chosen;
// the function returns the exit code.
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace spikeloom::app {

using Command = std::function<int()>;

/// What --help says of the commands that need LibTorch, which are in a program of their own
/// (training_program.h).
inline constexpr const char kTrainDescription[] = "Train a network from a recipe, or resume a run";
inline constexpr const char kEvalDescription[] =
    "Accuracy of a trained network on a split of its data set, or on other data";
inline constexpr const char kInfoDescription[] =
    "Describe a network string, recipe, run, model or data file; without an argument, this environment";
inline constexpr const char kBenchDescription[] = "Time a training step or inference on random data";
inline constexpr const char kStudyDescription[] = "Train the networks of a table, and print it";
inline constexpr const char kLaunchDescription[] =
    "Start a training as several processes, on one machine or several";

/// Exit codes of the program.
enum ExitCode { kOk = 0, kUsage = 2, kData = 3, kNumerics = 4, kInternal = 5, kInterrupted = 130 };

/// For options that take a path: '' is what a shell makes of a variable that is not set.
CLI::Validator not_empty();

/// Options that every command which computes has.
struct CommonOptions {
  int threads = 0;  ///< 0 = all this process may use
};

/// All of them.
void add_commands(CLI::App& program, Command& chosen);

void add_train(CLI::App& program, Command& chosen);
void add_eval(CLI::App& program, Command& chosen);
void add_predict(CLI::App& program, Command& chosen);
void add_info(CLI::App& program, Command& chosen);
void add_data(CLI::App& program, Command& chosen);
void add_convert(CLI::App& program, Command& chosen);
void add_export(CLI::App& program, Command& chosen);
void add_bench(CLI::App& program, Command& chosen);
void add_simulate(CLI::App& program, Command& chosen);
void add_stream(CLI::App& program, Command& chosen);
void add_runs(CLI::App& program, Command& chosen);
void add_compare(CLI::App& program, Command& chosen);
void add_show(CLI::App& program, Command& chosen);
void add_launch(CLI::App& program, Command& chosen);
void add_study(CLI::App& program, Command& chosen);
void add_report(CLI::App& program, Command& chosen);
void add_watch(CLI::App& program, Command& chosen);

}  // namespace spikeloom::app
