#include "spikeloom/train/machine/environment_log.h"

#include <sched.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"

namespace spikeloom::train {
namespace {

using Json = nlohmann::ordered_json;

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  struct tm utc {};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &utc));
  return text;
}

/// The sessions in a file, in their order. Throws DataError if it is damaged.
Json read_sessions(const std::string& path) {
  if (!std::filesystem::exists(path)) return Json::array();
  const Json json = try_parse_ordered_json(read_text_file(path));
  const bool is_list = json.is_object() && json.contains("sessions");
  if (!json.is_object() || (is_list && !json["sessions"].is_array())) {
    throw DataError(path + ": is damaged, so no session can be added; move it away to resume without it");
  }
  return is_list ? json["sessions"] : Json::array({json});
}

}  // namespace

void append_session(const std::string& path, std::int64_t iteration,
                    const std::vector<std::pair<std::string, std::string>>& environment) {
  Json sessions = read_sessions(path);
  Json session = {{"time", time_now()}, {"iteration", iteration}};
  for (const auto& [name, value] : environment) session[name] = value;
  sessions.push_back(session);
  const Json json = {{"sessions", sessions}};
  write_text_file(path, json_text(json, 2, BadText::kReplace) + "\n");
}

int recorded_threads(const std::string& path) {
  try {
    const Json sessions = read_sessions(path);
    if (sessions.empty()) return 0;
    const int count = std::stoi(sessions.front().at("threads").get<std::string>());
    return count >= 1 && count <= 1024 ? count : 0;
  } catch (const std::exception&) {  // said by append_session
    return 0;
  }
}

int recorded_processes(const std::string& path) {
  try {
    const Json sessions = read_sessions(path);
    return sessions.empty() ? 1 : std::stoi(sessions.front().value("processes", "1"));
  } catch (const std::exception&) {
    return 1;
  }
}

ResumeThreads resume_threads(int recorded, int asked, int available) {
  ResumeThreads result;
  result.threads = asked > 0 ? asked : recorded;
  if (recorded == 0 || recorded == asked) return result;
  const std::string began =
      "the run began with " + std::to_string(recorded) + " thread" + (recorded == 1 ? "" : "s");
  if (asked > 0) {
    result.warning = began + " and is resumed with " + std::to_string(asked) +
                     ", as asked for: its numbers will differ in their last digits from those of an "
                     "uninterrupted run";
  } else if (recorded > available) {
    result.threads = available;
    result.warning = began + " and this process has " + std::to_string(available) +
                     " processors: it is resumed with " + std::to_string(available) +
                     ", and its numbers will differ in their last digits from those of an uninterrupted run "
                     "(--threads " +
                     std::to_string(recorded) + " keeps them, slowly)";
  }
  return result;
}

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace spikeloom::train
