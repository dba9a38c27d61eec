#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "app/commands.h"
#include "app/output.h"
#include "app/output_check.h"
#include "app/run_details.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/report/page/page.h"
#include "spikeloom/report/run_folder.h"

namespace spikeloom::app {
namespace {

struct ReportOptions {
  std::vector<std::string> runs;
  std::string out;
  RunDetailsRequest details;
  bool no_samples = false;
  int threads = 0;
};

/// The run folders that the arguments mean: themselves, or those in them.
std::vector<std::string> folders_of(const std::vector<std::string>& arguments) {
  constexpr std::size_t kMost = 10000;
  std::vector<std::string> folders;
  for (const std::string& argument : arguments) {
    if (!std::filesystem::is_directory(argument) || report::is_run_folder(argument)) {
      folders.push_back(argument);
      continue;
    }
    const auto found = report::find_runs(argument, kMost);
    if (found.size() == kMost)
      print_warning(fmt::format("{}: only the first {} runs are shown", argument, with_separators(kMost)));
    if (found.empty()) folders.push_back(argument);  // read_run says what is missing
    folders.insert(folders.end(), found.begin(), found.end());
  }
  return folders;
}

int run_report(const ReportOptions& options) {
  const auto folders = folders_of(options.runs);
  std::vector<report::RunRecord> runs;
  // Of many runs only their curves are shown.
  report::ReadLimits limits;
  if (folders.size() > 1) limits.points = std::clamp<std::size_t>(50000 / folders.size(), 16, 512);
  for (const std::string& folder : folders) runs.push_back(report::read_run(folder, limits));
  if (runs.size() > 1 && (!options.details.rasters.empty() || !options.details.split.empty())) {
    throw ConfigError(
        "--sample and --split are for the report of one run; of several their curves are shown");
  }
  std::string out = output_path(options.out), page;
  if (runs.size() == 1) {
    if (out.empty()) out = runs[0].path + "/report.html";
    check_output(out, ".html", "--out");
    RunDetailsRequest request = options.details;
    request.run_samples = !options.no_samples;
    request.threads = options.threads > 0 ? options.threads : num_threads();
    const auto details = gather_details(runs[0], request);
    for (const auto& note : details.notes) print_warning(note);
    page = report::make_page(runs[0].name + " - Spikeloom report", report::run_page_data(runs[0], details));
  } else {
    if (out.empty()) out = "report.html";
    check_output(out, ".html", "--out");
    page = report::make_page(fmt::format("{} runs - Spikeloom report", runs.size()),
                             report::comparison_data(runs));
  }
  for (const auto& run : runs)
    for (const auto& problem : run.problems) print_warning(run.path + ": " + problem);
  write_text_file(out, page);
  const std::string shown = options.out == "-" ? "standard output" : one_line(out);
  print_line(stdout, fmt::format("report   {} ({} kB)", shown, (page.size() + 999) / 1000));
  return kOk;
}

}  // namespace

void add_report(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<ReportOptions>();
  auto* command = program.add_subcommand(
      "report", "What trainings learned, how their networks fire and what they cost, as one HTML file");
  command->add_option("runs", options->runs, "Run folders, or folders that hold some")
      ->required()
      ->type_name("RUN")
      ->check(not_empty());
  command
      ->add_option("--out", options->out,
                   "The file to write (default: RUN/report.html, of several runs report.html)")
      ->type_name("FILE.html")
      ->check(not_empty());
  command
      ->add_option("--samples", options->details.samples,
                   "How many samples, evenly spaced, to run through the network; 0: all")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 30));
  command
      ->add_option("--sample", options->details.rasters,
                   "Show the spikes of this sample of the part, from 0 on; may be repeated (default: one of "
                   "each of four classes)")
      ->type_name("N")
      ->allow_extra_args(false)
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40));
  command
      ->add_option(
          "--split", options->details.split,
          "Part of the set that the samples are from (default: test if the run was tested, else validation)")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  command->add_flag("--no-samples", options->no_samples, "Run no samples: show what the folder says");
  command
      ->add_option("--data-dir", options->details.data_dir,
                   "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--threads", options->threads, "Threads (default: all)")->check(CLI::Range(1, 1024));
  command->footer(
      "The file needs no network and no other file. Of one run it shows everything, of several their "
      "curves,\n"
      "the differences between their recipes and accuracy against cost (docs/report.md).");
  command->callback([options, &chosen] { chosen = [options] { return run_report(*options); }; });
}

}  // namespace spikeloom::app
