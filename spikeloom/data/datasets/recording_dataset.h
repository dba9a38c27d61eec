#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/data/splits.h"
#include "spikeloom/events/binning.h"
#include "spikeloom/events/transforms/chain.h"

namespace spikeloom::data {

/// A recording on disk.
struct Recording {
  std::string path;
  std::int64_t number = 0;  ///< in its file name
  int label = 0;
};

using RecordingReader = events::EventStream (*)(const std::string& path);

/// How recordings become samples.
struct RecordingFormat {
  RecordingReader reader = nullptr;
  int sensor_width = 0, sensor_height = 0;  ///< behind the transforms
  events::TransformChain transforms;
  events::Binning binning;
  int max_shift = 0;
  bool horizontal_flip = false;
};

/// Binned frames (bytes, before augmentation) stay in memory if those of a split fit in this; beyond it every
/// read goes to the file, which the system's file cache serves.
constexpr std::int64_t kFrameCacheBytes = std::int64_t{1} << 30;

/// Recordings that are read and binned when they are asked for. A sample is [num_steps, height, width, 2]
/// counts. Random numbers of a sample: shift right, then down (each below 2 * max_shift + 1, minus
/// max_shift), then the mirror (uniform() < 1/2); those that are switched off are not drawn. The frames are
/// shifted, then mirrored; what moves in from outside is zero. Before all that the events are transformed;
/// where the transforms have random ones, augmented samples are read from their files each time.
class RecordingDataset : public Dataset {
 public:
  RecordingDataset(const DatasetInfo& info, std::vector<Recording> recordings, const RecordingFormat& format,
                   std::int64_t cache_bytes = kFrameCacheBytes);

  const std::string& name() const override { return info_.name; }
  std::int64_t size() const override { return static_cast<std::int64_t>(recordings_.size()); }
  SampleShape shape() const override { return shape_; }
  const std::vector<std::string>& class_names() const override { return info_.class_names; }
  int label(std::int64_t index) const override;
  void read(std::int64_t index, const AugmentKey* augment, float* sample) const override;

 private:
  void check_index(std::int64_t index) const;
  /// Reads a recording, transforms it (augment null: without what is random) and bins it.
  void bin(std::int64_t index, const AugmentKey* augment, std::uint8_t* counts) const;
  /// The binned frames: in the cache, or in `scratch`.
  const std::uint8_t* frames(std::int64_t index, std::vector<std::uint8_t>& scratch) const;

  const DatasetInfo& info_;
  std::vector<Recording> recordings_;
  RecordingFormat format_;
  SampleShape shape_;
  // Filled as samples are read, each slot once: that changes the time a read takes, never what it gives.
  enum SlotState : std::uint8_t { kEmpty, kFilling, kFilled };
  std::unique_ptr<std::uint8_t[]> cache_;
  mutable std::unique_ptr<std::atomic<std::uint8_t>[]> cache_state_;
};

/// Binning of the settings. Throws ConfigError if one is out of range or does not apply to recordings.
RecordingFormat recording_format(const DatasetInfo& info, const DataSettings& settings, int num_steps,
                                 RecordingReader reader, int sensor_width, int sensor_height);

/// The recordings among the files of a folder: those named prefix, digits (exactly num_digits, or any if 0),
/// suffix. No such folder gives none. In no order. Throws DataError if the folder cannot be read.
std::vector<Recording> list_recordings(const std::filesystem::path& folder, int label,
                                       const std::string& prefix, int num_digits, const std::string& suffix);

/// Whether list_recordings() would find any. Does not throw.
bool has_recording(const std::filesystem::path& folder, const std::string& prefix, int num_digits,
                   const std::string& suffix);

/// Reads each recording; adds one check for the folder, and one for each that is damaged.
void verify_recordings(const std::filesystem::path& folder, const std::vector<Recording>& recordings,
                       RecordingReader reader, std::int64_t expected, VerifyReport& report);

}  // namespace spikeloom::data
