#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

struct DataOptions {
  std::vector<std::string> words;
  std::string data_dir;
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
    const auto report = data::verify_dataset(name, options.data_dir);
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

int run_data(const DataOptions& options) {
  if (options.words.empty()) return list(options);
  if (options.words.front() == "verify")
    return verify({options.words.begin() + 1, options.words.end()}, options);
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
                   "nothing: list all; NAME ...: say more of these; verify [NAME ...]: read and check")
      ->type_name("[verify] [NAME ...]");
  command
      ->add_option("--data-dir", options->data_dir,
                   "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return run_data(*options); }; });
}

}  // namespace spikeloom::app
