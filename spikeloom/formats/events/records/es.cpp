#include "spikeloom/formats/events/records/es.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/records/careful_reader.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr char kEsName[] = "Event Stream";
constexpr std::size_t kMarkBytes = sizeof(kEsName) - 1;

/// What the bytes of one event say.
struct Fields {
  std::uint32_t x, y;
  std::uint8_t polarity;
  bool is_change;  ///< not a threshold crossing
};

// Each kind of stream: bytes of an event; the first byte that is "alone" or the step of time of an event.
struct Dvs2 {
  static constexpr std::size_t kEventBytes = 5;
  static bool is_alone(std::uint8_t first) { return first >= 0xfe; }
  static std::int64_t alone_us(std::uint8_t first) { return first == 0xff ? 127 : 0; }
  static std::int64_t step_us(std::uint8_t first) { return first >> 1; }
  static Fields fields(const std::uint8_t* bytes) {
    return {load_little_endian_u16(bytes + 1), load_little_endian_u16(bytes + 3),
            static_cast<std::uint8_t>(bytes[0] & 1), true};
  }
};
struct Atis2 {
  static constexpr std::size_t kEventBytes = 5;
  static bool is_alone(std::uint8_t first) { return first >= 0xfc; }
  static std::int64_t alone_us(std::uint8_t first) { return std::int64_t{63} * (first & 3); }
  static std::int64_t step_us(std::uint8_t first) { return first >> 2; }
  static Fields fields(const std::uint8_t* bytes) {
    return {load_little_endian_u16(bytes + 1), load_little_endian_u16(bytes + 3),
            static_cast<std::uint8_t>(bytes[0] >> 1 & 1), (bytes[0] & 1) == 0};
  }
};
struct Dvs1 {
  static constexpr std::size_t kEventBytes = 3;
  static bool is_alone(std::uint8_t first) { return (first & 0x0f) == 0x0f; }
  static std::int64_t alone_us(std::uint8_t first) { return std::int64_t{15} * (first >> 4); }
  static std::int64_t step_us(std::uint8_t first) { return first & 0x0f; }
  static Fields fields(const std::uint8_t* bytes) {
    return {static_cast<std::uint32_t>(bytes[0] >> 4 | (bytes[1] & 0x3f) << 4),
            static_cast<std::uint32_t>(bytes[1] >> 6 | (bytes[2] & 0x7f) << 2),
            static_cast<std::uint8_t>(bytes[2] >> 7), true};
  }
};
struct Atis1 {
  static constexpr std::size_t kEventBytes = 3;
  static bool is_alone(std::uint8_t first) { return (first & 0x1f) == 0x1f; }
  static std::int64_t alone_us(std::uint8_t first) { return std::int64_t{31} * (first >> 5); }
  static std::int64_t step_us(std::uint8_t first) { return first & 0x1f; }
  static Fields fields(const std::uint8_t* bytes) {
    return {static_cast<std::uint32_t>(bytes[0] >> 5 | (bytes[1] & 0x3f) << 3),
            static_cast<std::uint32_t>(bytes[1] >> 6 | (bytes[2] & 0x3f) << 2),
            static_cast<std::uint8_t>(bytes[2] >> 7), (bytes[2] & 0x40) == 0};
  }
};

template <class Kind>
class EsReader : public CarefulReader {
 public:
  EsReader(ByteWindow window, int width, int height, const EventReaderOptions& options)
      : CarefulReader(options), window_(std::move(window)) {
    width_ = width;
    height_ = height;
  }

  const char* format() const override { return kEsName; }

