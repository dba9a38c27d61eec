#include "spikeloom/formats/events/aedat/aedat3.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/records/careful_reader.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"
#include "spikeloom/formats/events/records/text_header.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr char kAedat3Name[] = "AEDAT 3.1";
constexpr char kAedat3VersionMark[] = "#!AER-DAT3";
constexpr char kVersionLine[] = "#!AER-DAT3.1";
constexpr char kAedat3EndOfHeader[] = "#!END-HEADER";
constexpr std::size_t kHeaderBytes = 28, kAedat3EventBytes = 8;
constexpr int kPolarityType = 1;
constexpr const char* kRemedy = "fetch the file again, or read what is whole (--partial, data.partial)";

struct SensorSize {
  int width = 0, height = 0;
};

/// By the names that cAER gives its sources: one of these, whole, or with the letter of a revision.
SensorSize sensor_size(const std::string& name) {
  static constexpr struct {
    const char* name;
    SensorSize size;
    bool has_revisions;
  } kSensors[] = {{"DVS128", {128, 128}, true},          {"DAVIS128", {128, 128}, true},
                  {"DAVIS208", {208, 192}, true},        {"DAVIS240", {240, 180}, true},
                  {"DAVIS346", {346, 260}, true},        {"DAVIS346CBSI", {346, 260}, false},
                  {"DAVIS640", {640, 480}, true},        {"DVXPLORER", {640, 480}, false},
                  {"DVXPLORER LITE", {320, 240}, false}, {"DVS132", {132, 104}, true}};
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const auto& sensor : kSensors) {
    const std::size_t length = std::strlen(sensor.name);
    if (upper.compare(0, length, sensor.name) != 0) continue;
    const bool is_revision =
        sensor.has_revisions && upper.size() == length + 1 && upper.back() >= 'A' && upper.back() <= 'Z';
    if (upper.size() == length || is_revision) return sensor.size;
  }
  return {};
}

struct PacketHeader {
  int type = 0, source = 0;
  std::int64_t event_bytes = 0, timestamp_place = 0, overflows = 0, capacity = 0, number = 0, valid = 0;

  explicit PacketHeader(const std::uint8_t* bytes) {
    const auto number_at = [bytes](std::size_t place) {
      return static_cast<std::int32_t>(load_little_endian_u32(bytes + place));
    };
    type = static_cast<std::int16_t>(load_little_endian_u16(bytes));
    source = static_cast<std::int16_t>(load_little_endian_u16(bytes + 2));
    event_bytes = number_at(4);
    timestamp_place = number_at(8);
    overflows = number_at(12);
    capacity = number_at(16);
    number = number_at(20);
    valid = number_at(24);
  }
};

class Aedat3Reader : public CarefulReader {
 public:
  Aedat3Reader(std::unique_ptr<ByteSource> source, const EventReaderOptions& options)
      : CarefulReader(options), window_(std::move(source)), is_chosen_(!options.camera.empty()) {
    read_header();
    whole_end_ = window_.offset();
    choose_source(options.camera);
    // Where the header lists no source, the first polarity packet tells which one this recording is of.
    bool found = false;
    try {
      found = next_packet();
    } catch (const CutShort&) {
      if (!options.partial) throw;
      cut_at_start_ = true;
    }
    if (is_chosen_ && !found && !cut_at_start_ && sources_.count(source_) == 0) refuse_camera(options.camera);
    if (options.width == 0 && options.height == 0) {
      const auto name = sources_.find(source_);
      const SensorSize size = name == sources_.end() ? SensorSize{} : sensor_size(name->second);
      width_ = size.width;
      height_ = size.height;
    }
  }

  const char* format() const override { return kAedat3Name; }

 private:
  void read_header() {
    std::string line;
    if (!next_header_line(window_, '#', &line)) {
      throw FormatError("the header is cut short", window_.name(), window_.offset());
    }
    if (line != kVersionLine) {
      throw FormatError(fmt::format("version line '{:.20}': only AEDAT 3.1 is read", line), window_.name(),
                        0);
    }
    while (line != kAedat3EndOfHeader) {
      const std::int64_t offset = window_.offset();
      if (!next_header_line(window_, '#', &line)) {
        throw FormatError("the header ends without the line #!END-HEADER; fetch the file again",
                          window_.name(), offset);
      }
      if (line.rfind("#Format:", 0) == 0 && line.find("RAW") == std::string::npos) {
        throw FormatError(fmt::format("'{:.60}': only packets in the format RAW are read", line),
                          window_.name(), offset);
      }
      add_source(line);
    }
  }

  /// "#Source 1: DVS128" (as the sensor's place, cAER writes the name first).
  void add_source(const std::string& line) {
    static const std::string mark = "#Source ";
    const std::size_t colon = line.find(": ");
    if (line.rfind(mark, 0) != 0 || colon == std::string::npos) return;
    const std::string number = line.substr(mark.size(), colon - mark.size());
    const bool is_number =
        !number.empty() && number.size() < 6 &&
        std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return;
    const auto [place, is_new] = sources_.emplace(std::stoi(number), line.substr(colon + 2));
    if (!is_new && place->second != line.substr(colon + 2)) {
      throw FormatError(fmt::format("the header gives source {} two names, '{:.60}' and '{:.60}'", number,
                                    place->second, line.substr(colon + 2)),
                        window_.name(), 0);
    }
  }

