#include "spikeloom/pictures/recording_frames.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "spikeloom/base/errors.h"

namespace spikeloom::pictures {
namespace {

using formats::Image;
using Colour = std::array<std::uint8_t, 3>;

// Of the palette of Okabe and Ito: told apart by everyone.
constexpr std::array<double, 3> kOn{0, 114, 178}, kOff{213, 94, 0};
constexpr Colour kLine{160, 160, 160};
constexpr int kLevels = 7;     // of each polarity, besides none
constexpr int kSmallest = 96;  // pixels: frames below are magnified
constexpr int kSheetWidth = 1600, kGap = 4, kRateHeight = 64;

/// White, covered by so much of each polarity's colour, one behind the other.
Colour blend(int off, int on) {
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    double value = 255.0;
    value *= 1.0 + static_cast<double>(on) / kLevels * (kOn[c] / 255.0 - 1.0);
    value *= 1.0 + static_cast<double>(off) / kLevels * (kOff[c] / 255.0 - 1.0);
    colour[c] = static_cast<std::uint8_t>(std::lround(value));
  }
  return colour;
}

Image blank(int width, int height) {
  Image image;
  image.width = width;
  image.height = height;
  image.channels = 3;
  image.pixels.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 255);
  return image;
}

void fill(Image& image, int left, int top, int width, int height, const Colour& colour) {
  for (int y = top; y < top + height; ++y) {
    for (int x = left; x < left + width; ++x) {
      std::copy(colour.begin(), colour.end(),
                image.pixels.begin() + 3 * (static_cast<std::ptrdiff_t>(y) * image.width + x));
    }
  }
}

/// The count that gets the full colour: nearly all pixels with events have no more.
int full_count(const Frames& frames) {
  std::array<std::int64_t, 256> histogram{};
  for (const std::uint8_t count : frames.counts) ++histogram[count];
  std::int64_t left = 0;
  for (std::size_t i = 1; i < histogram.size(); ++i) left += histogram[i];
  const std::int64_t few = left / 50;
  int count = 255;
  for (std::int64_t above = histogram[255]; count > 1 && above <= few;
       above += histogram[static_cast<std::size_t>(count)])
    --count;
  return count;
}

/// Draws frames of one recording.
class Painter {
 public:
  explicit Painter(const Frames& frames) : frames_(frames) {
    const int side = std::max(frames.width, frames.height);
    zoom_ = std::max(1, (kSmallest + side - 1) / side);
    const double full = full_count(frames);
    for (std::size_t count = 0; count < level_.size(); ++count) {
      const double share = std::sqrt(std::min(static_cast<double>(count) / full, 1.0));
      level_[count] = count == 0 ? 0 : std::max(1, static_cast<int>(std::lround(share * kLevels)));
    }
  }

  int width() const { return frames_.width * zoom_; }
  int height() const { return frames_.height * zoom_; }

  void paint(int step, Image& image, int left, int top) const {
    const std::uint8_t* count =
        frames_.counts.data() + 2 * static_cast<std::ptrdiff_t>(step) * frames_.width * frames_.height;
    for (int y = 0; y < frames_.height; ++y) {
      for (int x = 0; x < frames_.width; ++x, count += 2) {
        if (count[0] == 0 && count[1] == 0) continue;
        fill(image, left + x * zoom_, top + y * zoom_, zoom_, zoom_,
             blend(level_[count[0]], level_[count[1]]));
      }
    }
  }

 private:
  const Frames& frames_;
  int zoom_ = 1;
  std::array<int, 256> level_{};
};

/// Up to kMostFrames of the steps, evenly chosen.
std::vector<int> chosen_steps(int steps) {
  const auto count = static_cast<std::size_t>(std::min(steps, kMostFrames));
  std::vector<int> chosen;
  for (std::size_t i = 0; i < count; ++i) {
    chosen.push_back(static_cast<int>(i * static_cast<std::size_t>(steps) / count));
  }
  return chosen;
}

