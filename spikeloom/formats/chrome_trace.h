#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace spikeloom::formats {

/// A profile in the Chrome trace event format, which Perfetto (ui.perfetto.dev) and chrome://tracing open:
/// spans of time on threads, and counters. Times in microseconds from any beginning. Source: "Trace Event
/// Format", the JSON object form; complete events (X), counters (C), metadata (M).
class ChromeTrace {
 public:
  /// What all of it is a profile of.
  void name_process(const std::string& name);
  /// The thread that following spans with this number are on.
  void name_thread(int thread, const std::string& name);
  using Arguments = std::vector<std::pair<std::string, std::string>>;
  void span(int thread, const std::string& name, const std::string& category, double begin_us,
            double duration_us, const Arguments& arguments = {});
  /// Viewers show name and unit after each other.
  void counter(const std::string& name, const std::string& unit, double time_us, double value);
  /// The whole as JSON. Bytes that are not UTF-8 are replaced.
  std::string to_json() const;

 private:
  struct Event {
    char phase;
    int thread;                  ///< 0 of counters and of the process
    std::string name, category;  ///< of a counter: its unit
    double begin_us, duration_us;
    Arguments arguments;
    double value;
  };
  std::vector<Event> events_;
};

}  // namespace spikeloom::formats
