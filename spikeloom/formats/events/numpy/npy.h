#pragma once
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

/// .npy arrays of events (header: npy_header.h). Either a structured array with one dimension and integer
/// fields of any width and byte order, found by name (event_columns.h: t, x, y, p in any order; other fields
/// are passed over), or an integer array of shape [N, 4], in whose columns t, x, y, p are found by content
/// (columns_by_content()). t is in microseconds. Polarity is 0 or -1 (off), 1 (on). Arrays in Fortran order
/// are read where the source can be opened again (files and archive members). Source: NumPy, NEP 1.
EventFormat npy_format();

/// .npz archives, stored or deflated: either an array each for t, x, y and p, of one dimension and the same
/// length, or one array as in a .npy (named "events", or the only one). A file of its own is needed.
EventFormat npz_format();

}  // namespace spikeloom::formats
