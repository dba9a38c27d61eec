#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
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
  std::string data_dir;
  watch::ServerSettings server;
};

/// "12:30:05" of the last change, or "".
std::string time_of(const std::string& path) {
  struct stat info {};
  tm local{};
  if (::stat(path.c_str(), &info) != 0 || ::localtime_r(&info.st_mtim.tv_sec, &local) == nullptr) return "";
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

/// A short look at the samples, on one thread: trainings need the others.
report::RunDetails details_of(const report::RunRecord& run, const std::string& data_dir,
                              const std::atomic<bool>& stopped) {
  RunDetailsRequest request;
  request.data_dir = data_dir;
  request.samples = 200;
  request.most_macs = 20'000'000'000;
  request.stop = &stopped;
  auto details = gather_details(run, request);
  if (!details.model.empty() && run.state != report::RunState::kFinished)
    details.model_time = "written at " + time_of(details.model);
  if (details.observations) {
    details.notes.push_back("A short look at the samples; 'spikeloom report " + shell_quoted(run.path) +
                            "' writes a page of more of them.");
  }
  return details;
}

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
  watch::RunPages pages(folders, [&options](const report::RunRecord& run, const std::atomic<bool>& stopped) {
    return details_of(run, options.data_dir, stopped);
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
  command->add_option("--port", options->server.port, "Port; 0: any that is free")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  command
      ->add_option(
          "--address", options->server.address,
          "Address to listen on; any other than a loopback one shows the runs to whoever can reach it")
      ->capture_default_str()
      ->type_name("IP");
  command
      ->add_option("--data-dir", options->data_dir,
                   "Folder that holds the data sets, whose samples are shown (default: SPIKELOOM_DATA_DIR, "
                   "./data)")
      ->type_name("DIR")
      ->check(not_empty());
  command->footer(
      "Answers GET requests only, and only from this machine unless --address says otherwise. It reads the\n"
      "run folders and changes nothing (docs/report.md).");
  command->callback([options, &chosen] { chosen = [options] { return run_watch(*options); }; });
}

}  // namespace spikeloom::app
