#pragma once
// Event files, which TensorBoard and others read: scalars, histograms, images, hyper-parameters.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "spikeloom/base/span.h"

namespace spikeloom::formats {

/// Counts of values in buckets of equal width between their least and their largest.
struct Histogram {
  double min = 0.0, max = 0.0;
  double sum = 0.0, sum_of_squares = 0.0;
  std::vector<std::int64_t> counts;  ///< all of the values; one bucket where all values are the same

  std::int64_t total() const;
};

/// Values that are not finite are left out; no buckets where nothing is left.
Histogram histogram_of(Span<const float> values, int buckets = 64);

/// A hyper-parameter; integers are numbers, as in TensorBoard.
using HyperParameter = std::variant<double, bool, std::string>;

/// One event file, record by record: uint64 length, masked CRC-32C of it, a protobuf message Event, masked
/// CRC-32C of that; all numbers little-endian. Each call writes one record in one write, so that a reader
/// beside never sees half a record for long, and a disk that is full leaves whole records. Steps are
/// iterations. Source: TensorFlow's TFRecord format and TensorBoard's protocol buffers.
class EventFile {
 public:
  /// Makes the file. The first record says its version; the second, that what readers have of `first_step`
  /// and later is out of date (SessionLog START), which is how a run that is resumed takes back what came
  /// after its checkpoint. Throws DataError if it cannot be made or is there.
  EventFile(std::string path, std::int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::string& path() const { return path_; }
  /// Bytes so far.
  std::int64_t size() const { return size_; }

  using Scalars = std::vector<std::pair<std::string, double>>;
  /// All of one step in one record. Values are stored as floats. These throw DataError (a full disk).
  void scalars(std::int64_t step, const Scalars& values);
  void histograms(std::int64_t step, const std::vector<std::pair<std::string, Histogram>>& values);
  /// png: a whole PNG file of that size with three channels.
  void image(std::int64_t step, const std::string& tag, int width, int height, Span<const std::uint8_t> png);
  /// The settings of this run, and which scalars are its results.
  void hyper_parameters(const std::vector<std::pair<std::string, HyperParameter>>& values,
                        const std::vector<std::string>& metrics);
  /// The run is over, and well or not.
  void ended(bool well);

 private:
  template <class Message>
  void write(std::int64_t step, Message& event);
  void append(const std::string& bytes);

  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

/// A name for the next event file of a folder: "events.out.tfevents.SECONDS.spikeloom", later in the order of
/// names, in which TensorBoard reads them, than all event files that are there.
std::string new_event_file_name(const std::string& folder);

/// Takes back what event files of new_event_file_name() in `folder` have gained since the last of them was
/// `name` and `size` bytes long: later files are removed and this one is cut. Files of other makers stay.
/// `name` "": all of them. Throws DataError if that cannot be done.
void cut_event_files(const std::string& folder, const std::string& name, std::int64_t size);

/// CRC-32C (Castagnoli, RFC 3720) of bytes, and the form in which records have it.
std::uint32_t crc32c(Span<const std::uint8_t> bytes);
std::uint32_t masked_crc32c(Span<const std::uint8_t> bytes);

}  // namespace spikeloom::formats
