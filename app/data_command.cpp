#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/output.h"
#include "app/recipe_search.h"
#include "app/training_display.h"
#include "app/usage_error.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/config/toml.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/fetch.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

struct DataOptions {
  std::vector<std::string> words;
  std::string data_dir;
  std::string from, folder;
  std::vector<std::string> overrides;
  bool quick = false;
  bool json = false;
};

std::string state_of(const data::VerifyReport& report) {
  if (!report.found) return "not found";
  return report.damaged() ? "damaged" : report.complete ? "complete" : "incomplete";
}

ordered_json report_json(const std::string& name, const data::VerifyReport& report) {
  const auto& info = data::dataset_info(name);
  ordered_json counts = ordered_json::object();
  for (const auto& count : report.counts) {
    counts[count.name] = {
        {"found", count.found}, {"expected", count.expected}, {"per_class", count.per_class}};
  }
  ordered_json checks = ordered_json::array();
  for (const auto& check : report.checks) {
    checks.push_back(
        {{"path", check.path}, {"ok", check.ok}, {"missing", check.missing}, {"message", check.message}});
  }
  return {{"name", name},
          {"title", info.title},
          {"found", report.found},
          {"complete", report.complete},
          {"state", state_of(report)},
          {"class_names", report.class_names},
          {"root", report.root},
          {"counts", counts},
          {"checks", checks},
          {"how_to_get", info.how_to_get},
          {"home_page", info.home_page},
          {"licence", info.licence},
          {"citation", info.citation}};
}

/// The end of a long text, which says more of a path than its beginning.
std::string shortened(const std::string& text, std::size_t most) {
  return text.size() <= most ? text : "..." + text.substr(text.size() - most + 3);
}

std::string counts_text(const data::VerifyReport& report) {
  std::string text;
  for (const auto& count : report.counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count.name, with_separators(count.found));
    if (count.expected != count.found) text += " of " + with_separators(count.expected);
  }
  return text;
}

void print_search_order(const DataOptions& options) {
  const char* variable = std::getenv("SPIKELOOM_DATA_DIR");
  print_line(stdout,
             options.data_dir.empty()
                 ? fmt::format(
                       "looked for in: SPIKELOOM_DATA_DIR ({}), ./data, system folders; --data-dir DIR looks "
                       "in DIR only\n",
                       variable == nullptr ? "not set" : variable)
                 : fmt::format("looked for in: {} only (--data-dir)\n", options.data_dir));
}

/// A set in two lines.
void print_summary(const std::string& name, const DataOptions& options) {
  const auto& info = data::dataset_info(name);
  print_line(stdout, fmt::format("{:<14} {}", name, info.description));
  if (info.is_users_own) return;
  const auto location = data::locate_dataset(name, options.data_dir);
  print_line(stdout, fmt::format("{:<14} {}", "",
                                 !location.empty() ? "found in " + location
                                 : info.downloads.empty()
                                     ? "not found; how to get it: spikeloom data " + name
                                     : "not found; to download it: spikeloom data fetch " + name));
}

