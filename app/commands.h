#pragma once
// The subcommands. Each add_* declares its options on the program's parser and what runs when it is chosen;
// the function returns the exit code.
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace spikeloom::app {

using Command = std::function<int()>;

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
