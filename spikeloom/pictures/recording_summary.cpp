#include "spikeloom/pictures/recording_summary.h"

#include <algorithm>
#include <cmath>

namespace spikeloom::pictures {
namespace {

using Pixel = RecordingSummary::Pixel;

/// Each pixel that has events, in the order of rows. By sorting: a header may claim any size of sensor.
std::vector<Pixel> counted_pixels(const events::EventStream& stream) {
  std::vector<std::uint32_t> places;
  places.reserve(stream.events.size());
  for (const events::Event& event : stream.events) places.push_back(std::uint32_t{event.y} << 16 | event.x);
  std::sort(places.begin(), places.end());
  std::vector<Pixel> pixels;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (i == 0 || places[i] != places[i - 1]) {
      pixels.push_back({static_cast<int>(places[i] & 0xffff), static_cast<int>(places[i] >> 16), 0});
    }
    ++pixels.back().events;
  }
  return pixels;
}

void count_pixels(std::vector<Pixel> pixels, RecordingSummary& summary) {
  constexpr double kDeviations = 5.0;
  constexpr std::size_t kListed = 8;
  const auto active = static_cast<double>(pixels.size());
  double squares = 0.0;
  for (const Pixel& pixel : pixels)
    squares += static_cast<double>(pixel.events) * static_cast<double>(pixel.events);
  summary.active_pixels = static_cast<std::int64_t>(pixels.size());
  summary.mean_count = static_cast<double>(summary.events) / active;
  const double variance = std::max(squares / active - summary.mean_count * summary.mean_count, 0.0);
  summary.hot_above = summary.mean_count + kDeviations * std::sqrt(variance);
  for (const Pixel& pixel : pixels) {
    if (static_cast<double>(pixel.events) <= summary.hot_above) continue;
    ++summary.hot_pixels;
    summary.hot_events += pixel.events;
  }
  const std::size_t listed = std::min(kListed, pixels.size());
  std::partial_sort(pixels.begin(), pixels.begin() + static_cast<std::ptrdiff_t>(listed), pixels.end(),
                    [](const Pixel& a, const Pixel& b) {
                      if (a.events != b.events) return a.events > b.events;
                      return a.y != b.y ? a.y < b.y : a.x < b.x;
                    });
  pixels.resize(listed);
  summary.most_active = std::move(pixels);
}

}  // namespace

RecordingSummary summarise(const events::EventStream& stream, int slices) {
  RecordingSummary summary;
  summary.width = stream.width;
  summary.height = stream.height;
  summary.events = static_cast<std::int64_t>(stream.events.size());
  summary.on_counts.assign(static_cast<std::size_t>(slices), 0);
  summary.off_counts = summary.on_counts;
  if (stream.events.empty()) return summary;
  const auto [first, last] =
      std::minmax_element(stream.events.begin(), stream.events.end(),
                          [](const events::Event& a, const events::Event& b) { return a.t_us < b.t_us; });
  summary.t_first_us = first->t_us;
  // In doubles: the times of a damaged file may be as far apart as integers are.
  const auto begin = static_cast<double>(first->t_us);
  summary.duration_us = static_cast<double>(last->t_us) - begin;
  const double per_us = summary.duration_us > 0.0 ? slices / summary.duration_us : 0.0;
  for (const events::Event& event : stream.events) {
    const int slice =
        std::min(static_cast<int>((static_cast<double>(event.t_us) - begin) * per_us), slices - 1);
    ++(event.polarity != 0 ? summary.on_counts : summary.off_counts)[static_cast<std::size_t>(slice)];
    summary.on += event.polarity != 0 ? 1 : 0;
  }
  count_pixels(counted_pixels(stream), summary);
  return summary;
}

}  // namespace spikeloom::pictures
