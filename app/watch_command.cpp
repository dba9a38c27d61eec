#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "app/commands.h"
#include "app/output.h"
#include "app/run_details.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/watch/run_pages.h"
#include "spikeloom/watch/server.h"

namespace spikeloom::app {
namespace {

struct WatchOptions {
  std::vector<std::string> folders;
  watch::ServerSettings server;
};

int run_watch(const WatchOptions& options) {
  std::vector<std::string> folders = options.folders;
  if (folders.empty()) folders.emplace_back("runs");
  for (const std::string& folder : folders) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) throw DataError(folder + ": no such folder");
  }
  // Before the server's thread begins, which inherits it: then the signal comes here.
  sigset_t stop;
  sigemptyset(&stop);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&stop, signal);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  constexpr int kBehindTrainings = 10;
  [[maybe_unused]] const int priority = ::nice(kBehindTrainings);
  watch::RunPages pages(folders, [](const report::RunRecord& run) {
    RunDetailsRequest request;
    request.run_samples = false;
    auto details = gather_details(run, request);
    details.notes.emplace_back(
        "Live page: what samples show (confusion, spikes, cost) is in the file that "
        "'spikeloom report " +
        shell_quoted(run.path) + "' writes.");
    return details;
  });
  const watch::Server server(options.server, [&](const std::string& path) { return pages.answer(path); });
  print_line(stdout, "watching at " + server.url() + " (Ctrl-C ends it)");
  std::fflush(stdout);
  int signal = 0;
  while (sigwait(&stop, &signal) != 0) {
  }
  return kOk;
}

}  // namespace

void add_watch(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<WatchOptions>();
  options->server.port = 8060;
  auto* command =
      program.add_subcommand("watch", "Runs in a browser, while they train: a list, and a page for each");
  command->add_option("folders", options->folders, "Run folders, or folders that hold some (default: runs)")
      ->type_name("RUN_OR_FOLDER")
      ->check(not_empty());
  command->add_option("--port", options->server.port, "Port; 0: one that is free")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  command
      ->add_option(
          "--address", options->server.address,
          "Address to listen on; any other than a loopback one shows the runs to whoever can reach it")
      ->capture_default_str()
      ->type_name("IP");
  command->footer(
      "Answers GET requests only, and only from this machine unless --address says otherwise. It reads the\n"
      "run folders and changes nothing (docs/report.md).");
  command->callback([options, &chosen] { chosen = [options] { return run_watch(*options); }; });
}

}  // namespace spikeloom::app