/// All that is known of a set.
void print_dataset(const std::string& name, const DataOptions& options) {
  const auto& info = data::dataset_info(name);
  const auto line = [](const char* what, const std::string& text) {
    print_line(stdout, fmt::format("{:<14} {}", what, text));
  };
  line(name.c_str(), info.description);
  if (!info.is_users_own) {
    const auto location = data::locate_dataset(name, options.data_dir);
    line("  where", location.empty() ? "not found" : location);
  }
  line("  files", info.layout);
  line("  to get it", info.how_to_get);
  if (!info.is_users_own) {
    line("  home page", info.home_page);
    line("  licence", info.licence);
    line("  to cite", info.citation);
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
  for (const auto& name : data::dataset_names()) print_summary(name, options);
  print_line(
      stdout,
      "\n'spikeloom data NAME' says more about a set, 'spikeloom data fetch NAME' downloads it,\n"
      "'spikeloom data verify [NAME ...]' reads the sets that were found and checks counts and hashes.");
  return kOk;
}

/// What is to be verified: a registered name, or the data of a recipe, with what the options add.
data::DataSettings settings_of(const std::string& word, const DataOptions& options) {
  const auto names = data::dataset_names();
  const bool is_set = std::find(names.begin(), names.end(), word) != names.end();
  const std::string recipe = is_set ? "" : try_find_recipe(word);
  if (!is_set && recipe.empty()) data::dataset_info(word);  // throws, listing the names
  std::vector<std::string> overrides;
  if (is_set) {
    refuse_said_twice(options.overrides, "data", "dataset", "the set '" + word + "'");
    overrides.push_back("data.dataset=" + config::quoted(word));
  }
  if (!options.folder.empty()) refuse_said_twice(options.overrides, "data", "folder", "--folder");
  for (const auto& assignment : options.overrides) {
    if (assignment.rfind("data.", 0) != 0) {
      throw ConfigError("'" + assignment + "' is not a key of [data]: give one such as data.format=dat-v1",
                        "--set");
    }
    overrides.push_back(assignment);
  }
  // Any structure: only the data is looked at.
  auto settings = is_set ? train::parse_recipe("[network]\nstructure = \"Voting\"\n", word, overrides).data
                         : train::load_recipe(recipe, overrides).data;
  if (!options.folder.empty()) settings.folder = options.folder;
  return settings;
}

std::string verdict(const data::VerifyReport& report) {
  const std::string counts = counts_text(report);
  if (report.damaged()) return "DAMAGED" + (counts.empty() ? "" : ": " + counts);
  if (report.complete) return "complete: " + counts;
  const std::string missing = report.missing_text();
  return "INCOMPLETE: " + (missing.empty() ? counts : missing);
}

/// Draws one line again on a terminal, nothing elsewhere.
data::VerifyProgress verify_progress(bool quiet) {
  const bool shown = !quiet && is_terminal(stderr);
  auto last = std::chrono::steady_clock::now();
  return [shown, last](const std::string& what, std::int64_t done, std::int64_t total) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (!shown || total < 1 || now - last < std::chrono::milliseconds(200)) return;
    last = now;
    print_text(stderr,
               fmt::format("\r\033[K{} {}/{} {}",
                           progress_bar(static_cast<double>(done) / static_cast<double>(total), 20),
                           with_separators(done), with_separators(total), shortened(one_line(what), 40)));
  };
}

const char* mark_of(const data::FileCheck& check) {
  if (check.ok) return check.message == "skipped" ? "-  " : "ok ";
  return check.missing ? "-- " : "BAD";
}

int verify(std::vector<std::string> names, const DataOptions& options) {
  const bool all = names.empty() && options.folder.empty();
  if (all) names = data::dataset_names();
  if (names.empty()) names.emplace_back("folder");
  bool good = true;
  ordered_json reports = ordered_json::array();
  for (const auto& name : names) {
    if (all && data::dataset_info(name).is_users_own) continue;  // nobody said where it is
    data::VerifyRequest request;
    request.settings = settings_of(name, options);
    request.data_dir = options.data_dir;
    request.depth = options.quick ? data::VerifyDepth::kQuick : data::VerifyDepth::kFull;
    request.progress = verify_progress(options.json);
    const auto report = data::verify_dataset(request);
    if (!options.json && is_terminal(stderr)) print_text(stderr, "\r\033[K");
    // A set that was asked for by name has to be there, and complete; of all sets what is not there is no
    // fault.
    good = good && (report.found ? report.complete : all);
    if (options.json) {
      reports.push_back(report_json(request.settings.dataset, report));
      continue;
    }
    if (!report.found) {
      print_line(stdout, fmt::format("{:<14} {}", name, report.message));
      continue;
    }
    print_line(stdout, fmt::format("{:<14} {} ({})", name, verdict(report), report.root));
    for (const auto& check : report.checks) {
      print_line(stdout, fmt::format("{:<14}   {}  {}: {}", "", mark_of(check), check.path, check.message));
    }
    const auto& info = data::dataset_info(request.settings.dataset);
    if (!report.complete && !report.damaged()) {
      print_line(stdout, fmt::format("{:<14} to get the rest: {}", "", info.how_to_get));
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
      ->add_option(
          "words", options->words,
          "nothing: list all sets; NAME ...: say more about these; verify [NAME|RECIPE ...]: read them and "
          "check counts and hashes; fetch NAME ...: download them")
      ->type_name("[verify|fetch] [NAME ...]");
  command
      ->add_option(
          "--data-dir", options->data_dir,
          "Folder that holds the data sets, the only one looked in (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  command
      ->add_option("--folder", options->folder,
                   "verify: your own data (set 'folder', 'image-folder' or 'image-array') in this place")
      ->type_name("PATH");
  command
      ->add_option(
          "--set", options->overrides,
          "verify: how your own data is read, as in a recipe, e.g. data.format=dat-v1; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
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
