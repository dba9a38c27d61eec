#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

class Hdf5File;

/// Recordings in the layout of the Spiking Heidelberg Digits and Spiking Speech Commands: data sets
/// spikes/times (variable-length lists of seconds if floating point, of microseconds if integer),
/// spikes/units (lists of the same lengths, integers: the input that spiked, from 0 on) and labels
/// (integers), an element a recording. A spike is an event in column `unit` of row 0, on. Seconds become
/// microseconds cut to whole ones, as in tonic, except that what lies less than 1/1000 us below the next is
/// that.
class Hdf5SpikeFile {
 public:
  /// Throws DataError if the file cannot be read, FormatError if it is damaged or has another layout. Another
  /// unit than kFile is that of the times, whatever their type.
  explicit Hdf5SpikeFile(const std::string& path, TimeUnit time_unit = TimeUnit::kFile);
  ~Hdf5SpikeFile();
  Hdf5SpikeFile(const Hdf5SpikeFile&) = delete;
  Hdf5SpikeFile& operator=(const Hdf5SpikeFile&) = delete;

  std::int64_t num_recordings() const { return num_recordings_; }
  /// Classes of all recordings; empty if the file has none.
  std::vector<std::int64_t> labels() const;
  /// The spikes of recording `index`, in the order of the file. Throws as the constructor, and DataError for
  /// an index that there is not.
  std::vector<events::Event> read(std::int64_t index) const;

 private:
  std::unique_ptr<Hdf5File> file_;
  TimeUnit time_unit_;
  std::int64_t num_recordings_ = 0;
};

/// Whether the file is there and begins as HDF5 (the constructor of Hdf5SpikeFile says more).
bool is_hdf5_file(const std::string& path);

/// HDF5 files: the layout of Hdf5SpikeFile, one recording at a time (its memory is that of one recording; the
/// sensor is 700 x 1, as SHD and SSC have it, or as wide as the largest unit needs), or one recording, read a
/// piece at a time, in columns (hdf5_tables.h). Integer t is in microseconds; floating-point t is in seconds
/// where it is finer than 1/1000 (event_times.h) and in the layout of SHD; names and options take precedence
/// over that. `t_offset` beside the columns or above them (DSEC) is added. A matrix in davis/left/events or
/// davis/right/events is MVSEC's: x, y, t in seconds, p. Rows that the file says but does not store are an
/// error, or with EventReaderOptions::partial the end. Links to and data in other files are not followed.
/// Compressed data needs a filter that the library has. The file is read by libhdf5, which is no stronger
/// against files made to break it than Debian's version is.
EventFormat hdf5_spikes_format();

}  // namespace spikeloom::formats
