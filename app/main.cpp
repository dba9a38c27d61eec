#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <sstream>
#include <string>

#include "app/commands.h"
#include "app/failure.h"
#include "app/help_formatter.h"
#include "app/output.h"
#include "app/process.h"
#include "app/usage_error.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/base/version.h"
#include "spikeloom/model/structure.h"

namespace spikeloom::app {
namespace {

int report(const std::string& message, int code) {
  print_line(stderr, "spikeloom: " + one_line(message));
  return code;
}

int report(const std::exception& error, const std::string& command) {
  const Failure failure = describe_failure(error, command);
  if (!failure.message.empty()) report(failure.message, failure.exit_code);
  // After the line that says it all, for who reads and for who searches.
  if (!failure.marked.empty()) print_line(stderr, failure.marked);
  return failure.exit_code;
}

/// Headline of the subcommands in --help.
void name_group(CLI::App& app) {
  for (auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    command->group("Commands");
    name_group(*command);
  }
}

int run(int argc, char** argv) {
  CLI::App program{
      "Spikeloom trains deep spiking neural networks directly (Wu et al., AAAI 2019),\n"
      "without Python.\n"
      "\n"
      "  spikeloom train fashion-mnist-demo   train a network (docs/recipes.md)\n"
      "  spikeloom train --list               the recipes that come with the program\n"
      "  spikeloom eval runs/NAME             accuracy of a trained network\n"
      "  spikeloom info '32C3(Encoding)-AP2-Voting' --input 1x28x28\n"
      "                                       layers, parameters and work of a network\n"
      "  spikeloom data                       the data sets, and how to get them",
      "spikeloom"};
  program.set_version_flag("--version", std::string("spikeloom ") + kVersion, "Print the version");
  program.set_help_flag("-h,--help", "Print this help");
  program.require_subcommand(0, 1);
  program.fallthrough(false);
  program.formatter(std::make_shared<HelpFormatter>());
  program.footer(
      "Exit codes: 0 done, 2 usage or recipe, 3 data or model file, 4 numbers that are\n"
      "not finite, 5 internal error or other processes lost, 130 stopped by Ctrl-C.\n"
      "'spikeloom COMMAND --help' explains the options of a command.");
  Command chosen;
  add_commands(program, chosen);
  name_group(program);
  program.set_help_all_flag("--help-all", "Print this help and that of every command");
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --help-all, --version
      std::ostringstream text;
      program.exit(error, text, text);
      print_text(stdout, error.get_name() == "CallForAllHelp" ? help_of_all(program) : text.str());
      return kOk;
    }
    return report(usage_error(program, error), kUsage);
  }
  if (!chosen) {
    print_text(stdout, program.help());
    return kUsage;
  }
  const std::string command = program.get_subcommands().front()->get_name();
  try {
    return chosen();
  } catch (const model::StructureError& error) {
    return report(error, command);
  } catch (const ConfigError& error) {
    return report(option_error(program, error), kUsage);
  } catch (const std::exception& error) {
    return report(error, command);
  }
}

}  // namespace

void add_commands(CLI::App& program, Command& chosen) {
  add_train(program, chosen);
  add_eval(program, chosen);
  add_predict(program, chosen);
  add_stream(program, chosen);
  add_info(program, chosen);
  add_data(program, chosen);
  add_convert(program, chosen);
  add_export(program, chosen);
  add_bench(program, chosen);
  add_simulate(program, chosen);
  add_study(program, chosen);
  add_runs(program, chosen);
  add_compare(program, chosen);
  add_show(program, chosen);
  add_report(program, chosen);
  add_watch(program, chosen);
  add_launch(program, chosen);
}

}  // namespace spikeloom::app

int main(int argc, char** argv) {
  using namespace spikeloom;
  app::prepare_process(argv);
  // A limit on file sizes is reported like a full disk, not by dying.
  std::signal(SIGXFSZ, SIG_IGN);
  set_log_sink([](LogLevel level, const std::string& message) {
    if (level == LogLevel::kWarning) app::print_warning(message);
  });
  try {
    return app::run(argc, argv);
  } catch (const std::exception& error) {
    return app::report(error, "");
  }
}
