#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>
#include <string>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/base/version.h"

namespace spikeloom::app {
namespace {

int report(const std::string& message, int code) {
  print_line(stderr, "spikeloom: " + one_line(message));
  return code;
}

int run(int argc, char** argv) {
  CLI::App program{
      "Spikeloom trains deep spiking neural networks directly (Wu et al., AAAI 2019), without Python.\n"
      "\n"
      "  spikeloom train fashion-mnist-demo     train a network by a recipe (recipes/, docs/recipes.md)\n"
      "  spikeloom eval runs/NAME               accuracy of a trained network\n"
      "  spikeloom info 32C3(Encoding)-AP2-Voting --input 1x28x28\n"
      "                                         layers, parameters and work of a network\n"
      "  spikeloom data                         which data sets are here, and how to get the others",
      "spikeloom"};
  program.set_version_flag("--version", std::string("spikeloom ") + kVersion);
  program.require_subcommand(0, 1);
  program.fallthrough(false);
  program.get_formatter()->column_width(34);
  program.footer(
      "Exit codes: 0 done, 2 usage or recipe, 3 data or model file, 4 numbers that are not finite, 5 "
      "internal,\n"
      "130 stopped by Ctrl-C. 'spikeloom COMMAND --help' has each command's options.");
  Command chosen;
  add_train(program, chosen);
  add_eval(program, chosen);
  add_info(program, chosen);
  add_data(program, chosen);
  add_convert(program, chosen);
  add_bench(program, chosen);
  add_simulate(program, chosen);
  add_study(program, chosen);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      std::ostringstream text;
      program.exit(error, text, text);
      print_text(stdout, text.str());
      return kOk;
    }
    return report(one_line(error.what()) + " (see spikeloom --help)", kUsage);
  }
  if (!chosen) {
    print_text(stdout, program.help());
    return kUsage;
  }
  return chosen();
}

}  // namespace
}  // namespace spikeloom::app

int main(int argc, char** argv) {
  using namespace spikeloom;
  app::prepare_process(argv);
  // A limit on file sizes is reported like a full disk, not by dying.
  std::signal(SIGXFSZ, SIG_IGN);
  set_log_sink([](LogLevel level, const std::string& message) {
    if (level != LogLevel::kWarning) return;
    // A progress line may stand there.
    std::fprintf(stderr, "%sspikeloom: warning: %s\n", app::is_terminal(stderr) ? "\r\033[K" : "",
                 app::one_line(message).c_str());
  });
  try {
    return app::run(argc, argv);
  } catch (const ConfigError& error) {
    return app::report(error.what(), app::kUsage);
  } catch (const ShapeError& error) {
    return app::report(error.what(), app::kUsage);
  } catch (const DeviceError& error) {
    return app::report(error.what(), app::kUsage);
  } catch (const NumericsError& error) {
    return app::report(error.what(), app::kNumerics);
  } catch (const Error& error) {  // DataError, FormatError, CheckpointError
    return app::report(error.what(), app::kData);
  } catch (const std::bad_alloc&) {
    return app::report("out of memory: use a smaller training.batch_size or network.num_steps",
                       app::kInternal);
  } catch (const std::exception& error) {
    return app::report("internal error: " + app::first_line(error.what()), app::kInternal);
  }
}
