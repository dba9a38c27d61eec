#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// Text with an event a line; numbers separated by commas, semicolons, tabs or spaces (whichever of them, in
/// this order, the first line has). Names of the columns (columns_by_name(); others are passed over) come
/// from the first line, else from a comment before it that consists of nothing else (as "# x y t p"); columns
/// without names are four, whose order only their content may settle (ColumnOrderFinder). The unit of t is in
/// its name or follows from how the times are written (TimeUnitFinder); the options take precedence over
/// both. Polarity is 0, -1 or false (off), 1 or true (on). Numbers may have an exponent; places are whole.
/// The size of the sensor is in a comment "%geometry:W,H" (Metavision) or "# geometry: W,H", or in a first
/// line "W H". Empty lines and other lines that start with '#' or '%' are skipped. Errors name line, column
/// and what is there.
EventFormat csv_format();

}  // namespace spikeloom::formats
