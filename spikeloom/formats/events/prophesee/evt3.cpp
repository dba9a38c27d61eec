#include "spikeloom/formats/events/prophesee/evt3.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/prophesee/evt_reader.h"
#include "spikeloom/formats/events/prophesee/prophesee_header.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kEvt3Name = "EVT 3.0";
constexpr const char* kCountedName = "EVT 3.0 (time as expelliarmus counts it)";
enum Evt3WordType : std::uint32_t {
  kRow = 0x0,
  kEvent = 0x2,
  kBase = 0x3,
  kVector12 = 0x4,
  kVector8 = 0x5,
  kTimeLow = 0x6,
  kTimeHigh = 0x8
};

/// How the low word of the time is understood: as bits 11-0 of it, or as expelliarmus does.
enum class LowTime { kBits, kCounted };

/// Bit 11 of a row word: which of two cameras, 0 the master, 1 the slave.
constexpr std::uint32_t kSlaveBit = 0x800;
const char* camera_name(std::uint32_t bit) { return bit == 0 ? "0 (master)" : "1 (slave)"; }

[[noreturn]] void refuse_two_cameras(const std::string& file, std::int64_t offset) {
  throw FormatError(
      fmt::format("has events of two cameras: choose one (--camera NAME, data.camera) of {}, {}",
                  camera_name(0), camera_name(kSlaveBit)),
      file, offset);
}

/// kOnly: all rows are of one camera; another's are outside of every sensor and stop the decoder. kChosen:
/// rows of the other one are passed over.
enum class Cameras { kOnly, kChosen };

template <bool big_endian, LowTime low_time = LowTime::kBits, Cameras cameras = Cameras::kOnly>
struct Evt3Decoder {
  static constexpr std::size_t kWordBytes = 2, kMostEvents = 12;
  HighWordClock<12, 12> clock;
  std::int64_t t_us = 0;
  std::int64_t low_us = 0, counted_us = 0;  // of LowTime::kCounted only
  std::uint32_t y = 0, base_x = 0, polarity = 0;
  std::uint32_t camera = 0;  // the bit of the camera that is read: of rows of the other one y has kSlaveBit
  std::uint32_t rows_seen = 0;  // of Cameras::kChosen only: 1 rows of this camera, 2 of the other

  static std::uint32_t load(const std::uint8_t* bytes) {
    return big_endian ? std::uint32_t{bytes[0]} << 8 | bytes[1] : load_little_endian_u16(bytes);
  }

  std::size_t decode(const std::uint8_t* words, std::size_t count, std::uint32_t width, std::uint32_t height,
                     events::Event* events, std::size_t capacity, std::size_t* num_events) {
    std::size_t i = 0;
    for (; i < count && !clock.is_set(); ++i) skip_to_time(load(words + i * kWordBytes));
    // The state in locals: what is written through `events` might otherwise be it.
    Evt3Decoder state = *this;
    std::size_t written = 0;
    for (; i < count && written + kMostEvents <= capacity; ++i) {
      const std::uint32_t word = load(words + i * kWordBytes);
      const std::uint32_t type = word >> 12;
      if (type == kEvent) {
        const std::uint32_t x = word & 0x7ff;
        if (cameras == Cameras::kChosen && (state.y & kSlaveBit) != 0) continue;
        if (is_outside(x, state.y, width, height) != 0) break;
        write(events[written++], state, x, word >> 11 & 1);
      } else if (type == kRow) {
        state.set_row(word);
      } else if (type == kVector12 || type == kVector8) {
        const std::uint32_t length = type == kVector12 ? 12 : 8;
        const bool passed_over = cameras == Cameras::kChosen && (state.y & kSlaveBit) != 0;
        const std::uint32_t mask = passed_over ? 0 : word & ((1u << length) - 1);
        if (mask != 0 && (state.base_x + highest_bit(mask) >= width || state.y >= height)) break;
        for (std::uint32_t left = mask; left != 0; left &= left - 1) {
          write(events[written++], state, state.base_x + lowest_bit(left), state.polarity);
        }
        state.base_x += length;
      } else if (type == kBase) {
        state.base_x = word & 0x7ff;
        state.polarity = word >> 11 & 1;
      } else {
        state.see_time(word);
      }
    }
    *this = state;
    *num_events = written;
    return i;
  }

  void check_stop(const std::string& file, std::int64_t offset) const {
    if (cameras == Cameras::kOnly && (y & kSlaveBit) != 0) refuse_two_cameras(file, offset);
  }

  void check_end(const std::string& file) const {
    if (cameras == Cameras::kOnly || rows_seen != 2) return;
    throw ConfigError(fmt::format("{}: no camera {}; all events are of camera {}", file, camera_name(camera),
                                  camera_name(camera ^ kSlaveBit)));
  }

 private:
  void set_row(std::uint32_t word) {
    y = (word & 0xfff) ^ camera;
    if (cameras == Cameras::kChosen) rows_seen |= (y & kSlaveBit) == 0 ? 1 : 2;
  }

