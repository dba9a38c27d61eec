#include "spikeloom/base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

namespace spikeloom {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

void lower(MemoryLimit* limit, std::int64_t bytes, const std::string& what) {
  if (bytes >= limit->bytes) return;
  *limit = {bytes, what};
}

/// The number in a file that holds nothing else; kUnlimited for "max", no number or no file.
std::int64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value && value > 0 ? value : kUnlimited;
}

/// A line "KEY:   123 kB" of a file, in bytes; 0 if it is not there.
std::int64_t kilobytes_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ":", 0) != 0) continue;
    std::istringstream text(line.substr(key.size() + 1));
    std::int64_t value = 0;
    return text >> value && value > 0 && value < kUnlimited / 1024 ? value * 1024 : 0;
  }
  return 0;
}

std::int64_t limit_of(int resource) {
  struct rlimit limit {};
  if (::getrlimit(static_cast<decltype(RLIMIT_AS)>(resource), &limit) != 0) return kUnlimited;
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > static_cast<rlim_t>(kUnlimited)) return kUnlimited;
  return static_cast<std::int64_t>(limit.rlim_cur);
}

/// A group's limit holds for all groups below it: each folder up to the top is looked at.
void look_at_groups(const std::string& folder, std::string group, const char* file, MemoryLimit* limit) {
  while (true) {
    std::string path = folder;
    path += group;
    path += '/';
    path += file;
    lower(limit, number_in(path), "the memory limit of this control group (container or batch job)");
    if (group.empty()) return;
    group.resize(group.find_last_of('/'));
  }
}

void look_at_control_groups(const std::string& root, MemoryLimit* limit) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "0::/a/b" (version 2), "4:memory:/a/b" (version 1)
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || second + 1 >= line.size() || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    const std::string groups = root + "/sys/fs/cgroup";
    if (controllers.empty()) look_at_groups(groups, group, "memory.max", limit);
    if (controllers == "memory") look_at_groups(groups + "/memory", group, "memory.limit_in_bytes", limit);
  }
}

}  // namespace

MemoryLimit memory_limit(const std::string& root) {
  MemoryLimit limit{kUnlimited, "this machine's memory"};
  const std::string meminfo = root + "/proc/meminfo", status = root + "/proc/self/status";
  if (const std::int64_t total = kilobytes_of(meminfo, "MemTotal")) {
    lower(&limit, total + kilobytes_of(meminfo, "SwapTotal"), "this machine's memory");
  }
  const std::int64_t address_space = limit_of(RLIMIT_AS);
  if (address_space != kUnlimited) {
    // Libraries and stacks are mapped without being used: they leave less for what is allocated.
    const std::int64_t mapped = kilobytes_of(status, "VmSize"), resident = kilobytes_of(status, "VmRSS");
    lower(&limit, std::max<std::int64_t>(address_space - mapped, 0) + resident,
          "the limit on address space (ulimit -v)");
  }
  lower(&limit, limit_of(RLIMIT_DATA), "the limit on data (ulimit -d)");
  look_at_control_groups(root, &limit);
  return limit;
}

std::string memory_text(std::int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1e6;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  char text[40];
  std::snprintf(text, sizeof text, value >= 99.95 || unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace spikeloom
