#pragma once
#include <cstddef>
#include <string>

#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {

/// "[=====>    ]" of `width` characters between the brackets.
std::string progress_bar(double fraction, int width);

/// A training's progress in fewer than `width` characters. Epoch, percentage and time left come first; bar,
/// loss, accuracy and speed as far as there is room.
std::string progress_line(const train::TrainingProgress& progress, std::size_t width);

/// 42 -> "42 seconds", 4000 -> "67 minutes", 950400 -> "11 days": one unit, two digits or more.
std::string rough_duration(double seconds);

}  // namespace spikeloom::app
