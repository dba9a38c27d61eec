#include "spikeloom/events/transforms/downsample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::events {
namespace {

constexpr int kDropped = -1;

/// places[i] = new column (or row) of column i.
using Places = std::vector<int>;

Places places_of(int side) {
  return Places(static_cast<std::size_t>(std::min<std::int64_t>(side, kMaxSide)), kDropped);
}

void move_to(EventStream& stream, const Places& columns, const Places& rows) {
  std::size_t kept = 0;
  for (const Event& event : stream.events) {
    const int x = columns[event.x];
    const int y = rows[event.y];
    stream.events[kept] = {event.t_us, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                           event.polarity};
    kept += x != kDropped && y != kDropped ? 1 : 0;
  }
  stream.events.resize(kept);
}

void downsample(EventStream& stream, int factor, bool stride) {
  if (factor < 1) throw ConfigError(fmt::format("must be at least 1, not {}", factor), "", 0, "factor");
  const SensorSize smaller{stream.width / factor, stream.height / factor};
  if (smaller.width < 1 || smaller.height < 1) {
    throw ShapeError(fmt::format("nothing is left of {} x {} pixels made smaller by the factor {}",
                                 stream.width, stream.height, factor));
  }
  check_inside(stream);
  const auto axis = [&](int side, int smaller_side) {
    Places places = places_of(side);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const int old = static_cast<int>(i);
      if (old / factor < smaller_side && (!stride || old % factor == 0)) places[i] = old / factor;
    }
    return places;
  };
  move_to(stream, axis(stream.width, smaller.width), axis(stream.height, smaller.height));
  stream.width = smaller.width;
  stream.height = smaller.height;
}

}  // namespace

void downsample_pool(EventStream& stream, int factor) { downsample(stream, factor, false); }

void downsample_stride(EventStream& stream, int factor) { downsample(stream, factor, true); }

void resize(EventStream& stream, SensorSize size) {
  if (size.width < 1 || size.height < 1 || size.width > kMaxSide || size.height > kMaxSide) {
    throw ShapeError(fmt::format("a sensor of {} x {} pixels: the sides must be from 1 to {}", size.width,
                                 size.height, kMaxSide));
  }
  check_inside(stream);
  const auto axis = [](int side, int new_side) {
    Places places = places_of(side);
    for (std::size_t i = 0; i < places.size(); ++i) {
      places[i] = static_cast<int>(static_cast<std::int64_t>(i) * new_side / side);
    }
    return places;
  };
  move_to(stream, axis(stream.width, size.width), axis(stream.height, size.height));
  stream.width = size.width;
  stream.height = size.height;
}

}  // namespace spikeloom::events
