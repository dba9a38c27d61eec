#include "spikeloom/data/datasets/recording_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/base/random.h"
#include "spikeloom/base/text.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/datasets/image_dataset.h"
#include "spikeloom/data/datasets/mirroring.h"
#include "spikeloom/data/frame_packing.h"

namespace spikeloom::data {
namespace {

constexpr std::int64_t kPolarities = 2;

/// To be raised whenever the same recording gives other frames: caches made before are then not used.
constexpr int kBinningVersion = 2;

/// Two numbers of 64 bits, a bit a cell, so that they pack as well as spikes do.
constexpr std::size_t kNoteCells = 128;

void write_notes(const ReadNotes& notes, std::uint8_t* cells) {
  for (std::size_t bit = 0; bit < 64; ++bit) {
    cells[bit] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(notes.dropped_events) >> bit & 1);
    cells[64 + bit] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(notes.unread_bytes) >> bit & 1);
  }
}

ReadNotes read_notes(const std::uint8_t* cells) {
  std::uint64_t dropped = 0, unread = 0;
  for (std::size_t bit = 0; bit < 64; ++bit) {
    dropped |= std::uint64_t{cells[bit] != 0} << bit;
    unread |= std::uint64_t{cells[64 + bit] != 0} << bit;
  }
  return {static_cast<std::int64_t>(dropped), static_cast<std::int64_t>(unread)};
}

/// Longest run of digits taken for a number: far above any set, far below overflow.
constexpr std::size_t kMostDigits = 12;

struct Move {
  std::int64_t shift_x = 0, shift_y = 0;
  bool mirrored = false;

  bool is_none() const { return shift_x == 0 && shift_y == 0 && !mirrored; }
};

Move draw_move(const RecordingFormat& format, const AugmentKey& key, std::int64_t index) {
  RandomStream stream(key.seed, RandomPurpose::kAugment, static_cast<std::uint64_t>(index),
                      static_cast<std::uint64_t>(key.epoch));
  Move move;
  if (format.max_shift > 0) {
    const auto choices = static_cast<std::uint32_t>(2 * format.max_shift + 1);
    move.shift_x = static_cast<std::int64_t>(stream.below(choices)) - format.max_shift;
    move.shift_y = static_cast<std::int64_t>(stream.below(choices)) - format.max_shift;
  }
  if (format.horizontal_flip) move.mirrored = is_mirrored(format.flip_order, key, index, stream);
  return move;
}

/// frames, sample: [num_steps, height, width, channels].
void write_moved(const std::uint8_t* frames, const SampleShape& shape, const Move& move, float* sample) {
  const std::int64_t channels = shape.channels;
  for (std::int64_t row = 0; row < shape.num_steps * shape.height; ++row) {
    const std::int64_t y = row % shape.height - move.shift_y;
    const bool row_inside = y >= 0 && y < shape.height;
    const std::uint8_t* from_row = frames + (row - move.shift_y) * shape.width * channels;
    for (std::int64_t x = 0; x < shape.width; ++x, sample += channels) {
      const std::int64_t from_x = (move.mirrored ? shape.width - 1 - x : x) - move.shift_x;
      const bool inside = row_inside && from_x >= 0 && from_x < shape.width;
      for (std::int64_t c = 0; c < channels; ++c) {
        sample[c] = inside ? static_cast<float>(from_row[from_x * channels + c]) : 0.0f;
      }
    }
  }
}

/// [cells, 2] counts to [cells].
void merge_polarities(const std::uint8_t* both, std::int64_t cells, bool binary, std::uint8_t* merged) {
  for (std::int64_t i = 0; i < cells; ++i) {
    const int sum = both[2 * i] + both[2 * i + 1];
    merged[i] = static_cast<std::uint8_t>(std::min(sum, binary ? 1 : 255));
  }
}

events::Binning::Slicing to_binning(Slicing slicing) {
  switch (slicing) {
    case Slicing::kWindow:
      return events::Binning::kWindow;
    case Slicing::kEqualTime:
      return events::Binning::kEqualTime;
    case Slicing::kEqualCount:
      return events::Binning::kEqualCount;
    case Slicing::kCount:
      return events::Binning::kCount;
  }
  throw ConfigError(fmt::format("slicing {} does not exist", static_cast<int>(slicing)), "", 0,
                    "data.slicing");
}

/// The recording as it is to be binned.
void transform(const events::TransformChain& transforms, const AugmentKey* augment, std::int64_t index,
               const std::string& path, events::EventStream& stream) {
  const events::TransformKey key{augment != nullptr ? augment->seed : 0, index,
                                 augment != nullptr ? augment->epoch : 0};
  try {
    transforms.apply(stream, augment != nullptr ? &key : nullptr);
  } catch (const DataError& error) {
    throw DataError(path + ": " + error.what());  // a time that does not fit: the file is to be named
  }
}

