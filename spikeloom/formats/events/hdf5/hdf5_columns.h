#pragma once
#include <memory>

#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/hdf5/hdf5_file.h"

namespace spikeloom::formats {

/// The recording of an HDF5 file that has events in columns; hdf5_spikes.h says where and how. Throws
/// FormatError if there is none.
std::unique_ptr<EventReader> open_hdf5_columns(const char* format, std::unique_ptr<Hdf5File> file,
                                               const EventReaderOptions& options);

}  // namespace spikeloom::formats
