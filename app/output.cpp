#include "app/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <mutex>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"

namespace spikeloom::app {

void print_line(std::FILE* stream, const std::string& text) { print_text(stream, text + "\n"); }

void print_text(std::FILE* stream, const std::string& text) {
  const bool failed = std::fputs(text.c_str(), stream) < 0 || std::fflush(stream) != 0;
  if (failed && stream == stdout)
    throw DataError(std::string("cannot write the output: ") + std::strerror(errno));
}

void print_json(const nlohmann::ordered_json& json, std::FILE* stream) {
  print_line(stream, json_text(json, 2, BadText::kReplace));
}

void print_warning(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> seen;
  const std::lock_guard<std::mutex> lock(mutex);
  if (!seen.insert(text).second) return;
  // A progress line may stand there.
  std::fprintf(stderr, "%sspikeloom: warning: %s\n", is_terminal(stderr) ? "\r\033[K" : "",
               one_line(text).c_str());
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string with_prefix(double value) {
  constexpr std::array<const char*, 5> kPrefixes = {"", " k", " M", " G", " T"};
  std::size_t i = 0;
  while (std::abs(value) >= 1000.0 && i + 1 < kPrefixes.size()) {
    value /= 1000.0;
    ++i;
  }
  return i == 0 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}{}", value, kPrefixes[i]);
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(0.0, std::min(seconds, 1e9))));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool align_right = i < right.size() && right[i];
      line +=
          align_right ? fmt::format("{:>{}}", row[i], widths[i]) : fmt::format("{:<{}}", row[i], widths[i]);
      if (i + 1 < row.size()) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  if (!text.empty()) text.pop_back();
  return text;
}

bool is_terminal(std::FILE* stream) { return ::isatty(::fileno(stream)) == 1; }

}  // namespace spikeloom::app