  static std::uint32_t highest_bit(std::uint32_t mask) {
    return 31u - static_cast<std::uint32_t>(__builtin_clz(mask));
  }
  static std::uint32_t lowest_bit(std::uint32_t mask) {
    return static_cast<std::uint32_t>(__builtin_ctz(mask));
  }

  static void write(events::Event& event, const Evt3Decoder& state, std::uint32_t x, std::uint32_t polarity) {
    event.t_us = state.t_us;
    event.x = static_cast<std::uint16_t>(x);
    event.y = static_cast<std::uint16_t>(state.y);
    event.polarity = static_cast<std::uint8_t>(polarity);
  }

  void see_time(std::uint32_t word) {
    if (low_time == LowTime::kCounted) return see_counted_time(word);
    if (word >> 12 == kTimeLow) {
      t_us = clock.base_us() + (word & 0xfff);
    } else if (word >> 12 == kTimeHigh) {
      const std::int64_t before_us = clock.base_us();
      const bool was_set = clock.is_set();
      clock.set_high(word & 0xfff);
      if (!was_set || clock.base_us() != before_us) t_us = clock.base_us();
    }
  }

  void see_counted_time(std::uint32_t word) {
    if (word >> 12 == kTimeLow) {
      const std::int64_t low = word & 0xfff;
      if (low < low_us) counted_us += 1 << 12;
      low_us = low;
    } else if (word >> 12 == kTimeHigh) {
      clock.set_high(word & 0xfff);
    }
    t_us = clock.base_us() + counted_us + low_us;
  }

  /// Before the first time nothing is an event, but rows and bases hold.
  void skip_to_time(std::uint32_t word) {
    switch (word >> 12) {
      case kRow:
        set_row(word);
        break;
      case kBase:
        base_x = word & 0x7ff;
        polarity = word >> 11 & 1;
        break;
      case kVector12:
        base_x += 12;
        break;
      case kVector8:
        base_x += 8;
        break;
      case kTimeHigh:
        see_time(word);
        break;
      default:
        break;
    }
  }
};

/// The camera of the first row words, all of them in the window: bit 0 of what is returned stands for the
/// master, bit 1 for the slave.
template <class Decoder>
unsigned first_cameras(const ByteWindow& window) {
  unsigned cameras = 0;
  const std::size_t count = std::min(window.size(), kRecordingStartBytes) / Decoder::kWordBytes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t word = Decoder::load(window.data() + i * Decoder::kWordBytes);
    if (word >> 12 == kRow) cameras |= (word & kSlaveBit) == 0 ? 1 : 2;
  }
  return cameras;
}

template <bool big_endian, LowTime low_time>
std::unique_ptr<EventReader> make_reader(ByteWindow window, const PropheseeHeader& header,
                                         const EventReaderOptions& options) {
  using Only = Evt3Decoder<big_endian, low_time, Cameras::kOnly>;
  using Chosen = Evt3Decoder<big_endian, low_time, Cameras::kChosen>;
  const char* name = low_time == LowTime::kBits ? kEvt3Name : kCountedName;
  const std::string& camera = options.camera;
  if (!camera.empty()) {
    Chosen decoder;
    if (camera == "1" || camera == "slave") {
      decoder.camera = kSlaveBit;
    } else if (camera != "0" && camera != "master") {
      throw ConfigError(fmt::format("{}: no camera '{:.80}'; there may be {}, {}", window.name(), camera,
                                    camera_name(0), camera_name(kSlaveBit)));
    }
    return std::make_unique<EvtReader<Chosen>>(name, header.width, header.height, std::move(window), decoder,
                                               options);
  }
  window.ensure(kRecordingStartBytes);
  const unsigned cameras = first_cameras<Only>(window);
  Only decoder;
  if (cameras == 2) decoder.camera = kSlaveBit;
  if (cameras == 3) refuse_two_cameras(window.name(), window.offset());
  return std::make_unique<EvtReader<Only>>(name, header.width, header.height, std::move(window), decoder,
                                           options);
}

template <LowTime low_time>
std::unique_ptr<EventReader> open_evt3(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                       const EventReaderOptions& options) {
  ByteWindow window(std::move(source));
  PropheseeHeader header = read_prophesee_header(window);
  settle_header(header, options, window.name());
  if (header.order == WordOrder::kBig) return make_reader<true, low_time>(std::move(window), header, options);
  return make_reader<false, low_time>(std::move(window), header, options);
}

bool recognizes_evt3(const RecordingStart& start) {
  return peek_prophesee_header(start).format == PropheseeFormat::kEvt3;
}

}  // namespace

EventFormat evt3_format() { return {"evt3", kEvt3Name, recognizes_evt3, open_evt3<LowTime::kBits>}; }
EventFormat evt3_expelliarmus_format() {
  return {"evt3-expelliarmus", kCountedName, never_recognized, open_evt3<LowTime::kCounted>};
}

}  // namespace spikeloom::formats
