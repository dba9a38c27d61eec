#include "spikeloom/events/transforms/refractory.h"

#include <fmt/format.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/keep.h"

namespace spikeloom::events {

RefractoryFilter::RefractoryFilter(SensorSize sensor, const RefractoryPeriod& settings)
    : settings_(settings), last_(sensor) {
  if (settings.period_us < 0) {
    throw ConfigError(fmt::format("must not be negative, but is {}", settings.period_us), "", 0, "period_us");
  }
}

std::size_t RefractoryFilter::apply(Event* events, std::size_t count) {
  const auto period = static_cast<std::uint64_t>(settings_.period_us);
  const bool from_dropped = settings_.from_dropped;
  return keep_events(events, count, [&](const Event& event) {
    if (!last_.holds(event.x, event.y)) refuse_outside(event, last_.sensor());
    std::uint64_t& last = *last_.at(event.x, event.y);
    const std::uint64_t now = nonzero_time(event.t_us);
    const bool kept = last == 0 || (now > last && now - last > period);
    last = kept || from_dropped ? now : last;
    return kept;
  });
}

void drop_refractory(EventStream& stream, const RefractoryPeriod& settings) {
  RefractoryFilter filter({stream.width, stream.height}, settings);
  stream.events.resize(filter.apply(stream.events.data(), stream.events.size()));
}

}  // namespace spikeloom::events
