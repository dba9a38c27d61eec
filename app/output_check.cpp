#include "app/output_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/output_target.h"

namespace spikeloom::app {
namespace {

constexpr const char* kFilesOfARun[] = {"environment.json", "metrics.jsonl", "recipe.toml", "result.json",
                                        "run.lock"};

/// What a new file is called is what others take it for.
void check_ending(const std::string& path, const std::string& suffix, const std::string& option) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (ending.empty() || ending == suffix || (suffix == ".html" && ending == ".htm")) return;
  throw ConfigError(
      fmt::format("{} {}: what is written is a {} file, not one of '{}'; choose a name that ends in {}",
                  option, path, suffix, ending, suffix));
}

}  // namespace

std::string output_path(const std::string& path) {
  if (path != "-") return path;
  static const int kept = [] {
    std::fflush(stdout);
    const int descriptor = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (descriptor < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
      throw DataError(std::string("standard output: ") + std::strerror(errno));
    }
    return descriptor;
  }();
  return "/dev/fd/" + std::to_string(kept);
}

void check_output(const std::string& path, const std::string& suffix, const std::string& option) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    if (!fs::exists(path, error)) check_ending(path, suffix, option);
    return;
  }
  // An open descriptor is written to, whatever file it leads to.
  if (resolve_output(path).kind == OutputTarget::Kind::kStream) return;
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
