#include "spikeloom/formats/events/evt3.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/formats/events/evt_reader.h"
#include "spikeloom/formats/events/prophesee_header.h"
#include "spikeloom/formats/events/sensor_bounds.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kName = "EVT 3.0";
constexpr const char* kCountedName = "EVT 3.0 (time as expelliarmus counts it)";
enum WordType : std::uint32_t {
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

template <bool big_endian, LowTime low_time = LowTime::kBits>
struct Evt3Decoder {
  static constexpr std::size_t kWordBytes = 2, kMostEvents = 12;
  HighWordClock<12, 12> clock;
  std::int64_t t_us = 0;
  std::int64_t low_us = 0, counted_us = 0;  // of LowTime::kCounted only
  std::uint32_t y = 0, base_x = 0, polarity = 0;

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
        if (is_outside(x, state.y, width, height) != 0) break;
        write(events[written++], state, x, word >> 11 & 1);
      } else if (type == kRow) {
        state.y = word & 0x7ff;
      } else if (type == kVector12 || type == kVector8) {
        const std::uint32_t length = type == kVector12 ? 12 : 8;
        const std::uint32_t mask = word & ((1u << length) - 1);
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

 private:
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
        y = word & 0x7ff;
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

template <LowTime low_time>
std::unique_ptr<EventReader> open(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                  const EventReaderOptions& options) {
  using Little = Evt3Decoder<false, low_time>;
  using Big = Evt3Decoder<true, low_time>;
  const char* name = low_time == LowTime::kBits ? kName : kCountedName;
  ByteWindow window(std::move(source));
  const PropheseeHeader header = read_prophesee_header(window);
  const int width = options.width > 0 ? options.width : header.width;
  const int height = options.height > 0 ? options.height : header.height;
  if (header.order == WordOrder::kBig) {
    return std::make_unique<EvtReader<Big>>(name, width, height, std::move(window), Big{}, options);
  }
  return std::make_unique<EvtReader<Little>>(name, width, height, std::move(window), Little{}, options);
}

bool recognizes(const RecordingStart& start) {
  return peek_prophesee_header(start).format == PropheseeFormat::kEvt3;
}

}  // namespace

EventFormat evt3_format() { return {"evt3", kName, recognizes, open<LowTime::kBits>}; }
EventFormat evt3_expelliarmus_format() {
  return {"evt3-expelliarmus", kCountedName, never_recognized, open<LowTime::kCounted>};
}

}  // namespace spikeloom::formats
