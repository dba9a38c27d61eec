#pragma once
// Recordings for tests: made by hand, or drawn.
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <tuple>
#include <utility>
#include <vector>

#include "spikeloom/base/random.h"
#include "spikeloom/events/event.h"

namespace spikeloom::events {

inline auto parts_of(const Event& event) {
  return std::make_tuple(event.t_us, event.x, event.y, event.polarity);
}
inline bool operator==(const Event& a, const Event& b) { return parts_of(a) == parts_of(b); }
inline bool operator<(const Event& a, const Event& b) { return parts_of(a) < parts_of(b); }
inline std::ostream& operator<<(std::ostream& out, const Event& event) {
  return out << "{" << event.t_us << ", " << event.x << ", " << event.y << ", " << int{event.polarity} << "}";
}

inline bool is_sorted_by_time(const std::vector<Event>& events) {
  return std::is_sorted(events.begin(), events.end(),
                        [](const Event& a, const Event& b) { return a.t_us < b.t_us; });
}

inline bool all_inside(const EventStream& stream) {
  return std::all_of(stream.events.begin(), stream.events.end(), [&](const Event& event) {
    return event.x < stream.width && event.y < stream.height && event.polarity <= 1;
  });
}

/// Whether `part` is `whole` with events left out.
inline bool is_subsequence(const std::vector<Event>& part, const std::vector<Event>& whole) {
  auto at = whole.begin();
  for (const Event& event : part) {
    at = std::find(at, whole.end(), event);
    if (at == whole.end()) return false;
    ++at;
  }
  return true;
}

/// A recording sorted by time on a sensor of up to 12 x 9 pixels, dense enough for neighbours and for equal
/// times.
inline EventStream drawn_stream(int most_events = 80) {
  EventStream stream;
  stream.width = *rc::gen::inRange(1, 13);
  stream.height = *rc::gen::inRange(1, 10);
  const int count = *rc::gen::inRange(0, most_events + 1);
  std::int64_t t_us = *rc::gen::inRange<std::int64_t>(-3000, 3000);
  for (int i = 0; i < count; ++i) {
    t_us += *rc::gen::inRange<std::int64_t>(0, 400);
    Event event{};
    event.t_us = t_us;
    event.x = static_cast<std::uint16_t>(*rc::gen::inRange(0, stream.width));
    event.y = static_cast<std::uint16_t>(*rc::gen::inRange(0, stream.height));
    event.polarity = static_cast<std::uint8_t>(*rc::gen::inRange(0, 2));
    stream.events.push_back(event);
  }
  return stream;
}

inline RandomStream drawn_random() {
  return RandomStream(*rc::gen::arbitrary<std::uint64_t>(), RandomPurpose::kAugment);
}

inline EventStream stream_of(int width, int height, std::vector<Event> events) {
  return {width, height, std::move(events)};
}

}  // namespace spikeloom::events