/// Reads the transforms and puts the size behind them in place of the sensor's.
void set_transforms(const std::vector<std::string>& texts, RecordingFormat& format) {
  try {
    format.transforms = events::TransformChain(texts);
    const events::SensorSize size =
        format.transforms.output_size({format.sensor_width, format.sensor_height});
    format.sensor_width = size.width;
    format.sensor_height = size.height;
  } catch (const Error& error) {
    throw ConfigError(error.what(), "", 0, "data.transforms");
  }
}

/// The number in a file name, or -1 if it is not the name of a recording.
std::int64_t recording_number(const std::string& name, const std::string& prefix, int num_digits,
                              const std::string& suffix) {
  if (name.size() <= prefix.size() + suffix.size() || name.compare(0, prefix.size(), prefix) != 0 ||
      name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0) {
    return -1;
  }
  const std::string digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  if (digits.size() > kMostDigits ||
      (num_digits > 0 && digits.size() != static_cast<std::size_t>(num_digits)) ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return -1;
  }
  return std::stoll(digits);
}

}  // namespace

RecordingDataset::RecordingDataset(std::string name, std::vector<std::string> class_names,
                                   std::vector<Recording> recordings, const RecordingFormat& format,
                                   std::int64_t memory_bytes)
    : name_(std::move(name)),
      class_names_(std::move(class_names)),
      recordings_(std::move(recordings)),
      format_(format),
      memory_bytes_(memory_bytes),
      memory_(std::make_unique<std::atomic<const Packed*>[]>(recordings_.size())),
      noted_(recordings_.size()) {
  shape_.is_static = false;
  shape_.num_steps = format.binning.num_steps;
  shape_.channels = format.channels;
  shape_.height = events::binned_width(format.sensor_height, format.binning);
  shape_.width = events::binned_width(format.sensor_width, format.binning);
  num_counts_ = static_cast<std::size_t>(shape_.sample_size());
  num_cells_ = num_counts_ + kNoteCells;
}

RecordingDataset::~RecordingDataset() {
  tell_notes();  // of those that were read, if it was not all
  for (std::size_t i = 0; i < recordings_.size(); ++i) delete memory_[i].load();
}

void RecordingDataset::check_index(std::int64_t index) const {
  if (index >= 0 && index < size()) return;
  throw ShapeError(
      fmt::format("{}: sample {} is outside the {} samples of this split", name(), index, size()));
}

int RecordingDataset::label(std::int64_t index) const {
  check_index(index);
  return recordings_[static_cast<std::size_t>(index)].label;
}

SampleOrigin RecordingDataset::origin(std::int64_t index) const {
  check_index(index);
  const Recording& recording = recordings_[static_cast<std::size_t>(index)];
  // Without the folder, which may be moved; the class is in the label.
  SampleOrigin origin;
  origin.name = fmt::format("{} {} {}", std::filesystem::path(recording.path).filename().string(),
                            recording.number, recording.piece);
  origin.shown = std::filesystem::path(recording.path).filename().string();
  if (!recording.piece.empty()) origin.shown += " " + recording.piece;
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(recording.path, ignored);
  if (!ignored) origin.bytes = static_cast<std::int64_t>(bytes);
  return origin;
}

void RecordingDataset::bin(std::size_t index, const AugmentKey* augment, std::uint8_t* cells) const {
  const Recording& recording = recordings_[index];
  std::uint8_t* const counts = cells;
  try {
    ReadNotes notes;
    events::EventStream stream = format_.reader(recording, notes);
    write_notes(notes, cells + num_counts_);
    transform(format_.transforms, augment, static_cast<std::int64_t>(index), recording.path, stream);
    if (format_.channels == kPolarities) {
      events::bin_events(stream, format_.binning, counts);
      return;
    }
    std::vector<std::uint8_t> both(static_cast<std::size_t>(shape_.sample_size() * kPolarities));
    events::bin_events(stream, format_.binning, both.data());
    merge_polarities(both.data(), shape_.sample_size(), format_.binning.binary, counts);
  } catch (const ShapeError& error) {
    throw FormatError(error.what(), recording.path);  // an event outside the sensor: the file is to be named
  }
}

void RecordingDataset::note(std::size_t index, const std::uint8_t* cells) const {
  const std::lock_guard<std::mutex> lock(notes_mutex_);
  if (noted_[index]) return;
  noted_[index] = true;
  ++num_noted_;
  tally_.add(read_notes(cells));
  if (num_noted_ == recordings_.size()) tell_notes();
}

