#include "spikeloom/formats/chrome_trace.h"

#include <nlohmann/json.hpp>

#include "spikeloom/base/json_text.h"

namespace spikeloom::formats {

void ChromeTrace::name_process(const std::string& name) {
  events_.push_back({'M', 0, name, "", 0.0, 0.0, {}, 0.0});
}

void ChromeTrace::name_thread(int thread, const std::string& name) {
  events_.push_back({'M', thread, name, "", 0.0, 0.0, {}, 0.0});
}

void ChromeTrace::span(int thread, const std::string& name, const std::string& category, double begin_us,
                       double duration_us, const Arguments& arguments) {
  events_.push_back({'X', thread, name, category, begin_us, duration_us, arguments, 0.0});
}

void ChromeTrace::counter(const std::string& name, const std::string& unit, double time_us, double value) {
  events_.push_back({'C', 0, name, unit, time_us, 0.0, {}, value});
}

std::string ChromeTrace::to_json() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Event& event : events_) {
    nlohmann::ordered_json json = {{"ph", std::string(1, event.phase)}, {"pid", 1}};
    if (event.phase == 'M') {
      if (event.thread != 0) json["tid"] = event.thread;
      json["name"] = event.thread != 0 ? "thread_name" : "process_name";
      json["args"] = {{"name", event.name}};
    } else {
      json["name"] = event.name;
      json["ts"] = event.begin_us;
    }
    if (event.phase == 'C') json["args"] = {{event.category, event.value}};
    if (event.phase == 'X') {
      json["tid"] = event.thread;
      json["cat"] = event.category;
      json["dur"] = event.duration_us;
      json["args"] = nlohmann::ordered_json::object();
      for (const auto& [key, value] : event.arguments) json["args"][key] = value;
    }
    list.push_back(std::move(json));
  }
  const nlohmann::ordered_json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(list)}};
  return json_text(trace, -1, BadText::kReplace);
}

}  // namespace spikeloom::formats
