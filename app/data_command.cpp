#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/output.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/fetch.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

struct DataOptions {
  std::vector<std::string> words;
  std::string data_dir;
  std::string from;
  bool quick = false;
  bool json = false;
};

ordered_json report_json(const std::string& name, const data::VerifyReport& report) {
  const auto& info = data::dataset_info(name);
  ordered_json counts = ordered_json::object();
  for (const auto& count : report.counts) {
    counts[count.name] = {
        {"found", count.found}, {"expected", count.expected}, {"per_class", count.per_class}};
  }
  ordered_json checks = ordered_json::array();
  for (const auto& check : report.checks) {
    checks.push_back({{"path", check.path}, {"ok", check.ok}, {"message", check.message}});
  }
  return {{"name", name},
          {"title", info.title},
          {"found", report.found},
          {"complete", report.complete},
          {"root", report.root},
          {"counts", counts},
          {"checks", checks},
          {"how_to_get", info.how_to_get},
          {"home_page", info.home_page},
          {"licence", info.licence},
          {"citation", info.citation}};
}

std::string counts_text(const data::VerifyReport& report) {
  std::string text;
  for (const auto& count : report.counts) {
    text += fmt::format("{}{} {} of {}", text.empty() ? "" : ", ", count.name, with_separators(count.found),
                        with_separators(count.expected));
  }
  return text;
}

void print_search_order(const DataOptions& options) {
  const char* variable = std::getenv("SPIKELOOM_DATA_DIR");
  print_line(stdout,
             fmt::format("looked for in: --data-dir ({}), SPIKELOOM_DATA_DIR ({}), ./data, system folders\n",
                         options.data_dir.empty() ? "not given" : options.data_dir,
                         variable == nullptr ? "not set" : variable));
}

void print_dataset(const std::string& name, const DataOptions& options) {
  const auto& info = data::dataset_info(name);
  const auto location = data::locate_dataset(name, options.data_dir);
  print_line(stdout, fmt::format("{:<14} {}", name, info.description));
  if (!location.empty()) {
    print_line(stdout, fmt::format("{:<14} found in {}", "", location));
  } else {
    print_line(stdout, fmt::format("{:<14} not found; {}", "", info.how_to_get));
    print_line(stdout, fmt::format("{:<14} {}; layout: {}", "", info.home_page, info.layout));
  }
  print_line(stdout, "");
}

int list(const DataOptions& options) {
  if (options.json) {
    ordered_json sets = ordered_json::array();
    for (const auto& name : data::dataset_names()) {
      const auto& info = data::dataset_info(name);
      const auto location = data::locate_dataset(name, options.data_dir);
      sets.push_back({{"name", name},
                      {"title", info.title},
                      {"description", info.description},
                      {"found", !location.empty()},
                      {"root", location},
                      {"layout", info.layout},
                      {"how_to_get", info.how_to_get},
                      {"home_page", info.home_page},
                      {"licence", info.licence},
                      {"citation", info.citation}});
    }
    print_json(sets);
    return kOk;
  }
  print_search_order(options);
  for (const auto& name : data::dataset_names()) print_dataset(name, options);
  print_line(stdout,
             "'spikeloom data verify [NAME ...]' reads the sets that are here and checks counts and hashes.");
  return kOk;
}

int verify(std::vector<std::string> names, const DataOptions& options) {
  const bool all = names.empty();
  if (all) names = data::dataset_names();
  bool good = true;
  ordered_json reports = ordered_json::array();
  for (const auto& name : names) {
    const auto report = data::verify_dataset(
        name, options.data_dir, options.quick ? data::VerifyDepth::kQuick : data::VerifyDepth::kFull);
    bool damaged = false;
    for (const auto& check : report.checks) damaged = damaged || !check.ok;
    // A set that was asked for by name has to be there; of all sets only what is there is judged.
    good = good && !damaged && (all || report.found);
    if (options.json) {
      reports.push_back(report_json(name, report));
      continue;
    }
    if (!report.found) {
      print_line(stdout, fmt::format("{:<14} {}", name, report.message));
      continue;
    }
    print_line(stdout, fmt::format("{:<14} {}: {} ({})", name,
                                   damaged           ? "DAMAGED"
                                   : report.complete ? "complete"
                                                     : "incomplete",
                                   counts_text(report), report.root));
    for (const auto& check : report.checks) {
      print_line(stdout,
                 fmt::format("{:<14}   {}  {}: {}", "", check.ok ? "ok " : "BAD", check.path, check.message));
    }
  }
  if (options.json) print_json(reports);
  return good ? kOk : kData;
}

/// One line that is drawn again on a terminal, nothing elsewhere.
data::FetchProgress fetch_progress(bool quiet) {
  const bool shown = !quiet && is_terminal(stderr);
  auto last = std::chrono::steady_clock::time_point{};
  return [shown, last](const std::string& action, const std::string& file, std::int64_t done,
                       std::int64_t total) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (!shown || now - last < std::chrono::milliseconds(200)) return true;
    last = now;
    const std::string of = total > 0 ? fmt::format(" of {}B", with_prefix(static_cast<double>(total))) : "";
    const std::string bar =
        total > 0 ? progress_bar(static_cast<double>(done) / static_cast<double>(total), 20) + " " : "";
    std::fprintf(
        stderr, "\r\033[K%s",
        fmt::format("{} {} {}{}B{}", action, file, bar, with_prefix(static_cast<double>(done)), of).c_str());
    std::fflush(stderr);
    return true;
  };
}

int fetch(const std::vector<std::string>& names, const DataOptions& options) {
  if (names.empty()) throw ConfigError("data fetch: name the sets to fetch; 'spikeloom data' lists them");
  ordered_json reports = ordered_json::array();
  for (const auto& name : names) {
    const auto report =
        data::fetch_dataset({name, options.data_dir, options.from}, fetch_progress(options.json));
    if (!options.json && is_terminal(stderr)) std::fputs("\r\033[K", stderr);
    if (options.json) {
      reports.push_back({{"name", name}, {"folder", report.folder}, {"files", report.files}});
      continue;
    }
    print_line(stdout, fmt::format("{:<14} in {}", name, report.folder));
    for (const auto& line : report.files) print_line(stdout, fmt::format("{:<14}   {}", "", line));
  }
  if (options.json) print_json(reports);
  return kOk;
}

int run_data(const DataOptions& options) {
  if (options.words.empty()) return list(options);
  if (options.words.front() == "verify")
    return verify({options.words.begin() + 1, options.words.end()}, options);
  if (options.words.front() == "fetch")
    return fetch({options.words.begin() + 1, options.words.end()}, options);
  if (options.words.front() == "list" && options.words.size() == 1) return list(options);
  for (const auto& name : options.words) print_dataset(name, options);  // an unknown name is an error there
  return kOk;
}

}  // namespace

void add_data(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<DataOptions>();
  auto* command = program.add_subcommand(
      "data", "List the data sets, where they are looked for and how to get them; verify them");
  command
      ->add_option("words", options->words,
                   "nothing: list all; NAME ...: say more of these; verify [NAME ...]: read and check; "
                   "fetch NAME ...: download")
      ->type_name("[verify|fetch] [NAME ...]");
  command
      ->add_option("--data-dir", options->data_dir,
                   "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR");
  command->add_flag("--quick", options->quick, "verify: count files and compare sizes, read nothing");
  command
      ->add_option("--from", options->from,
                   "fetch: a folder on the web that holds the files under their published names, instead of "
                   "the official places")
      ->type_name("URL");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return run_data(*options); }; });
}

}  // namespace spikeloom::app
