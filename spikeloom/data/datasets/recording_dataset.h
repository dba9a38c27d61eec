#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/frame_cache.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/data/splits.h"
#include "spikeloom/events/binning.h"
#include "spikeloom/events/transforms/chain.h"

namespace spikeloom::data {

/// A recording on disk.
struct Recording {
  std::string path;
  std::int64_t number = 0;  ///< in its file name, or in its file
  int label = 0;
  std::string piece;  ///< which part of the file it is; "" = all of it
};

using RecordingReader = std::function<events::EventStream(const Recording&)>;

/// How recordings become samples.
struct RecordingFormat {
  RecordingReader reader;
  int sensor_width = 0, sensor_height = 0;  ///< behind the transforms
  /// 2: a channel a polarity; 1: both polarities in one.
  int channels = 2;
  events::TransformChain transforms;
  events::Binning binning;
  int max_shift = 0;
  bool horizontal_flip = false;
  std::string cache_scope;  ///< keeps caches of sets of one name apart: the folder of the user's recordings
};

/// Packed frames that are in no cache file stay in memory up to so many bytes a split.
constexpr std::int64_t kFrameMemoryBytes = std::int64_t{1} << 30;

/// Recordings that are read and binned once, by prepare(), into a cache file (frame_cache.h). Those that are
/// not in it, because nobody called prepare() or the file cannot be had, are read and binned when they are
/// asked for, and stay in memory. A sample is [num_steps, height, width, channels] counts. Random numbers of
/// a sample: shift right, then down (each below 2 * max_shift + 1, minus max_shift), then the mirror
/// (uniform() < 1/2); those that are switched off are not drawn. The frames are shifted, then mirrored; what
/// moves in from outside is zero. Before all that the events are transformed; where the transforms have random ones,
/// there is no cache file, and augmented samples are read from their files each time.
class RecordingDataset : public Dataset {
 public:
  RecordingDataset(std::string name, std::vector<std::string> class_names, std::vector<Recording> recordings,
                   const RecordingFormat& format, std::int64_t memory_bytes = kFrameMemoryBytes);
  ~RecordingDataset() override;

  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(recordings_.size()); }
  SampleShape shape() const override { return shape_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(std::int64_t index) const override;
  SampleOrigin origin(std::int64_t index) const override;
  void read(std::int64_t index, const AugmentKey* augment, float* sample) const override;
  /// Fills the cache file. If that cannot be used to the end (full disk, no permission), says so once through
  /// log() and goes on without it.
  bool prepare(const PrepareProgress& progress) const override;

 private:
  struct Packed {
    int bits = 0;
    std::vector<std::uint8_t> counts;
  };
  void check_index(std::int64_t index) const;
  /// Reads a recording, transforms it (augment null: without what is random) and bins it: counts,
  /// [num_steps, height, width, channels].
  void bin(std::size_t index, const AugmentKey* augment, std::uint8_t* counts) const;
  /// The binned frames without what is random: from the cache, from memory or from the file.
  void frames(std::size_t index, std::uint8_t* counts) const;
  std::string cache_settings() const;

  std::string name_;
  std::vector<std::string> class_names_;
  std::vector<Recording> recordings_;
  RecordingFormat format_;
  SampleShape shape_;
  std::int64_t memory_bytes_ = 0;
  // Filled as samples are read, each slot once: that changes the time a read takes, never what it gives.
  mutable std::unique_ptr<FrameCache> cache_;
  mutable bool prepared_ = false;
  mutable std::unique_ptr<std::atomic<const Packed*>[]> memory_;
  mutable std::atomic<std::int64_t> memory_used_{0};
};

/// Binning of the settings. Throws ConfigError if one is out of range or does not apply to recordings.
RecordingFormat recording_format(const DatasetInfo& info, const DataSettings& settings, int num_steps,
                                 const RecordingReader& reader, int sensor_width, int sensor_height);

/// The recordings among the files of a folder: those named prefix, digits (exactly num_digits, or any if 0),
/// suffix. No such folder gives none. In no order. Throws DataError if the folder cannot be read.
std::vector<Recording> list_recordings(const std::filesystem::path& folder, int label,
                                       const std::string& prefix, int num_digits, const std::string& suffix);

/// Whether list_recordings() would find any. Does not throw.
bool has_recording(const std::filesystem::path& folder, const std::string& prefix, int num_digits,
                   const std::string& suffix);

/// Reads each recording; adds one check for the folder, and one for each that is damaged.
void verify_recordings(const std::filesystem::path& folder, const std::vector<Recording>& recordings,
                       const RecordingReader& reader, std::int64_t expected, VerifyReport& report);

}  // namespace spikeloom::data
