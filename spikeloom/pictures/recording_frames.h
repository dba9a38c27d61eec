#pragma once
// Recordings as pictures: blue where a pixel got brighter (on), orange where it got darker (off), more of it
// the more events there are; white where nothing happened.
#include <cstdint>
#include <vector>

#include "spikeloom/events/binning.h"
#include "spikeloom/events/event.h"
#include "spikeloom/formats/images/image_file.h"
#include "spikeloom/pictures/recording_summary.h"

namespace spikeloom::pictures {

/// A recording binned into frames.
struct Frames {
  int steps = 0, width = 0, height = 0;
  std::vector<std::uint8_t> counts;  ///< [steps, height, width, 2], off and on
};

/// Pictures show so many frames at most, evenly chosen.
constexpr int kMostFrames = 200;

/// Slices of equal time, with pixels merged so that no side has more than 256.
events::Binning even_slices(const events::EventStream& stream, int frames);

/// Throws what bin_events() throws; ConfigError if the frames would take more than 128 MiB.
Frames make_frames(const events::EventStream& stream, const events::Binning& binning);

/// A recording, or what a chain of transforms made of it.
struct Shown {
  Frames frames;
  RecordingSummary summary;
};

/// Each recording as a block: up to kMostFrames of its frames in rows, then a strip of its event rate over
/// time, on upwards and off downwards. A line between the blocks.
formats::Image contact_sheet(const std::vector<Shown>& recordings);

/// The recordings side by side, one picture a frame (up to kMostFrames); a shorter one ends empty. At
/// most 64 colours and two more.
std::vector<formats::Image> animation(const std::vector<Shown>& recordings);

}  // namespace spikeloom::pictures
