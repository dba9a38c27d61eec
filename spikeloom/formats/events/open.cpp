#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/cut_short.h"
#include "spikeloom/formats/events/aedat/aedat2.h"
#include "spikeloom/formats/events/aedat/aedat3.h"
#include "spikeloom/formats/events/aedat/aedat4.h"
#include "spikeloom/formats/events/event_format.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/hdf5/hdf5_spikes.h"
#include "spikeloom/formats/events/numpy/npy.h"
#include "spikeloom/formats/events/partial_source.h"
#include "spikeloom/formats/events/prophesee/dat.h"
#include "spikeloom/formats/events/prophesee/evt2.h"
#include "spikeloom/formats/events/prophesee/evt3.h"
#include "spikeloom/formats/events/records/atis_bin.h"
#include "spikeloom/formats/events/records/es.h"
#include "spikeloom/formats/events/records/packed.h"
#include "spikeloom/formats/events/text/csv.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kReadEvents = std::size_t{1} << 14;

/// A source whose first bytes were looked at and are read again.
class PeekedSource : public ByteSource {
 public:
  explicit PeekedSource(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {
    std::size_t wanted = kRecordingStartBytes;
    const std::int64_t size = source_->size();
    if (size >= 0 && size < static_cast<std::int64_t>(wanted)) wanted = static_cast<std::size_t>(size);
    start_.resize(wanted);
    start_.resize(source_->read(start_.data(), wanted));
  }

  RecordingStart start() const { return {Span<const std::uint8_t>(start_), source_->size()}; }

  const std::string& name() const override { return source_->name(); }
  std::int64_t position() const override {
    return source_->position() - static_cast<std::int64_t>(start_.size() - given_);
  }
  std::int64_t size() const override { return source_->size(); }
  std::unique_ptr<ByteSource> reopen() const override { return source_->reopen(); }

  std::size_t read(void* destination, std::size_t size) override {
    const std::size_t first = std::min(size, start_.size() - given_);
    if (first > 0) std::memcpy(destination, start_.data() + given_, first);
    given_ += first;
    return first + (first < size ? source_->read(static_cast<char*>(destination) + first, size - first) : 0);
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::vector<std::uint8_t> start_;
  std::size_t given_ = 0;
};

std::string format_keys() {
  std::string keys;
  for (const EventFormat& format : event_formats())
    keys += (keys.empty() ? "" : ", ") + std::string(format.key);
  return keys;
}

/// The format asked for, or null for "auto".
const EventFormat* asked_format(const EventReaderOptions& options) {
  const auto is_side = [](int pixels) { return pixels >= 1 && pixels <= kLargestSensorSide; };
  const bool is_said = options.width != 0 || options.height != 0;
  if (is_said && !(is_side(options.width) && is_side(options.height))) {
    throw ConfigError(fmt::format("a sensor of {} x {} pixels: each side is from 1 to {}", options.width,
                                  options.height, kLargestSensorSide));
  }
  if (options.format == "auto") return nullptr;
  const EventFormat* format = find_event_format(options.format);
  if (format == nullptr) {
    throw ConfigError(
        fmt::format("event format '{}' is not known; there are auto, {}", options.format, format_keys()));
  }
  return format;
}

/// Throws ConfigError for an option that the format has no use for, rather than pass over it.
void check_options(const EventFormat& format, const EventReaderOptions& options, const std::string& file) {
  const std::string key = format.key;
  const auto is_one_of = [&](std::initializer_list<const char*> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  const auto refuse = [&](const char* option, const char* recipe_key, const char* whose) {
    throw ConfigError(fmt::format("{}: is {}, for which {} ({}) means nothing: it is for {}; leave it out",
                                  file, format.name, option, recipe_key, whose));
  };
  if (options.pass_over_unused) return;
  const bool is_table = is_one_of({"csv", "npy", "npz", "hdf5"});
  if (!options.chip.empty() && !is_one_of({"aedat1", "aedat2"})) {
    refuse("--chip", "data.chip", "AEDAT 1.0 and 2.0");
  }
  if (options.time_unit != TimeUnit::kFile && !is_table) {
    refuse("--time-unit", "data.time_unit", "text, npy, npz and HDF5");
  }
  if (!options.columns.empty() && !is_table) {
    refuse("--columns", "data.columns", "text, npy, npz and HDF5");
  }
  const bool may_have_cameras = is_one_of({"aedat3", "aedat4", "evt3", "evt3-expelliarmus", "hdf5"});
  if (options.camera.empty() || options.camera == "0" || may_have_cameras) return;
  throw ConfigError(
      fmt::format("{}: camera '{}': a recording of {} has one camera", file, options.camera, format.name));
}

/// Throws ConfigError for a recording that the file does not hold, rather than read another one.
std::unique_ptr<EventReader> with_recording(std::unique_ptr<EventReader> reader, std::int64_t recording,
                                            const std::string& file) {
  if (recording < 0 || recording >= std::max(reader->num_recordings(), std::int64_t{1})) {
    throw no_such_recording(file, reader->num_recordings(), recording);
  }
  return reader;
}

std::int64_t recording_number(const std::string& path, const std::string& text) {
  constexpr std::size_t kMaxDigits = 9;
  const bool digits = text.size() <= kMaxDigits && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits)
    throw DataError(fmt::format("{}: recordings of an HDF5 file are numbered: FILE:0, FILE:1, ...", path));
  return std::stoll(text);
}

std::unique_ptr<ByteSource> open_listed_member(const std::string& path) {
  const std::vector<ArchiveMember> members = list_archive(path);
  if (members.size() == 1) return open_archive_member(path, members[0].name);
  if (members.empty()) throw FormatError("an archive without files", path);
  throw FormatError(fmt::format("an archive of {} files: name one of them, such as '{}:{}'", members.size(),
                                path, members[0].name),
                    path);
}

/// The only member of an archive that holds one file.
std::unique_ptr<ByteSource> open_only_member(const std::string& path, bool partial) {
  if (partial) {
    // What was compressed and cut has no end to be listed.
    ArchiveWalk walk(path);
    const bool any = walk.next();
    const std::string name = walk.member().name;
    try {
      if (any && walk.next()) return open_listed_member(path);
    } catch (const FormatError&) {
    }
    if (any) return open_archive_member(path, name);
  }
  return open_listed_member(path);
}

/// Opens a source; `path` is the file it reads, or empty if it is not a file of its own.
std::unique_ptr<EventReader> open_source(std::unique_ptr<ByteSource> source, const std::string& path,
                                         const EventReaderOptions& options) {
  const EventFormat* format = asked_format(options);
  if (options.partial) source = partial_source(std::move(source));
  auto peeked = std::make_unique<PeekedSource>(std::move(source));
  const RecordingStart start = peeked->start();
  if (start.bytes.empty()) {
    const std::string writer = path.empty() ? "" : hdf5_writer_text(path);
    throw FormatError(writer.empty() ? "the file is empty" : "the file is empty so far: " + writer,
                      peeked->name(), 0);
  }
  if (format == nullptr) format = recognize_event_format(start);
  if (format == nullptr && options.partial) {  // a cut leaves a size that is no multiple of a record's
    format = recognize_event_format({start.bytes, -1});
  }
  if (format == nullptr && !path.empty() && is_archive(start.bytes.data(), start.bytes.size())) {
    return open_source(open_only_member(path, options.partial), "", options);
  }
  if (format == nullptr && start.size >= 0) {
    const EventFormat* cut = recognize_event_format({start.bytes, -1});
    if (cut != nullptr) {
      throw CutShort(
          fmt::format("looks like {}, but ends in the middle of an event: fetch the file again, or read what "
                      "is whole (--partial, data.partial)",
                      cut->name),
          peeked->name());
    }
  }
  if (format == nullptr) {
    throw FormatError(
        fmt::format(
            "its event format was not detected from its content; --format (data.format) chooses one of: {}",
            format_keys()),
        peeked->name());
  }
  check_options(*format, options, peeked->name());
  if (format->open_file != nullptr) {
    if (!path.empty()) return with_recording(format->open_file(path, options), options.recording, path);
    throw FormatError(fmt::format("{} is read from a file of its own only: unpack it first", format->name),
                      peeked->name());
  }
  const std::string name = peeked->name();
  return with_recording(format->open(std::move(peeked), start, options), options.recording, name);
}

}  // namespace

const std::vector<EventFormat>& event_formats() {
  static const std::vector<EventFormat> formats = {
      evt3_format(), evt2_format(), evt21_format(), dat_format(), aedat2_format(), aedat1_format(),
      aedat3_format(), aedat4_format(), es_format(), hdf5_spikes_format(), npy_format(), npz_format(),
      packed_format(),
      // Without a signature, from the most to the least telling content.
      csv_format(), atis_bin_format(),
      // Only by name.
      dat_v1_format(), dat_v2_format(), evt3_expelliarmus_format()};
  return formats;
}

const EventFormat* find_event_format(const std::string& key_or_name) {
  for (const EventFormat& format : event_formats()) {
    if (key_or_name == format.key || key_or_name == format.name) return &format;
  }
  return nullptr;
}

const EventFormat* recognize_event_format(const RecordingStart& start) {
  for (const EventFormat& format : event_formats()) {
    if (format.recognizes(start)) return &format;
  }
  return nullptr;
}

NoSuchRecording no_such_recording(const std::string& file, std::int64_t count, std::int64_t number) {
  return NoSuchRecording(fmt::format("{}: holds {} recording{}; there is no number {}{}", file, count,
                                     count == 1 ? "" : "s", number,
                                     count > 1 ? fmt::format(", they are 0 to {}", count - 1) : ""));
}

bool never_recognized(const RecordingStart&) { return false; }

std::unique_ptr<EventReader> open_events(const std::string& path, const EventReaderOptions& options) {
  const auto parts = split_archive_path(path);
  if (!parts) return open_source(open_file_source(path), path, options);
  if (is_hdf5_file(parts->archive)) {
    EventReaderOptions one = options;
    one.recording = recording_number(path, parts->member);
    if (options.recording != 0 && options.recording != one.recording) {
      throw ConfigError(fmt::format("{}: names recording {}, the options name recording {}", path,
                                    one.recording, options.recording));
    }
    try {
      return open_source(open_file_source(parts->archive), parts->archive, one);
    } catch (const NoSuchRecording& error) {
      if (options.recording != 0) throw;
      throw DataError(error.what());  // the path says it, no option
    }
  }
  return open_source(open_archive_member(parts->archive, parts->member), "", options);
}

std::unique_ptr<EventReader> open_events(std::unique_ptr<ByteSource> source,
                                         const EventReaderOptions& options) {
  return open_source(std::move(source), "", options);
}

events::SensorSize stated_sensor(const std::string& path, EventReaderOptions options) {
  options.width = options.height = 0;
  try {
    const std::unique_ptr<EventReader> reader = open_events(path, options);
    return {reader->width(), reader->height()};
  } catch (const TwoSensors&) {
    throw;
  } catch (const ConfigError&) {  // it asks for a size, or for what the opening with one asks for too
  } catch (const FormatError&) {
  }
  return {};
}

events::EventStream read_events(EventReader& reader) {
  events::EventStream stream;
  std::size_t count = 0;
  do {
    // Room grows with what the file has really given.
    const std::size_t used = stream.events.size();
    if (stream.events.capacity() < used + kReadEvents) stream.events.reserve(2 * used + kReadEvents);
    stream.events.resize(used + kReadEvents);
    count = reader.read(stream.events.data() + used, kReadEvents);
    stream.events.resize(used + count);
  } while (count > 0);
  stream.width = reader.width();
  stream.height = reader.height();
  return stream;
}

events::EventStream read_events(const std::string& path, const EventReaderOptions& options) {
  events::EventStream stream = read_events(*open_events(path, options));
  if (stream.width == 0 || stream.height == 0) {
    for (const events::Event& event : stream.events) {
      stream.width = std::max(stream.width, event.x + 1);
      stream.height = std::max(stream.height, event.y + 1);
    }
  }
  return stream;
}

}  // namespace spikeloom::formats
