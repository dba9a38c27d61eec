#include "spikeloom/events/transforms/noise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/draw.h"
#include "spikeloom/events/transforms/time.h"

namespace spikeloom::events {
namespace {

constexpr std::int64_t kMaxCount = std::int64_t{1} << 32;

bool is_earlier(const Event& a, const Event& b) { return a.t_us < b.t_us; }

}  // namespace

void add_uniform_noise(EventStream& stream, std::int64_t count, RandomStream& random) {
  if (count < 0 || count > kMaxCount) {
    throw ConfigError(fmt::format("must be from 0 to {}, not {}", kMaxCount, count), "", 0, "count");
  }
  if (stream.width < 1 || stream.height < 1 || stream.width > kMaxSide || stream.height > kMaxSide) {
    throw ShapeError(fmt::format("noise on a sensor of {} x {} pixels: the sides must be from 1 to {}",
                                 stream.width, stream.height, kMaxSide));
  }
  if (stream.events.empty() || count == 0) return;
  sort_by_time(stream);
  const std::int64_t first_us = stream.events.front().t_us;
  const std::int64_t last_us = stream.events.back().t_us;
  const auto recorded = static_cast<std::ptrdiff_t>(stream.events.size());
  stream.events.reserve(stream.events.size() + static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    Event event{};
    event.x = static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(stream.width)));
    event.y = static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(stream.height)));
    event.polarity = static_cast<std::uint8_t>(random.next_u32() >> 31);
    event.t_us = uniform_between(random, first_us, last_us);
    stream.events.push_back(event);
  }
  const auto noise = stream.events.begin() + recorded;
  std::stable_sort(noise, stream.events.end(), is_earlier);
  std::inplace_merge(stream.events.begin(), noise, stream.events.end(), is_earlier);
}

}  // namespace spikeloom::events
