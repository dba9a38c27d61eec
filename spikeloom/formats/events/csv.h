#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// Text with an event a line; numbers separated by commas, semicolons, tabs or spaces (whichever of them, in
/// this order, the first line has). The first line may name the columns (event_columns.h: t, x, y, p in any
/// order; others are passed over); without names there must be four, which are told apart by content
/// (columns_by_content()). t is in whole microseconds. Polarity is 0, -1 or false (off), 1 or true (on).
/// Empty lines and lines that start with '#' or '%' are skipped, except "%geometry:W,H" (Metavision), which
/// gives the size of the sensor. Errors name the line.
EventFormat csv_format();

}  // namespace spikeloom::formats
