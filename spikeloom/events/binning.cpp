#include "spikeloom/events/binning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/sensor.h"

namespace spikeloom::events {
namespace {

constexpr std::int64_t kDropped = -1;

void require_positive(const char* key, std::int64_t value) {
  if (value < 1) throw ConfigError(fmt::format("must be at least 1, not {}", value), "", 0, key);
}

/// Earliest and latest time of the recording.
struct TimeRange {
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;
};

TimeRange time_range(const EventStream& stream) {
  TimeRange range{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
  for (const Event& event : stream.events) {
    range.first_us = std::min(range.first_us, event.t_us);
    range.last_us = std::max(range.last_us, event.t_us);
  }
  return range;
}

void check_slicing(const Binning& binning) {
  require_positive("num_steps", binning.num_steps);
  const auto check_overlap = [](const char* key, std::int64_t overlap, std::int64_t whole) {
    if (overlap >= 0 && overlap < whole) return;
    throw ConfigError(fmt::format("must be at least 0 and below the {} of a step, not {}", whole, overlap),
                      "", 0, key);
  };
  if (binning.slicing == Binning::kWindow) {
    require_positive("window_us", binning.window_us);
    check_overlap("overlap_us", binning.overlap_us, binning.window_us);
  }
  if (binning.slicing == Binning::kCount) {
    require_positive("events_per_step", binning.events_per_step);
    check_overlap("overlap_events", binning.overlap_events, binning.events_per_step);
  }
}

/// offsets[i] = place of sensor column (or row) i in a frame, in bytes, or kDropped. One table lookup an
/// event then does downsampling, shift and cropping at once.
std::vector<std::int64_t> axis_offsets(int size, int shift, std::int64_t stride, const Binning& binning) {
  const std::int64_t output_size = binned_width(size, binning);
  size = std::min(size, 1 << 16);  // coordinates have 16 bits
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(size), kDropped);
  for (int i = 0; i < size; ++i) {
    if (binning.stride_downsampling && i % binning.downsample != 0) continue;
    const std::int64_t unshifted = i / binning.downsample;
    const std::int64_t output = unshifted + shift;
    if (unshifted < output_size && output >= 0 && output < output_size) {
      offsets[static_cast<std::size_t>(i)] = output * stride;
    }
  }
  return offsets;
}

/// Time since the start. Unsigned, because the difference of two int64 may need 64 bits; of a time before the
/// start it is larger than any after it, so that no step has it.
std::uint64_t elapsed(std::int64_t t_us, std::int64_t first_us) {
  return static_cast<std::uint64_t>(t_us) - static_cast<std::uint64_t>(first_us);
}

/// Step k holds the events with bounds[k] <= elapsed < bounds[k + 1].
std::vector<std::uint64_t> step_bounds(const Binning& binning, const TimeRange& range) {
  constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();
  const auto num_steps = static_cast<std::uint64_t>(binning.num_steps);
  std::vector<std::uint64_t> bounds(num_steps + 1);
  if (binning.slicing == Binning::kWindow) {
    const auto window = static_cast<std::uint64_t>(binning.window_us);
    for (std::uint64_t k = 0; k <= num_steps; ++k) bounds[k] = k > kEnd / window ? kEnd : k * window;
    return bounds;
  }
  // floor(k * duration / num_steps) without a product that could overflow: k and num_steps are below 2^31.
  const std::uint64_t span = elapsed(range.last_us, range.first_us);
  const std::uint64_t duration = span == kEnd ? kEnd : span + 1;
  const std::uint64_t quotient = duration / num_steps;
  const std::uint64_t remainder = duration % num_steps;
  for (std::uint64_t k = 0; k <= num_steps; ++k) bounds[k] = k * quotient + k * remainder / num_steps;
  return bounds;
}

/// Steps of equal length that overlap: step k holds the positions (times or numbers of events) from
/// k * (length - overlap) on, below that plus length.
struct OverlappingSteps {
  std::uint64_t length = 0, stride = 0, count = 0;

  OverlappingSteps(std::int64_t step_length, std::int64_t overlap, int num_steps)
      : length(static_cast<std::uint64_t>(step_length)),
        stride(static_cast<std::uint64_t>(step_length - overlap)),
        count(static_cast<std::uint64_t>(num_steps)) {}

