#include "app/output_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "spikeloom/base/errors.h"

namespace spikeloom::app {
namespace {

constexpr const char* kFilesOfARun[] = {"environment.json", "metrics.jsonl", "recipe.toml", "result.json",
                                        "run.lock"};

}  // namespace

void check_output(const std::string& path, const std::string& suffix, const std::string& option) {
  namespace fs = std::filesystem;
  if (path == "-") {
    throw ConfigError(fmt::format("{} -: give the name of a file (/dev/stdout is standard output)", option));
  }
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return;
  // What a link leads to would be replaced, whatever the link is called.
  const fs::path real = fs::canonical(path, error);
  const fs::path file = error ? fs::path(path) : real;
  const bool of_a_run = std::find(std::begin(kFilesOfARun), std::end(kFilesOfARun),
                                  file.filename().string()) != std::end(kFilesOfARun) ||
                        file.extension() == ".safetensors";
  if (file.extension() == suffix && !of_a_run) return;
  const std::string target = fs::is_symlink(path, error) ? " (a link to " + file.string() + ")" : "";
  throw ConfigError(
      fmt::format("{} {}{}: that file already exists and is not an earlier {} file; choose another name",
                  option, path, target, suffix));
}

void check_not_input(const std::string& path, const std::string& input, const std::string& option) {
  std::error_code error;
  if (!std::filesystem::equivalent(path, input, error) || error) return;
  throw ConfigError(
      fmt::format("{} {}: that is the input itself, which would be lost; choose another name", option, path));
}

}  // namespace spikeloom::app
