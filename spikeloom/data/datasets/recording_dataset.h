#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/datasets/recording_reader.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/frame_cache.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/data/splits.h"
#include "spikeloom/events/binning.h"
#include "spikeloom/events/transforms/chain.h"

namespace spikeloom::data {

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
  FlipOrder flip_order = FlipOrder::kRandom;
  /// What the frames depend on besides all this: how the files are read (options_text()), and the folder of
  /// the user's recordings, which keeps caches of sets of one name apart.
  std::string cache_scope;
};

/// Packed frames that are in no cache file stay in memory up to so many bytes a split.
constexpr std::int64_t kFrameMemoryBytes = std::int64_t{1} << 30;

/// Recordings that are read and binned once, by prepare(), into a cache file (frame_cache.h). Those that are
/// not in it, because nobody called prepare() or the file cannot be had, are read and binned when they are
/// asked for, and stay in memory. What the reader left out of all of them is said once through log(), when
/// each has been read, by this run or by the one that filled the cache. A sample is [num_steps, height,
/// width, channels] counts. Random numbers of a sample: shift right, then down (each below 2 * max_shift + 1,
/// minus max_shift), then the mirror (uniform() < 1/2); those that are switched off are not drawn. The frames
/// are shifted, then mirrored; what moves in from outside is zero. Before all that the events are
/// transformed; where the transforms have random ones, there is no cache file, and augmented samples are read
/// from their files each time.
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
  /// After them, kNoteCells cells with the reader's notes.
  void bin(std::size_t index, const AugmentKey* augment, std::uint8_t* cells) const;
  void note(std::size_t index, const std::uint8_t* cells) const;
  void note_all() const;
  void tell_notes() const;
  /// The binned frames without what is random: from the cache, from memory or from the file.
  void frames(std::size_t index, std::uint8_t* cells) const;
  std::string cache_settings() const;

  std::string name_;
  std::vector<std::string> class_names_;
  std::vector<Recording> recordings_;
  RecordingFormat format_;
  SampleShape shape_;
  std::int64_t memory_bytes_ = 0;
  std::size_t num_counts_ = 0, num_cells_ = 0;
  // Filled as samples are read, each slot once: that changes the time a read takes, never what it gives.
  mutable std::unique_ptr<FrameCache> cache_;
  mutable bool prepared_ = false;
  mutable std::unique_ptr<std::atomic<const Packed*>[]> memory_;
  mutable std::atomic<std::int64_t> memory_used_{0};
  mutable std::mutex notes_mutex_;
  mutable std::vector<bool> noted_;
  mutable std::size_t num_noted_ = 0;
  mutable ReadTally tally_;
  mutable bool told_ = false;
};

/// Reader and binning of the settings; the recordings are files that these options read. Throws ConfigError
/// if one is out of range or does not apply to recordings.
RecordingFormat recording_format(const DatasetInfo& info, const DataSettings& settings, int num_steps,
                                 const formats::EventReaderOptions& options, int sensor_width,
                                 int sensor_height);

/// The recordings among the files of a folder: those named prefix, digits (exactly num_digits, or any if 0),
/// suffix. No such folder gives none. In no order. Throws DataError if the folder cannot be read.
std::vector<Recording> list_recordings(const std::filesystem::path& folder, int label,
                                       const std::string& prefix, int num_digits, const std::string& suffix);

/// Whether list_recordings() would find any. Does not throw.
bool has_recording(const std::filesystem::path& folder, const std::string& prefix, int num_digits,
                   const std::string& suffix);

/// How a recipe's recordings become frames.
events::Binning binning_of(const DataSettings& settings, int num_steps);

}  // namespace spikeloom::data
