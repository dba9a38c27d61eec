#include "spikeloom/events/transforms/drop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/sensor.h"
#include "spikeloom/events/transforms/crop.h"
#include "spikeloom/events/transforms/draw.h"
#include "spikeloom/events/transforms/keep.h"

namespace spikeloom::events {
namespace {

void check_ratio(double ratio) {
  if (ratio >= 0.0 && ratio <= 1.0) return;
  throw ConfigError(fmt::format("must be from 0 to 1, not {}", ratio), "", 0, "ratio");
}

}  // namespace

void drop_events(EventStream& stream, double ratio, RandomStream& random) {
  check_ratio(ratio);
  const std::size_t count = stream.events.size();
  auto to_drop = static_cast<std::uint64_t>(std::floor(ratio * static_cast<double>(count) + 0.5));
  to_drop = std::min<std::uint64_t>(to_drop, count);
  std::uint64_t left = count;
  // Selection sampling (Knuth, algorithm S): of the events left, each is as likely to be among the dropped.
  keep_events(stream, [&](const Event&) {
    const bool dropped = to_drop > 0 && uniform_below(random, left) < to_drop;
    --left;
    to_drop -= dropped ? 1 : 0;
    return !dropped;
  });
}

void drop_interval(EventStream& stream, double ratio, RandomStream& random) {
  check_ratio(ratio);
  if (stream.events.empty()) return;
  const auto ends = std::minmax_element(stream.events.begin(), stream.events.end(),
                                        [](const Event& a, const Event& b) { return a.t_us < b.t_us; });
  // Unsigned, because the difference of two int64 may need 64 bits.
  const auto first = static_cast<std::uint64_t>(ends.first->t_us);
  const std::uint64_t duration = static_cast<std::uint64_t>(ends.second->t_us) - first;
  const double wanted = std::floor(ratio * static_cast<double>(duration));
  const std::uint64_t length =
      wanted >= static_cast<double>(duration) ? duration : static_cast<std::uint64_t>(wanted);
  const std::uint64_t places = duration - length;
  const std::uint64_t start = places == ~std::uint64_t{0} ? 0 : uniform_below(random, places + 1);
  keep_events(stream, [=](const Event& event) {
    return static_cast<std::uint64_t>(event.t_us) - first - start >= length;
  });
}

void drop_area(EventStream& stream, double ratio, RandomStream& random) {
  check_ratio(ratio);
  const SensorSize sensor{stream.width, stream.height};
  checked_pixels(sensor);
  const SensorSize size{static_cast<int>(ratio * sensor.width), static_cast<int>(ratio * sensor.height)};
  if (size.width == 0 || size.height == 0) return;
  const Box box = random_box(sensor, size, random);
  keep_events(stream, [=](const Event& event) {
    return event.x < box.x || event.x >= box.x + box.width || event.y < box.y ||
           event.y >= box.y + box.height;
  });
}

void event_drop(EventStream& stream, RandomStream& random) {
  const std::uint32_t choice = random.below(4);
  if (choice == 1) drop_interval(stream, (1.0 + random.below(9)) / 10.0, random);
  if (choice == 2) drop_area(stream, (1.0 + random.below(5)) / 20.0, random);
  if (choice == 3) drop_events(stream, (1.0 + random.below(9)) / 10.0, random);
}

}  // namespace spikeloom::events
