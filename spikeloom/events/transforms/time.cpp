#include "spikeloom/events/transforms/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/keep.h"

namespace spikeloom::events {
namespace {

bool is_earlier(const Event& a, const Event& b) { return a.t_us < b.t_us; }

struct TimeRange {
  std::int64_t first_us, last_us;
};

/// Of a recording that has events.
TimeRange time_range(const EventStream& stream) {
  const auto range = std::minmax_element(stream.events.begin(), stream.events.end(), is_earlier);
  return {range.first->t_us, range.second->t_us};
}

/// Throws unless last - first fits 64 bits with a sign.
void check_duration(const TimeRange& range) {
  const std::uint64_t duration =
      static_cast<std::uint64_t>(range.last_us) - static_cast<std::uint64_t>(range.first_us);
  if (duration <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return;
  throw DataError(
      fmt::format("the recording runs from {} us to {} us: its duration does not fit into 64 bits",
                  range.first_us, range.last_us));
}

}  // namespace

void skew_time(EventStream& stream, double coefficient, double offset_us) {
  if (!(coefficient >= 0.0) || !std::isfinite(coefficient)) {
    throw ConfigError(fmt::format("must be at least 0 and finite, not {}", coefficient), "", 0,
                      "coefficient");
  }
  if (!std::isfinite(offset_us)) {
    throw ConfigError(fmt::format("must be finite, not {}", offset_us), "", 0, "offset_us");
  }
  const auto skewed = [&](std::int64_t t_us) { return static_cast<double>(t_us) * coefficient + offset_us; };
  if (stream.events.empty() || (coefficient == 1.0 && offset_us == 0.0)) return;
  constexpr double kBound = 0x1p63;
  const TimeRange range = time_range(stream);
  for (const std::int64_t t_us : {range.first_us, range.last_us}) {
    if (std::abs(skewed(t_us)) >= kBound) {
      throw DataError(fmt::format("time {} us times {} plus {} us does not fit into 64 bits", t_us,
                                  coefficient, offset_us));
    }
  }
  // Not llround: a function call an event. Between the two checked ends every result fits.
  for (Event& event : stream.events) {
    const double t_us = skewed(event.t_us);
    event.t_us = static_cast<std::int64_t>(t_us < 0 ? t_us - 0.5 : t_us + 0.5);
  }
}

void align_time(EventStream& stream) {
  if (stream.events.empty()) return;
  const TimeRange range = time_range(stream);
  check_duration(range);
  for (Event& event : stream.events) event.t_us -= range.first_us;
}

void reverse_time(EventStream& stream) {
  if (stream.events.empty()) return;
  const TimeRange range = time_range(stream);
  check_duration(range);
  for (Event& event : stream.events) event.t_us = range.last_us - event.t_us;
  std::reverse(stream.events.begin(), stream.events.end());
}

void crop_time(EventStream& stream, std::int64_t first_us, std::int64_t last_us) {
  keep_events(stream, [=](const Event& event) { return event.t_us >= first_us && event.t_us <= last_us; });
}

void sort_by_time(EventStream& stream) {
  if (std::is_sorted(stream.events.begin(), stream.events.end(), is_earlier)) return;
  std::stable_sort(stream.events.begin(), stream.events.end(), is_earlier);
}

}  // namespace spikeloom::events
