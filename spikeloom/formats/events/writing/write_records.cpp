// Encoders of the formats whose events are records of one size: DAT, AEDAT 2.0, ATIS bin.
#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/writing/encoders.h"

namespace spikeloom::formats {
namespace {

/// A 32-bit clock: a step of up to 2^31 us either way is read back right.
class Clock32 {
 public:
  std::uint32_t raw(const events::Event& event, const char* format) {
    // Differences of times may be larger than 64 bits hold; modulo 2^64 they are compared all the same.
    const std::uint64_t step =
        static_cast<std::uint64_t>(event.t_us) - static_cast<std::uint64_t>(previous_us_);
    constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
    if (started_ && step + kHalf >= 2 * kHalf) {
      refuse_time(event, previous_us_, format, "steps of at most 2^31 us");
    }
    started_ = true;
    previous_us_ = event.t_us;
    return static_cast<std::uint32_t>(event.t_us);
  }

 private:
  std::int64_t previous_us_ = 0;
  bool started_ = false;
};

void append_text(const std::string& text, std::vector<std::uint8_t>& bytes) {
  bytes.insert(bytes.end(), text.begin(), text.end());
}

class DatEncoder : public EventEncoder {
 public:
  DatEncoder(int width, int height)
      : width_(width),
        height_(height),
        limits_(coordinate_limits(width, height, {1 << 14, 1 << 14}, kFormat)) {}

  std::vector<std::uint8_t> header(std::int64_t) const override {
    std::vector<std::uint8_t> bytes;
    append_text("% Data file containing CD events.\n% Version 2\n", bytes);
    if (width_ > 0 && height_ > 0)
      append_text(fmt::format("% Height {}\n% Width {}\n", height_, width_), bytes);
    bytes.push_back(0x0c);  // type and size of the events
    bytes.push_back(8);
    return bytes;
  }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kFormat);
    std::vector<std::uint8_t> added;
    added.reserve(8 * count);
    Clock32 clock = clock_;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t address =
          events[i].x | std::uint32_t{events[i].y} << 14 | std::uint32_t{events[i].polarity} << 28;
      for (const std::uint32_t word : {clock.raw(events[i], kFormat), address}) {
        for (int shift = 0; shift < 32; shift += 8) added.push_back(static_cast<std::uint8_t>(word >> shift));
      }
    }
    clock_ = clock;
    bytes.insert(bytes.end(), added.begin(), added.end());
  }

 private:
  static constexpr const char* kFormat = "DAT";
  int width_, height_;
  CoordinateLimits limits_;
  Clock32 clock_;
};

class Aedat2Encoder : public EventEncoder {
 public:
  Aedat2Encoder(int width, int height) {
    if (width == 0 || height == 0) {
      throw DataError(
          "AEDAT 2.0 mirrors columns, so the sensor's size must be known: give it (--sensor WxH)");
    }
    struct Sensor {
      const char* name;
      int width, height;
    };
    constexpr Sensor kSensors[] = {{"ch.unizh.ini.jaer.chip.retina.DVS128", 128, 128},
                                   {"eu.seebetter.ini.chips.davis.DAVIS240C", 240, 180},
                                   {"eu.seebetter.ini.chips.davis.Davis346B", 346, 260},
                                   {"eu.seebetter.ini.chips.davis.DAVIS640", 640, 480}};
    limits_ = coordinate_limits(width, height, {640, 480}, kFormat);
    for (const Sensor& sensor : kSensors) {
      if (width > sensor.width || height > sensor.height) continue;
      chip_ = sensor.name;
      columns_ = static_cast<std::uint32_t>(sensor.width);
      break;
    }
  }

  std::vector<std::uint8_t> header(std::int64_t) const override {
    std::vector<std::uint8_t> bytes;
    append_text(
        "#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
        "# Data format is int32 address, int32 timestamp (8 bytes total), repeated for each event\r\n"
        "# Timestamps tick is 1 us\r\n# AEChip: " +
            chip_ + "\r\n#End Of ASCII Header\r\n",
        bytes);
    return bytes;
  }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kFormat);
    std::vector<std::uint8_t> added;
    added.reserve(8 * count);
    Clock32 clock = clock_;
    for (std::size_t i = 0; i < count; ++i) {
      for (const std::uint32_t word : {address(events[i]), clock.raw(events[i], kFormat)}) {
        for (int shift = 24; shift >= 0; shift -= 8)
          added.push_back(static_cast<std::uint8_t>(word >> shift));
      }
    }
    clock_ = clock;
    bytes.insert(bytes.end(), added.begin(), added.end());
  }

 private:
  std::uint32_t address(const events::Event& event) const {
    const std::uint32_t mirrored = columns_ - 1 - event.x;
    if (columns_ == 128) return std::uint32_t{event.y} << 8 | mirrored << 1 | (event.polarity ^ 1u);
    return std::uint32_t{event.y} << 22 | mirrored << 12 | std::uint32_t{event.polarity} << 11;
  }

  static constexpr const char* kFormat = "AEDAT 2.0";
  std::string chip_;
  std::uint32_t columns_ = 0;
  CoordinateLimits limits_{};
  Clock32 clock_;
};

class AtisBinEncoder : public EventEncoder {
 public:
  AtisBinEncoder(int width, int height)
      : limits_(coordinate_limits(width, height, {256, kOverflowRow}, kFormat)) {}

  std::vector<std::uint8_t> header(std::int64_t) const override { return {}; }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kFormat);
    std::vector<std::uint8_t> added;
    added.reserve(5 * count);
    bool started = started_;
    std::int64_t previous = previous_us_;
    for (std::size_t i = 0; i < count; ++i) {
      const events::Event& event = events[i];
      const bool goes_back_over_wrap = event.t_us < previous && event.t_us >> 23 != previous >> 23;
      const std::uint64_t step =
          static_cast<std::uint64_t>(event.t_us) - static_cast<std::uint64_t>(previous);
      if (started && (goes_back_over_wrap || step + kHalf >= 2 * kHalf)) {
        refuse_time(event, previous, kFormat,
                    "steps below 2^22 us, and none back over a wrap of its 2^23 us clock");
      }
      started = true;
      previous = event.t_us;
      const auto raw = static_cast<std::uint32_t>(event.t_us) & 0x7fffffu;
      added.push_back(static_cast<std::uint8_t>(event.x));
      added.push_back(static_cast<std::uint8_t>(event.y));
      added.push_back(static_cast<std::uint8_t>(std::uint32_t{event.polarity} << 7 | raw >> 16));
      added.push_back(static_cast<std::uint8_t>(raw >> 8));
      added.push_back(static_cast<std::uint8_t>(raw));
    }
    started_ = started;
    previous_us_ = previous;
    bytes.insert(bytes.end(), added.begin(), added.end());
  }

 private:
  static constexpr const char* kFormat = "ATIS bin";
  static constexpr int kOverflowRow = 240;
  static constexpr std::uint64_t kHalf = std::uint64_t{1} << 22;
  CoordinateLimits limits_;
  std::int64_t previous_us_ = 0;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<EventEncoder> make_dat_encoder(int width, int height) {
  return std::make_unique<DatEncoder>(width, height);
}
std::unique_ptr<EventEncoder> make_aedat2_encoder(int width, int height) {
  return std::make_unique<Aedat2Encoder>(width, height);
}
std::unique_ptr<EventEncoder> make_atis_bin_encoder(int width, int height) {
  return std::make_unique<AtisBinEncoder>(width, height);
}

}  // namespace spikeloom::formats
