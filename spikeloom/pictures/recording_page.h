#pragma once
#include <string>
#include <vector>

#include "spikeloom/pictures/recording_frames.h"

namespace spikeloom::pictures {

struct PageRecording {
  std::string title;  ///< "recording", "after the transforms"
  Shown shown;
};

struct PageText {
  std::string title;                    ///< the recording's file
  std::string format;                   ///< "EVT 3.0"
  std::vector<std::string> transforms;  ///< of the chain, in order
  std::string frames;                   ///< how frames were made, a line
  int delay_ms = 100;                   ///< of a frame of the animation
};

/// One self-contained HTML page: numbers, event rate over time, animation, frames, most active pixels. No
/// script, nothing from elsewhere; light and dark. All texts are escaped.
std::string recording_page(const PageText& text, const std::vector<PageRecording>& recordings);

}  // namespace spikeloom::pictures