  /// "1 (DVS128)".
  std::string source_text(int number) const {
    const auto name = sources_.find(number);
    return name == sources_.end() ? std::to_string(number) : fmt::format("{} ({:.60})", number, name->second);
  }

  std::string list_of_sources() const {
    std::string list;
    for (const auto& [number, name] : sources_) list += (list.empty() ? "" : ", ") + source_text(number);
    return list;
  }

  [[noreturn]] void refuse_camera(const std::string& camera) const {
    throw ConfigError(fmt::format(
        "{}: no camera '{:.60}'{}", window_.name(), camera,
        sources_.empty() ? "; give the number of a source of events" : "; there are " + list_of_sources()));
  }

  [[noreturn]] void ask_for_camera(const std::string& list) const {
    throw FormatError(
        fmt::format("has events of several cameras: choose one (--camera NUMBER or NAME, data.camera) of {}",
                    list),
        window_.name(), window_.offset());
  }

  /// Takes the camera asked for: by its name if one source has it, else by the number of the source.
  void choose_source(const std::string& camera) {
    if (camera.empty()) {
      if (sources_.size() > 1) ask_for_camera(list_of_sources());
      return;
    }
    constexpr std::size_t kMostDigits = 5;
    int so_named = 0;
    for (const auto& [number, name] : sources_) {
      if (name != camera) continue;
      source_ = number;
      ++so_named;
    }
    if (so_named == 0) {
      if (camera.size() > kMostDigits || camera.find_first_not_of("0123456789") != std::string::npos) {
        refuse_camera(camera);
      }
      source_ = std::stoi(camera);
    } else if (so_named > 1) {
      throw ConfigError(fmt::format("{}: several cameras are named '{:.60}': give the number of one of {}",
                                    window_.name(), camera, list_of_sources()));
    }
    has_source_ = true;
  }

  /// Goes to the events of the next polarity packet; false at the end of the file.
  bool next_packet() {
    for (;;) {
      skip(padding_);
      padding_ = 0;
      whole_end_ = window_.offset();
      if (!window_.ensure(kHeaderBytes)) {
        if (window_.size() == 0) return false;
        throw CutShort(fmt::format("the file ends in a packet header, after {} of its {} bytes; {}",
                                   window_.size(), kHeaderBytes, kRemedy),
                       window_.name(), window_.offset());
      }
      const PacketHeader header(window_.data());
      check(header);
      window_.consume(kHeaderBytes);
      const bool is_other = has_source_ && header.source != source_;
      if (header.type == kPolarityType && is_other && !is_chosen_ && header.number > 0) {
        ask_for_camera(source_text(source_) + ", " + source_text(header.source));
      }
      const bool wanted = header.type == kPolarityType && !is_other;
      if (!wanted) {
        skip(header.capacity * header.event_bytes);
        continue;
      }
      has_source_ = true;
      source_ = header.source;
      left_ = header.number;
      padding_ = (header.capacity - header.number) * kAedat3EventBytes;
      all_valid_ = header.valid == header.number;
      base_us_ = header.overflows << 31;
      return true;
    }
  }

  void check(const PacketHeader& header) const {
    const auto refuse = [this](const char* what, std::int64_t value, std::int64_t place) {
      throw FormatError(fmt::format("a packet header gives {} for the {}; fetch the file again", value, what),
                        window_.name(), window_.offset() + place);
    };
    if (header.type < 0) refuse("event type", header.type, 0);
    if (header.event_bytes < 0) refuse("bytes of an event", header.event_bytes, 4);
    if (header.type == kPolarityType) {
      if (header.event_bytes != kAedat3EventBytes) refuse("bytes of a polarity event", header.event_bytes, 4);
      if (header.timestamp_place != 4) refuse("place of the timestamp", header.timestamp_place, 8);
    }
    if (header.overflows < 0) refuse("number of timestamp overflows", header.overflows, 12);
    if (header.capacity < 0) refuse("capacity", header.capacity, 16);
    if (header.number < 0 || header.number > header.capacity) refuse("number of events", header.number, 20);
    if (header.valid < 0 || header.valid > header.number) refuse("number of valid events", header.valid, 24);
    const std::int64_t size = window_.source_size(), begin = window_.offset() + std::int64_t{kHeaderBytes};
    // At most 2^31 events of 2^31 bytes: fits in 63 bits.
    if (size >= 0 && header.capacity * header.event_bytes > std::max<std::int64_t>(size - begin, 0) &&
        header.type != kPolarityType) {
      throw CutShort(fmt::format("the file ends within a packet; {}", kRemedy), window_.name(), size);
    }
  }

