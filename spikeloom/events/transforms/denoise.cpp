#include "spikeloom/events/transforms/denoise.h"

#include <fmt/format.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/keep.h"

namespace spikeloom::events {

BackgroundFilter::BackgroundFilter(SensorSize sensor, std::int64_t filter_us)
    : filter_us_(static_cast<std::uint64_t>(filter_us)), last_(sensor) {
  if (filter_us < 1)
    throw ConfigError(fmt::format("must be at least 1, not {}", filter_us), "", 0, "filter_us");
}

std::size_t BackgroundFilter::apply(Event* events, std::size_t count) {
  const auto row = static_cast<std::ptrdiff_t>(last_.row());
  return keep_events(events, count, [&](const Event& event) {
    if (!last_.holds(event.x, event.y)) refuse_outside(event, last_.sensor());
    std::uint64_t* const pixel = last_.at(event.x, event.y);
    const std::uint64_t now = nonzero_time(event.t_us);
    *pixel = now;
    // A time in the map may lie ahead of now only where the recording is not sorted; that counts as recent.
    const auto is_recent = [&](std::uint64_t last) {
      return (last != 0) & ((last >= now) | (now - last < filter_us_));
    };
    return (is_recent(pixel[-1]) | is_recent(pixel[1]) | is_recent(pixel[-row]) | is_recent(pixel[row])) != 0;
  });
}

void drop_background(EventStream& stream, std::int64_t filter_us) {
  BackgroundFilter filter({stream.width, stream.height}, filter_us);
  stream.events.resize(filter.apply(stream.events.data(), stream.events.size()));
}

}  // namespace spikeloom::events
