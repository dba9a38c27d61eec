#include "spikeloom/formats/events/records/packed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/cut_short.h"
#include "spikeloom/formats/events/writing/encoders.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kPackedName = "packed events";

class PackedReader : public EventReader {
 public:
  PackedReader(ByteWindow window, const EventReaderOptions& options)
      : window_(std::move(window)), drop_outside_(options.drop_outside), partial_(options.partial) {
    if (!window_.ensure(kPackedHeaderBytes)) {
      throw FormatError("the file ends within its header; fetch it again", window_.name(), window_.offset());
    }
    const events::SensorSize sensor = packed_sensor(window_.data(), window_.name());
    width_ = options.width > 0 ? options.width : sensor.width;
    height_ = options.height > 0 ? options.height : sensor.height;
    window_.consume(kPackedHeaderBytes);
  }

  const char* format() const override { return kPackedName; }
  int width() const override { return width_; }
  int height() const override { return height_; }
  std::int64_t dropped_events() const override { return dropped_; }
  std::int64_t unread_bytes() const override { return unread_bytes_; }

  std::size_t read(events::Event* events, std::size_t capacity) override {
    std::size_t count = 0;
    while (count == 0) {
      if (!window_.ensure(kPackedEventBytes)) {
        if (partial_) unread_bytes_ = static_cast<std::int64_t>(window_.size());
        if (window_.size() == 0 || partial_) return 0;
        throw CutShort(
            fmt::format("the file ends in the middle of an event, after {} of its {} bytes; fetch the file "
                        "again, or read what is whole (--partial, data.partial)",
                        window_.size(), kPackedEventBytes),
            window_.name(), window_.offset());
      }
      while (count < capacity && window_.size() >= kPackedEventBytes) {
        const std::string fault = fault_of(window_.data());
        if (!fault.empty() && count > 0) return count;  // what is before the damage comes first
        if (!fault.empty()) throw FormatError(fault, window_.name(), window_.offset());
        const events::Event event = packed_event(window_.data());
        window_.consume(kPackedEventBytes);
        if (is_outside(event)) {
          ++dropped_;
        } else {
          events[count++] = event;
        }
      }
    }
    return count;
  }

 private:
  bool is_outside(const events::Event& event) const {
    return (width_ > 0 && event.x >= width_) || (height_ > 0 && event.y >= height_);
  }

  std::string fault_of(const std::uint8_t* record) const {
    if (const char* fault = packed_fault(record)) return fmt::format("a packed event is damaged: {}", fault);
    const events::Event event = packed_event(record);
    if (drop_outside_ || !is_outside(event)) return "";
    return fmt::format(
        "an event at x = {}, y = {} is outside the sensor of {} x {} pixels: damaged, or of another sensor "
        "(give its "
        "size with --sensor, or leave such events out with --drop-outside; data.sensor, data.drop_outside)",
        event.x, event.y, width_, height_);
  }

  ByteWindow window_;
  bool drop_outside_, partial_;
  int width_ = 0, height_ = 0;
  std::int64_t dropped_ = 0, unread_bytes_ = 0;
};

class PackedEncoder : public EventEncoder {
 public:
  PackedEncoder(int width, int height)
      : width_(width),
        height_(height),
        limits_(coordinate_limits(width, height, {1 << 16, 1 << 16}, kPackedName)) {}

  std::vector<std::uint8_t> header(std::int64_t) const override {
    std::vector<std::uint8_t> bytes(kPackedMagic, kPackedMagic + 8);
    const auto fits = [](int side) { return side > 0 && side < (1 << 16); };
    const bool is_said = fits(width_) && fits(height_);
    append_little_endian(static_cast<std::uint64_t>(is_said ? width_ : 0), 2, bytes);
    append_little_endian(static_cast<std::uint64_t>(is_said ? height_ : 0), 2, bytes);
    append_little_endian(0, 4, bytes);
    return bytes;
  }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kPackedName);
    for (std::size_t i = 0; i < count; ++i) {
      append_little_endian(static_cast<std::uint64_t>(events[i].t_us), 8, bytes);
      append_little_endian(events[i].x, 2, bytes);
      append_little_endian(events[i].y, 2, bytes);
      append_little_endian(events[i].polarity, 4, bytes);
    }
  }

 private:
  int width_, height_;
  CoordinateLimits limits_;
};

bool recognizes_packed(const RecordingStart& start) {
  return start.bytes.size() >= 8 && std::memcmp(start.bytes.data(), kPackedMagic, 8) == 0;
}

std::unique_ptr<EventReader> open_packed(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                         const EventReaderOptions& options) {
  return std::make_unique<PackedReader>(ByteWindow(std::move(source)), options);
}

}  // namespace

events::SensorSize packed_sensor(const std::uint8_t* header, const std::string& name) {
  if (std::memcmp(header, kPackedMagic, 8) != 0) {
    throw FormatError("not packed events: the first bytes are not SPKEVT1 and a line feed (docs/stream.md)",
                      name, 0);
  }
  if (load_little_endian_u32(header + 12) != 0) {
    throw FormatError("the last four bytes of the header are not 0", name, 12);
  }
  const int width = load_little_endian_u16(header + 8), height = load_little_endian_u16(header + 10);
  if ((width == 0) != (height == 0)) {
    throw FormatError(fmt::format("the header says a sensor of {} x {} pixels: both are 0 (not said), or "
                                  "neither is",
                                  width, height),
                      name, 8);
  }
  return {width, height};
}

const char* packed_fault(const std::uint8_t* record) {
  if (record[12] > 1) return "its polarity is neither 0 nor 1";
  if ((record[13] | record[14] | record[15]) != 0) return "its last three bytes are not 0";
  return nullptr;
}

events::Event packed_event(const std::uint8_t* record) {
  return {static_cast<std::int64_t>(load_little_endian_u64(record)), load_little_endian_u16(record + 8),
          load_little_endian_u16(record + 10), record[12]};
}

EventFormat packed_format() { return {"packed", kPackedName, recognizes_packed, open_packed}; }

std::unique_ptr<EventEncoder> make_packed_encoder(int width, int height) {
  return std::make_unique<PackedEncoder>(width, height);
}

}  // namespace spikeloom::formats
