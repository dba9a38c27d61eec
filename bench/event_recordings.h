#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

/// Made-up recordings of every event format in files of a folder, each made when it is first asked for and
/// not there. They hold what cameras give: a little time between events, now and then some neighbours of one
/// row at once.
class EventRecordings {
 public:
  /// `num_events` in records of cameras' formats, a fifth of it in text and arrays, which are slower.
  EventRecordings(std::filesystem::path folder, std::int64_t num_events);

  /// "dat/304" (format and width), "csv/seconds" (format and layout), ...
  static std::vector<std::string> names();
  /// The file of one of them. Throws std::runtime_error if it cannot be written.
  std::string path(const std::string& name);

 private:
  std::filesystem::path folder_;
  std::int64_t num_events_;
  std::map<std::string, std::string> made_;
};