void paint_rate(const RecordingSummary& summary, Image& image, int top) {
  const std::size_t slices = summary.on_counts.size();
  std::int64_t most = 1;
  for (std::size_t i = 0; i < slices; ++i)
    most = std::max({most, summary.on_counts[i], summary.off_counts[i]});
  constexpr int kHalf = kRateHeight / 2;
  const auto bar = [&](std::int64_t count) {
    return static_cast<int>(
        std::lround((kHalf - 1) * static_cast<double>(count) / static_cast<double>(most)));
  };
  const auto width = static_cast<std::size_t>(image.width);
  for (std::size_t i = 0; i < slices; ++i) {
    const int left = static_cast<int>(i * width / slices), right = static_cast<int>((i + 1) * width / slices);
    const int wide = std::max(right - left - 1, 1);
    const int up = bar(summary.on_counts[i]), down = bar(summary.off_counts[i]);
    fill(image, left, top + kHalf - up, wide, up, blend(0, kLevels));
    fill(image, left, top + kHalf + 1, wide, down, blend(kLevels, 0));
  }
  fill(image, 0, top + kHalf, image.width, 1, kLine);
}

}  // namespace

events::Binning even_slices(const events::EventStream& stream, int frames) {
  constexpr int kMostSide = 256;
  events::Binning binning;
  binning.num_steps = frames;
  binning.slicing = events::Binning::kEqualTime;
  binning.downsample = std::max(1, (std::max(stream.width, stream.height) + kMostSide - 1) / kMostSide);
  return binning;
}

Frames make_frames(const events::EventStream& stream, const events::Binning& binning) {
  constexpr std::int64_t kMostBytes = std::int64_t{1} << 27;
  Frames frames;
  frames.steps = binning.num_steps;
  frames.width = events::binned_width(stream.width, binning);
  frames.height = events::binned_width(stream.height, binning);
  const std::int64_t pixels = static_cast<std::int64_t>(frames.width) * frames.height;
  if (pixels == 0) {
    throw ConfigError("a sensor of " + std::to_string(stream.width) + "x" + std::to_string(stream.height) +
                      " pixels leaves nothing after downsampling by " + std::to_string(binning.downsample));
  }
  if (2 * pixels > kMostBytes / frames.steps) {
    throw ConfigError(std::to_string(frames.steps) + " frames of " + std::to_string(frames.width) + "x" +
                      std::to_string(frames.height) + " pixels are too many to show");
  }
  frames.counts.resize(static_cast<std::size_t>(2 * pixels * frames.steps));
  events::bin_events(stream, binning, frames.counts.data());
  return frames;
}

formats::Image contact_sheet(const std::vector<Shown>& recordings) {
  int width = 0, height = 0;
  std::vector<int> columns;
  for (const Shown& shown : recordings) {
    const Painter painter(shown.frames);
    const int count = static_cast<int>(chosen_steps(shown.frames.steps).size());
    columns.push_back(std::clamp((kSheetWidth + kGap) / (painter.width() + kGap), 1, count));
    const int rows = (count + columns.back() - 1) / columns.back();
    width = std::max(width, columns.back() * (painter.width() + kGap) - kGap);
    height += rows * (painter.height() + kGap) + kRateHeight + 3 * kGap;
  }
  Image image = blank(width, height);
  int top = 0;
  for (std::size_t i = 0; i < recordings.size(); ++i) {
    const Painter painter(recordings[i].frames);
    const std::vector<int> steps = chosen_steps(recordings[i].frames.steps);
    for (std::size_t k = 0; k < steps.size(); ++k) {
      const int column = static_cast<int>(k) % columns[i];
      if (k > 0 && column == 0) top += painter.height() + kGap;
      const int left = column * (painter.width() + kGap);
      painter.paint(steps[k], image, left, top);
      if (column > 0) fill(image, left - kGap / 2, top, 1, painter.height(), kLine);
    }
    top += painter.height() + kGap;
    paint_rate(recordings[i].summary, image, top);
    top += kRateHeight + kGap;
    if (i + 1 < recordings.size()) fill(image, 0, top, width, kGap / 2, kLine);
    top += 2 * kGap;
  }
  return image;
}

std::vector<formats::Image> animation(const std::vector<Shown>& recordings) {
  int width = 0, height = 0, steps = 0;
  std::vector<Painter> painters;
  for (const Shown& shown : recordings) {
    painters.emplace_back(shown.frames);
    width += painters.back().width() + kGap;
    height = std::max(height, painters.back().height());
    steps = std::max(steps, shown.frames.steps);
  }
  width -= kGap;
  std::vector<Image> images;
  for (const int step : chosen_steps(steps)) {
    Image image = blank(width, height);
    int left = 0;
    for (std::size_t i = 0; i < recordings.size(); ++i) {
      if (step < recordings[i].frames.steps) painters[i].paint(step, image, left, 0);
      left += painters[i].width();
      if (i + 1 < recordings.size()) fill(image, left + kGap / 2, 0, 1, height, kLine);
      left += kGap;
    }
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace spikeloom::pictures