  /// The steps [begin, end) that hold a position.
  std::uint64_t begin(std::uint64_t position) const {
    return position < length ? 0 : std::min((position - length) / stride + 1, count);
  }
  std::uint64_t end(std::uint64_t position) const { return std::min(position / stride, count - 1) + 1; }
};

/// Finds the step of a time; fast while times ascend.
class StepFinder {
 public:
  explicit StepFinder(std::vector<std::uint64_t> bounds) : bounds_(std::move(bounds)) {}

  /// Number of the step, or the number of steps if the time lies behind the last.
  std::size_t find(std::uint64_t elapsed_us) {
    if (elapsed_us < bounds_[step_] || elapsed_us >= bounds_[step_ + 1]) {
      const auto above = std::upper_bound(bounds_.begin(), bounds_.end(), elapsed_us);
      if (above == bounds_.end()) return bounds_.size() - 1;
      step_ = static_cast<std::size_t>(above - bounds_.begin()) - 1;
    }
    return step_;
  }

 private:
  std::vector<std::uint64_t> bounds_;
  std::size_t step_ = 0;
};

struct FrameWriter {
  std::vector<std::int64_t> columns;
  std::vector<std::int64_t> rows;
  std::size_t frame_size = 0;
  bool binary = false;
  std::uint8_t* frames = nullptr;

  void add(const Event& event, std::size_t step) const {
    const std::int64_t column = columns[event.x];
    const std::int64_t row = rows[event.y];
    if (column == kDropped || row == kDropped) return;
    std::uint8_t& cell = frames[step * frame_size + static_cast<std::size_t>(row + column) + event.polarity];
    cell = binary ? std::uint8_t{1} : static_cast<std::uint8_t>(cell + (cell != 255));
  }
};

}  // namespace

int binned_width(int width, const Binning& binning) {
  require_positive("downsample", binning.downsample);
  if (width < 0)
    throw ShapeError(fmt::format("the width of a sensor must not be negative, but is {}", width));
  return width / binning.downsample;
}

void bin_events(const EventStream& stream, const Binning& binning, std::uint8_t* frames) {
  check_slicing(binning);
  const auto num_steps = static_cast<std::size_t>(binning.num_steps);
  const std::size_t output_width = static_cast<std::size_t>(binned_width(stream.width, binning));
  const std::size_t output_height = static_cast<std::size_t>(binned_width(stream.height, binning));
  check_inside(stream);

  FrameWriter writer;
  writer.frame_size = output_height * output_width * 2;
  writer.binary = binning.binary;
  writer.frames = frames;
  if (writer.frame_size == 0) return;
  std::memset(frames, 0, num_steps * writer.frame_size);
  if (stream.events.empty()) return;
  writer.columns = axis_offsets(stream.width, binning.shift_x, 2, binning);
  writer.rows =
      axis_offsets(stream.height, binning.shift_y, static_cast<std::int64_t>(output_width) * 2, binning);

  if (binning.slicing == Binning::kEqualCount) {
    const std::size_t count = stream.events.size();
    std::size_t begin = 0;
    for (std::size_t step = 0; step < num_steps; ++step) {
      const std::size_t end = count / num_steps * (step + 1) + count % num_steps * (step + 1) / num_steps;
      for (; begin < end; ++begin) writer.add(stream.events[begin], step);
    }
    return;
  }
  TimeRange range = time_range(stream);
  if (binning.slicing == Binning::kWindow && binning.from_zero) range.first_us = 0;
  if (binning.slicing == Binning::kCount || (binning.slicing == Binning::kWindow && binning.overlap_us > 0)) {
    const bool by_count = binning.slicing == Binning::kCount;
    const OverlappingSteps steps(by_count ? binning.events_per_step : binning.window_us,
                                 by_count ? binning.overlap_events : binning.overlap_us, binning.num_steps);
    for (std::size_t i = 0; i < stream.events.size(); ++i) {
      const std::uint64_t position = by_count ? i : elapsed(stream.events[i].t_us, range.first_us);
      for (std::uint64_t step = steps.begin(position); step < steps.end(position); ++step) {
        writer.add(stream.events[i], static_cast<std::size_t>(step));
      }
    }
    return;
  }
  StepFinder finder(step_bounds(binning, range));
  for (const Event& event : stream.events) {
    const std::size_t step = finder.find(elapsed(event.t_us, range.first_us));
    if (step < num_steps) writer.add(event, step);
  }
}

}  // namespace spikeloom::events
