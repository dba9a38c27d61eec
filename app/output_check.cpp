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
  const fs::path file(path);
  const bool of_a_run = std::find(std::begin(kFilesOfARun), std::end(kFilesOfARun),
                                  file.filename().string()) != std::end(kFilesOfARun) ||
                        file.extension() == ".safetensors";
  if (file.extension() == suffix && !of_a_run) return;
  throw ConfigError(
      fmt::format("{} {}: that file already exists and is not an earlier {} file; choose another name",
                  option, path, suffix));
}

}  // namespace spikeloom::app
