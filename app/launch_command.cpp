#include "app/launch_command.h"

#include <memory>

#include "app/commands.h"
#include "app/training/commands.h"
#include "app/usage_error.h"
#include "spikeloom/base/errors.h"

namespace spikeloom::app {
namespace {

/// HOST:PORT, or [ADDRESS]:PORT for an IPv6 address.
void read_master(const std::string& text, parallel::Launch& launch) {
  const std::size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool digits =
      !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (host.empty() || !digits || std::stoi(port) < 1 || std::stoi(port) > 65535) {
    throw ConfigError("--master: HOST:PORT is needed, with a port from 1 to 65535, not '" + text + "'");
  }
  launch.address = host;
  launch.port = std::stoi(port);
}

/// A mistake in the words after -- is said once, before anything is started.
void check_usage(const std::vector<std::string>& words) {
  CLI::App program("", "spikeloom");
  program.require_subcommand(0, 1);
  program.fallthrough(false);
  Command chosen;
  add_commands(program, chosen);
  try {
    program.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw ConfigError(usage_error(program, error));
  }
}

int start_launch(LaunchOptions options) {
  parallel::Launch& launch = options.launch;
  if (options.words.empty() || options.words.front() != "train") {
    throw ConfigError("launch starts trainings only: spikeloom launch --processes N -- train RECIPE ...");
  }
  check_usage(options.words);
  if (launch.node_rank >= launch.nodes) {
    throw ConfigError("--node-rank counts from 0: of " + std::to_string(launch.nodes) +
                      " machines the last is " + std::to_string(launch.nodes - 1) + ", not " +
                      std::to_string(launch.node_rank));
  }
  if (!options.master.empty()) read_master(options.master, launch);
  return run_launch(options);
}

}  // namespace

void add_launch(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<LaunchOptions>();
  parallel::Launch& launch = options->launch;
  auto* command =
      program.add_subcommand("launch", "Start a training as several processes, on one machine or several");
  command->add_option("--processes", launch.processes, "Processes on this machine")
      ->check(CLI::Range(1, 4096))
      ->required();
  command->add_option("--nodes", launch.nodes, "Machines; on each of them a launch with its --node-rank")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--node-rank", launch.node_rank, "Which of the machines this is, from 0")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command
      ->add_option("--master", options->master,
                   "Where all meet: address of machine 0 and a free port there (default: on one machine, a "
                   "port that the system chooses)")
      ->type_name("HOST:PORT");
  command
      ->add_option("--restarts", launch.restarts,
                   "How many times to start all processes again, from the last checkpoint, when one was "
                   "killed or has lost the others")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command
      ->add_option("--timeout", launch.timeout_seconds, "Seconds to wait for the launchers of other machines")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  command->add_option("command", options->words, "After --: train RECIPE and its options")
      ->type_name("COMMAND");
  command->footer(
      "spikeloom launch --processes 2 -- train fashion-mnist-demo\n"
      "The batch of the recipe is divided between the processes; rank 0 writes the run folder.\n"
      "docs/scaling.md has the rest: several machines, Slurm, MPI, torchrun.");
  command->callback([options, &chosen] { chosen = [options] { return start_launch(*options); }; });
}

}  // namespace spikeloom::app
