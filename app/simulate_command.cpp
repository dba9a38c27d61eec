#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "app/commands.h"
#include "app/output.h"
#include "app/training_display.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/simulate.h"

namespace spikeloom::app {
namespace {

struct SimulateOptions {
  data::SimulateSettings settings;
  CommonOptions common;
  std::string out;
  bool json = false, quiet = false;
};

int run_simulate(const SimulateOptions& options) {
  using Clock = std::chrono::steady_clock;
  if (options.common.threads > 0) set_num_threads(options.common.threads);
  const bool draw = !options.quiet && is_terminal(stderr);
  const auto begin = Clock::now();
  auto drawn = begin;
  const auto result =
      data::simulate_dataset(options.settings, options.out, [&](std::int64_t done, std::int64_t all) {
        const auto now = Clock::now();
        if (!draw || (done < all && now - drawn < std::chrono::milliseconds(200))) return;
        drawn = now;
        print_text(stderr, fmt::format("\r{} {} of {}{}",
                                       progress_bar(static_cast<double>(done) / static_cast<double>(all), 30),
                                       with_separators(done), with_separators(all), done == all ? "\n" : ""));
      });
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (options.json) {
    print_json({{"simulated", true},
                {"out", options.out},
                {"format", result.format},
                {"recordings", result.recordings},
                {"events", result.events},
                {"on", result.on},
                {"off", result.events - result.on},
                {"seed", options.settings.seed},
                {"seconds", seconds}});
  } else {
    print_line(stdout, fmt::format("{} ({}) in {}: {}, {:.1f} % on, {}; {}/SIMULATED.txt "
                                   "says how they were made",
                                   counted(result.recordings, "simulated recording"), result.format,
                                   one_line(options.out), counted(result.events, "event"),
                                   100.0 * static_cast<double>(result.on) /
                                       static_cast<double>(result.events > 0 ? result.events : 1),
                                   duration(seconds), one_line(options.out)));
  }
  return kOk;
}

}  // namespace

void add_simulate(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<SimulateOptions>();
  data::SimulateSettings& settings = options->settings;
  auto* command = program.add_subcommand(
      "simulate", "Make simulated event recordings of images, as N-MNIST and DVS-CIFAR10 were recorded");
  command
      ->add_option("--dataset", settings.dataset,
                   "mnist, fashion-mnist (as N-MNIST) or cifar10 (as DVS-CIFAR10)")
      ->required()
      ->type_name("NAME");
  command
      ->add_option("--out", options->out,
                   "Folder to write: a new one, or that of the same simulation, which is then resumed")
      ->required()
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--first", settings.first, "Number of the first recording; number k shows image k - 1")
      ->capture_default_str();
  command->add_option("--count", settings.count, "Recordings (default: all from the first on)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  command->add_flag("--test", settings.test_part, "Images of the test part");
  command->add_option("--seed", settings.seed, "Seed of the noise and of the sensor")->capture_default_str();
  command->add_flag(
      "--sensor-per-recording", settings.sensor_per_recording,
      "Differences between pixels drawn anew for each recording, instead of one sensor for all");
  command
      ->add_option("--data-dir", settings.data_dir,
                   "Folder that holds the images (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--threads", options->common.threads, "Threads (default: all)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--json", options->json, "Print the result as JSON on standard output");
  command->add_flag("--quiet", options->quiet, "Do not show progress");
  command->callback([options, &chosen] { chosen = [options] { return run_simulate(*options); }; });
}

}  // namespace spikeloom::app