void RecordingDataset::tell_notes() const {
  const std::string text = tally_.text();
  if (told_ || text.empty()) return;
  told_ = true;
  log(LogLevel::kWarning, fmt::format("{}, part of {}: {}", name_, counted(size(), "recording"), text));
}

void RecordingDataset::frames(std::size_t index, std::uint8_t* counts) const {
  if (cache_ != nullptr && cache_->read(index, counts)) return;
  const std::size_t size = num_cells_;
  if (const Packed* const packed = memory_[index].load(std::memory_order_acquire)) {
    unpack_counts(packed->counts.data(), size, packed->bits, counts);
    return;
  }
  bin(index, nullptr, counts);
  const int bits = bits_needed(counts, size);
  const auto bytes = static_cast<std::int64_t>(packed_size(size, bits) + sizeof(Packed));
  if (memory_used_.fetch_add(bytes) + bytes > memory_bytes_) {
    memory_used_ -= bytes;
    return;
  }
  auto packed = std::make_unique<Packed>();
  packed->bits = bits;
  packed->counts.reserve(packed_size(size, bits));
  pack_counts(counts, size, bits, packed->counts);
  const Packed* none = nullptr;
  if (memory_[index].compare_exchange_strong(none, packed.get())) {
    packed.release();
  } else {
    memory_used_ -= bytes;
  }
}

void RecordingDataset::read(std::int64_t index, const AugmentKey* augment, float* sample) const {
  check_index(index);
  thread_local std::vector<std::uint8_t> counts;
  counts.resize(num_cells_);
  if (augment != nullptr && format_.transforms.has_random()) {
    bin(static_cast<std::size_t>(index), augment, counts.data());
  } else {
    frames(static_cast<std::size_t>(index), counts.data());
  }
  note(static_cast<std::size_t>(index), counts.data() + num_counts_);
  const Move move = augment != nullptr ? draw_move(format_, *augment, index) : Move{};
  if (move.is_none()) {
    std::copy_n(counts.begin(), num_counts_, sample);
  } else {
    write_moved(counts.data(), shape_, move, sample);
  }
}

/// Everything that the frames of a recording depend on besides its bytes.
std::string RecordingDataset::cache_settings() const {
  const events::Binning& binning = format_.binning;
  const bool windows = binning.slicing == events::Binning::kWindow;
  const bool counted = binning.slicing == events::Binning::kCount;
  return fmt::format(
      "version {}, set {} [{}], sensor {} x {}, channels {}, steps {}, slicing {}, window {} {}, events {} "
      "{}, "
      "binary {}, downsample {}, stride {}, transforms {}{}",
      kBinningVersion, name_, format_.cache_scope, format_.sensor_width, format_.sensor_height,
      format_.channels, binning.num_steps, static_cast<int>(binning.slicing), windows ? binning.window_us : 0,
      windows ? binning.overlap_us : 0, counted ? binning.events_per_step : 0,
      counted ? binning.overlap_events : 0, binning.binary, binning.downsample,
      binning.stride_downsampling && binning.downsample > 1, format_.transforms.fixed_text(),
      windows && binning.from_zero ? ", from time 0" : "");
}

/// What the cache knows of the recordings that it holds.
void RecordingDataset::note_all() const {
  std::uint8_t cells[kNoteCells];
  for (std::size_t i = 0; i < recordings_.size(); ++i) {
    if (cache_->read_last(i, kNoteCells, cells)) note(i, cells);
  }
}

bool RecordingDataset::prepare(const PrepareProgress& progress) const {
  const std::string folder = frame_cache_folder();
  if (folder.empty() || prepared_ || recordings_.empty() || format_.transforms.has_random()) return true;
  prepared_ = true;
  try {
    cache_ = std::make_unique<FrameCache>(folder, name_, cache_settings(), num_cells_);
    std::vector<FrameCache::Recording> items;
    items.reserve(recordings_.size());
    for (const Recording& recording : recordings_) items.push_back({recording.path, recording.piece});
    prepared_ = cache_->fill(
        items, [this](std::size_t index, std::uint8_t* counts) { bin(index, nullptr, counts); },
        num_threads(), progress);
    if (prepared_) note_all();
    return prepared_;
  } catch (const DataError& error) {
    log(LogLevel::kWarning,
        fmt::format(
            "the cache of binned recordings cannot be extended; the rest is binned while it is read: {} "
            "(SPIKELOOM_CACHE_DIR=FOLDER puts it elsewhere, SPIKELOOM_CACHE_DIR=off does without it)",
            error.what()));
  }
  return true;
}