 private:
  void decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    while (*count < capacity) {
      if (!window_.ensure(1)) return;
      const std::uint8_t first = window_.data()[0];
      if (Kind::is_alone(first)) {
        t_us_ += Kind::alone_us(first);
        window_.consume(1);
        continue;
      }
      if (!window_.ensure(Kind::kEventBytes)) {
        throw CutShort(
            fmt::format("the file ends in the middle of an event, after {} of its {} bytes; fetch the file "
                        "again, or read what is whole (--partial, data.partial)",
                        window_.size(), Kind::kEventBytes),
            window_.name(), window_.offset());
      }
      decode_run(events, capacity, count);
    }
  }

  /// Events that lie whole in the window, one at least.
  void decode_run(events::Event* events, std::size_t capacity, std::size_t* count) {
    const std::uint8_t* const begin = window_.data();
    const std::uint8_t* const last = begin + (window_.size() - Kind::kEventBytes);
    const std::uint8_t* at = begin;
    std::int64_t t_us = t_us_;
    std::size_t written = *count;
    const std::uint32_t columns = width_ > 0 ? static_cast<std::uint32_t>(width_) : 1u << 16;
    const std::uint32_t rows = height_ > 0 ? static_cast<std::uint32_t>(height_) : 1u << 16;
    const std::uint8_t* outside = nullptr;
    while (at <= last && written < capacity) {
      if (Kind::is_alone(*at)) {
        t_us += Kind::alone_us(*at++);
        continue;
      }
      const Fields fields = Kind::fields(at);
      t_us += Kind::step_us(*at);
      if (fields.x >= columns || fields.y >= rows) {
        if (fields.is_change) {
          outside = at;
          break;
        }
      }
      events[written] = {t_us, static_cast<std::uint16_t>(fields.x), static_cast<std::uint16_t>(fields.y),
                         fields.polarity};
      written += fields.is_change;
      at += Kind::kEventBytes;
    }
    t_us_ = t_us;
    *count = written;
    window_.consume(static_cast<std::size_t>(at - begin));
    if (outside == nullptr) return;
    const Fields fields = Kind::fields(outside);
    keep_pixel(fields.x, fields.y, window_.name(), window_.offset());  // throws, or counts it
    window_.consume(Kind::kEventBytes);
  }

  std::int64_t unread_after_cut() const override { return static_cast<std::int64_t>(window_.size()); }

  ByteWindow window_;
  std::int64_t t_us_ = 0;
};

constexpr const char* kKinds1[] = {"DVS", "ATIS", "display", "color", "generic", "liquid"};
constexpr const char* kKinds2[] = {"generic", "DVS", "ATIS", "display", "color"};

[[noreturn]] void refuse_kind(const ByteWindow& window, const char* name, int kind) {
  throw FormatError(
      fmt::format("a stream of {} events (kind {}): only DVS and ATIS events are read", name, kind),
      window.name(), window.offset());
}

std::unique_ptr<EventReader> open_es(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                     const EventReaderOptions& options) {
  constexpr std::size_t kVersionBytes = 2;
  ByteWindow window(std::move(source));
  const auto need = [&window](std::size_t bytes) {
    if (window.ensure(bytes)) return;
    throw FormatError("the header is cut short; fetch the file again", window.name(), window.offset());
  };
  need(kMarkBytes + kVersionBytes);
  if (std::memcmp(window.data(), kEsName, kMarkBytes) != 0) {
    throw FormatError("not an Event Stream file: it does not begin with 'Event Stream'", window.name(), 0);
  }
  window.consume(kMarkBytes);
  const int major = window.data()[0], minor = window.data()[1];
  if (major != 1 && major != 2) {
    throw FormatError(fmt::format("Event Stream version {}.{}: versions 1 and 2 are read", major, minor),
                      window.name(), window.offset());
  }
  const std::size_t version_bytes = kVersionBytes + (major == 2 ? 1 : 0);  // and the patch version
  need(version_bytes + 1);
  window.consume(version_bytes);
  const int kind = window.data()[0];
  const bool is_dvs = kind == (major == 1 ? 0 : 1), is_atis = kind == (major == 1 ? 1 : 2);
  if (!is_dvs && !is_atis) {
    const int known = static_cast<int>(major == 1 ? std::size(kKinds1) : std::size(kKinds2));
    refuse_kind(window, kind >= known ? "unknown" : major == 1 ? kKinds1[kind] : kKinds2[kind], kind);
  }
  window.consume(1);
  int width = options.width, height = options.height;
  if (major == 2) {
    need(4);
    if (width == 0) width = load_little_endian_u16(window.data());
    if (height == 0) height = load_little_endian_u16(window.data() + 2);
    window.consume(4);
  }
  const auto make = [&](auto which) -> std::unique_ptr<EventReader> {
    return std::make_unique<EsReader<decltype(which)>>(std::move(window), width, height, options);
  };
  if (major == 1) return is_dvs ? make(Dvs1{}) : make(Atis1{});
  return is_dvs ? make(Dvs2{}) : make(Atis2{});
}

bool recognizes_es(const RecordingStart& start) {
  return start.bytes.size() >= kMarkBytes && std::memcmp(start.bytes.data(), kEsName, kMarkBytes) == 0;
}

}  // namespace

EventFormat es_format() { return {"es", kEsName, recognizes_es, open_es}; }

}  // namespace spikeloom::formats