  void skip(std::int64_t bytes) {
    while (bytes > 0) {
      if (!window_.ensure(1)) {
        throw CutShort(fmt::format("the file ends within a packet, {} before the packet's end; {}",
                                   counted(bytes, "byte"), kRemedy),
                       window_.name(), window_.offset());
      }
      const std::int64_t step = std::min<std::int64_t>(bytes, static_cast<std::int64_t>(window_.size()));
      window_.consume(static_cast<std::size_t>(step));
      bytes -= step;
    }
  }

  void decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    while (*count < capacity) {
      if (cut_at_start_)
        throw CutShort("the file ends before its first event", window_.name(), window_.offset());
      if (left_ == 0) {
        if (!next_packet()) return;
        continue;
      }
      if (!window_.ensure(kAedat3EventBytes)) {
        throw CutShort(fmt::format("the file ends within a packet, {} before the packet's end; {}",
                                   counted(left_, "event"), kRemedy),
                       window_.name(), window_.offset());
      }
      const std::size_t here = static_cast<std::size_t>(std::min<std::int64_t>(
          left_, static_cast<std::int64_t>(std::min(window_.size() / kAedat3EventBytes, capacity - *count))));
      const std::size_t plain = decode_plain(here, events + *count, count);
      if (plain < here) decode_event(events, count);
      whole_end_ = window_.offset();
    }
  }

  /// The first events of the window, at most `most`, up to one with a negative time or outside the sensor.
  /// Returns how many those are; of them `*count` grows by the valid ones, which are in `events`.
  std::size_t decode_plain(std::size_t most, events::Event* events, std::size_t* count) {
    const std::uint8_t* data = window_.data();
    const auto width = static_cast<std::uint32_t>(columns()), height = static_cast<std::uint32_t>(rows());
    const std::uint32_t always_valid = all_valid_ ? 1 : 0;
    std::size_t i = 0, written = 0;
    for (; i < most; ++i) {
      const std::uint32_t address = load_little_endian_u32(data + i * kAedat3EventBytes);
      const std::uint32_t timestamp = load_little_endian_u32(data + i * kAedat3EventBytes + 4);
      const std::uint32_t valid = (address | always_valid) & 1;
      const std::uint32_t x = address >> 17, y = address >> 2 & 0x7fff;
      if ((valid & ((timestamp >> 31) | is_outside(x, y, width, height))) != 0) break;
      events[written] = {base_us_ + timestamp, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                         static_cast<std::uint8_t>(address >> 1 & 1)};
      written += valid;
    }
    window_.consume(i * kAedat3EventBytes);
    left_ -= static_cast<std::int64_t>(i);
    *count += written;
    return i;
  }

  void decode_event(events::Event* events, std::size_t* count) {
    const std::uint32_t data = load_little_endian_u32(window_.data());
    const auto timestamp = static_cast<std::int32_t>(load_little_endian_u32(window_.data() + 4));
    if (all_valid_ || (data & 1) != 0) {
      if (timestamp < 0) {
        throw FormatError(
            fmt::format("an event with the negative timestamp {}; fetch the file again", timestamp),
            window_.name(), window_.offset() + 4);
      }
      const std::uint32_t x = data >> 17, y = data >> 2 & 0x7fff;
      if (keep_pixel(x, y, window_.name(), window_.offset())) {
        events[(*count)++] = {base_us_ + timestamp, static_cast<std::uint16_t>(x),
                              static_cast<std::uint16_t>(y), static_cast<std::uint8_t>(data >> 1 & 1)};
      }
    }
    window_.consume(kAedat3EventBytes);
    --left_;
  }

  std::int64_t unread_after_cut() const override {
    const std::int64_t size = window_.source_size();
    return (size >= 0 ? size : window_.offset() + static_cast<std::int64_t>(window_.size())) - whole_end_;
  }

  ByteWindow window_;
  std::int64_t whole_end_ = 0;  ///< place after the last whole event or packet
  bool cut_at_start_ = false;   ///< the file ends before the first event
  std::map<int, std::string> sources_;
  bool is_chosen_ = false, has_source_ = false, all_valid_ = false;
  int source_ = 0;
  std::int64_t left_ = 0;     ///< events of the packet that are still to be read
  std::int64_t padding_ = 0;  ///< bytes after them
  std::int64_t base_us_ = 0;
};

bool recognizes_aedat3(const RecordingStart& start) {
  constexpr std::size_t size = sizeof(kAedat3VersionMark) - 1;
  return start.bytes.size() >= size && std::memcmp(start.bytes.data(), kAedat3VersionMark, size) == 0;
}

}  // namespace

EventFormat aedat3_format() {
  return {"aedat3", kAedat3Name, recognizes_aedat3,
          [](std::unique_ptr<ByteSource> source, const RecordingStart&,
             const EventReaderOptions& options) -> std::unique_ptr<EventReader> {
            return std::make_unique<Aedat3Reader>(std::move(source), options);
          }};
}

}  // namespace spikeloom::formats
