#include "spikeloom/report/run_labels.h"

#include <algorithm>
#include <filesystem>
#include <map>

namespace spikeloom::report {
namespace {

namespace fs = std::filesystem;

/// The parts of the run's absolute path.
std::vector<std::string> parts_of(const RunRecord& run) {
  std::error_code error;
  fs::path whole = fs::absolute(run.path, error);
  if (error) whole = run.path;
  std::vector<std::string> parts;
  for (const auto& part : whole.lexically_normal()) {
    if (!part.empty() && part != "/") parts.push_back(part.string());
  }
  if (parts.empty()) parts.push_back(run.name);
  return parts;
}

/// The last `count` parts.
std::string tail_of(const std::vector<std::string>& parts, std::size_t count) {
  std::string text;
  for (std::size_t i = parts.size() - std::min(count, parts.size()); i < parts.size(); ++i)
    text += (text.empty() ? "" : "/") + parts[i];
  return text;
}

}  // namespace

std::vector<std::string> run_labels(const std::vector<RunRecord>& runs) {
  std::vector<std::string> labels;
  std::map<std::string, std::vector<std::size_t>> of_name;
  for (const RunRecord& run : runs) {
    of_name[run.name].push_back(labels.size());
    labels.push_back(run.name);
  }
  for (const auto& [name, group] : of_name) {
    if (group.size() < 2) continue;
    std::map<std::vector<std::string>, std::vector<std::size_t>> of_path;
    std::size_t deepest = 0;
    for (const std::size_t i : group) {
      auto parts = parts_of(runs[i]);
      deepest = std::max(deepest, parts.size());
      of_path[std::move(parts)].push_back(i);
    }
    for (std::size_t count = 1; count <= deepest; ++count) {
      std::map<std::string, int> taken;
      for (const auto& one : of_path) ++taken[tail_of(one.first, count)];
      if (taken.size() < of_path.size() && count < deepest) continue;
      for (const auto& [parts, same] : of_path) {
        for (std::size_t k = 0; k < same.size(); ++k)
          labels[same[k]] = tail_of(parts, count) + (k > 0 ? " (" + std::to_string(k + 1) + ")" : "");
      }
      break;
    }
  }
  return labels;
}

}  // namespace spikeloom::report