RecordingFormat recording_format(const DatasetInfo& info, const DataSettings& settings, int num_steps,
                                 const formats::EventReaderOptions& options, int sensor_width,
                                 int sensor_height) {
  RecordingFormat format;
  format.reader = file_reader(options);
  format.cache_scope = options_text(options);
  format.sensor_width = sensor_width;
  format.sensor_height = sensor_height;
  refuse_image_file_settings(info, settings);
  set_transforms(settings.transforms, format);
  const auto refuse = [](const std::string& message, const char* key) {
    throw ConfigError(message, "", 0, key);
  };
  if (num_steps < 1)
    refuse(fmt::format("a recording needs at least 1 time step, not {}", num_steps), "num_steps");
  if (settings.window_us < 1) {
    refuse(fmt::format("must be at least 1 microsecond, not {}", settings.window_us), "data.window_us");
  }
  const int sensor_side = std::min(format.sensor_width, format.sensor_height);
  if (settings.downsample < 1 || settings.downsample > sensor_side) {
    refuse(fmt::format("{} has {} x {} pixels{}: the factor must be between 1 and {}, not {}", info.name,
                       format.sensor_width, format.sensor_height,
                       format.transforms.empty() ? "" : " after its transforms", sensor_side,
                       settings.downsample),
           "data.downsample");
  }
  if (settings.overlap_us < 0 || settings.overlap_us >= settings.window_us) {
    refuse(fmt::format("must be at least 0 and below data.window_us = {}, not {}", settings.window_us,
                       settings.overlap_us),
           "data.overlap_us");
  }
  if (settings.events_per_step < 1) {
    refuse(fmt::format("must be at least 1, not {}", settings.events_per_step), "data.events_per_step");
  }
  if (settings.overlap_events < 0 || settings.overlap_events >= settings.events_per_step) {
    refuse(fmt::format("must be at least 0 and below data.events_per_step = {}, not {}",
                       settings.events_per_step, settings.overlap_events),
           "data.overlap_events");
  }
  if (settings.standardize) {
    refuse(fmt::format("{} holds recordings: event counts are not standardised; remove it", info.name),
           "data.standardize");
  }
  if (settings.crop_padding != 0) {
    refuse(fmt::format("{} holds recordings, which are not cropped; use max_shift", info.name),
           "data.crop_padding");
  }
  if (settings.cutout != 0) {
    refuse(fmt::format("{} holds recordings: cutout is for still images; use the transform drop_area",
                       info.name),
           "data.cutout");
  }
  const std::pair<double, const char*> colors[] = {{settings.brightness, "data.brightness"},
                                                   {settings.contrast, "data.contrast"},
                                                   {settings.saturation, "data.saturation"}};
  for (const auto& [value, key] : colors) {
    if (value != 0.0) {
      refuse(fmt::format("{} holds recordings: event counts have no colours; remove it", info.name), key);
    }
  }
  format.binning = binning_of(settings, num_steps);
  format.max_shift = settings.max_shift;
  format.horizontal_flip = settings.horizontal_flip;
  format.flip_order = settings.flip_order;
  const int smaller_side = events::binned_width(sensor_side, format.binning);
  if (settings.max_shift >= smaller_side) {
    refuse(fmt::format("a shift of up to {} pixels leaves frames of {} pixels empty", settings.max_shift,
                       smaller_side),
           "data.max_shift");
  }
  return format;
}

std::vector<Recording> list_recordings(const std::filesystem::path& folder, int label,
                                       const std::string& prefix, int num_digits, const std::string& suffix) {
  namespace fs = std::filesystem;
  std::vector<Recording> recordings;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return recordings;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::int64_t number =
        recording_number(entry->path().filename().string(), prefix, num_digits, suffix);
    if (number >= 0) recordings.push_back({entry->path().string(), number, label, ""});
  }
  if (error) throw DataError(folder.string() + ": cannot list the folder: " + error.message());
  return recordings;
}

bool has_recording(const std::filesystem::path& folder, const std::string& prefix, int num_digits,
                   const std::string& suffix) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return false;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (recording_number(entry->path().filename().string(), prefix, num_digits, suffix) >= 0) return true;
  }
  return false;
}

events::Binning binning_of(const DataSettings& settings, int num_steps) {
  events::Binning binning;
  binning.num_steps = num_steps;
  binning.slicing = to_binning(settings.slicing);
  binning.window_us = settings.window_us;
  binning.overlap_us = settings.overlap_us;
  binning.from_zero = settings.time_origin == TimeOrigin::kZero;
  binning.events_per_step = settings.events_per_step;
  binning.overlap_events = settings.overlap_events;
  binning.binary = settings.binary_bins;
  binning.downsample = settings.downsample;
  binning.stride_downsampling = settings.downsampling == Downsampling::kStride;
  return binning;
}

}  // namespace spikeloom::data
