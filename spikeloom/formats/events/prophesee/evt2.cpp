#include "spikeloom/formats/events/prophesee/evt2.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/prophesee/evt_reader.h"
#include "spikeloom/formats/events/prophesee/prophesee_header.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kEvt2Name = "EVT 2.0";
constexpr const char* kEvt21Name = "EVT 2.1";
enum Evt2WordType : std::uint32_t { kEvt2Off = 0x0, kEvt2On = 0x1, kEvt2TimeHigh = 0x8 };

/// Of decoders for which a stop is always an event outside of the sensor.
struct NothingToCheck {
  void check_stop(const std::string&, std::int64_t) const {}
  void check_end(const std::string&) const {}
};

struct LittleWord {
  static std::uint32_t load(const std::uint8_t* bytes) { return load_little_endian_u32(bytes); }
};
struct BigWord {
  static std::uint32_t load(const std::uint8_t* bytes) { return load_big_endian_u32(bytes); }
};

template <class Word>
struct Evt2Decoder : NothingToCheck {
  static constexpr std::size_t kWordBytes = 4, kMostEvents = 1;
  HighWordClock<28, 6> clock;

  std::size_t decode(const std::uint8_t* words, std::size_t count, std::uint32_t width, std::uint32_t height,
                     events::Event* events, std::size_t capacity, std::size_t* num_events) {
    std::size_t written = 0, i = 0;
    for (; i < count && written < capacity; ++i) {
      const std::uint32_t word = Word::load(words + i * kWordBytes);
      const std::uint32_t type = word >> 28;
      if (type <= kEvt2On) {
        if (!clock.is_set()) continue;
        const std::uint32_t x = word >> 11 & 0x7ff, y = word & 0x7ff;
        if (is_outside(x, y, width, height) != 0) break;
        events::Event& event = events[written++];
        event.t_us = clock.base_us() + (word >> 22 & 0x3f);
        event.x = static_cast<std::uint16_t>(x);
        event.y = static_cast<std::uint16_t>(y);
        event.polarity = static_cast<std::uint8_t>(type);
      } else if (type == kEvt2TimeHigh) {
        clock.set_high(word & 0x0fffffffu);
      }
    }
    *num_events = written;
    return i;
  }
};

// The two halves of an EVT 2.1 word: the one with type, time, x and y, and the mask of its events.
struct LittleHalves {
  static std::uint32_t head(const std::uint8_t* bytes) { return load_little_endian_u32(bytes + 4); }
  static std::uint32_t mask(const std::uint8_t* bytes) { return load_little_endian_u32(bytes); }
};
struct LegacyHalves {
  static std::uint32_t head(const std::uint8_t* bytes) { return load_little_endian_u32(bytes); }
  static std::uint32_t mask(const std::uint8_t* bytes) { return load_little_endian_u32(bytes + 4); }
};
struct BigHalves {
  static std::uint32_t head(const std::uint8_t* bytes) { return load_big_endian_u32(bytes); }
  static std::uint32_t mask(const std::uint8_t* bytes) { return load_big_endian_u32(bytes + 4); }
};

/// Position of the highest bit set of a mask that is not 0.
std::uint32_t highest_bit(std::uint32_t mask) {
  return 31u - static_cast<std::uint32_t>(__builtin_clz(mask));
}
std::uint32_t lowest_bit(std::uint32_t mask) { return static_cast<std::uint32_t>(__builtin_ctz(mask)); }

template <class Halves>
struct Evt21Decoder : NothingToCheck {
  static constexpr std::size_t kWordBytes = 8, kMostEvents = 32;
  HighWordClock<28, 6> clock;

  std::size_t decode(const std::uint8_t* words, std::size_t count, std::uint32_t width, std::uint32_t height,
                     events::Event* events, std::size_t capacity, std::size_t* num_events) {
    std::size_t written = 0, i = 0;
    for (; i < count && written + kMostEvents <= capacity; ++i) {
      const std::uint32_t head = Halves::head(words + i * kWordBytes);
      const std::uint32_t type = head >> 28;
      if (type <= kEvt2On) {
        std::uint32_t mask = Halves::mask(words + i * kWordBytes);
        if (!clock.is_set() || mask == 0) continue;
        const std::uint32_t x = head >> 11 & 0x7ff, y = head & 0x7ff;
        if (x + highest_bit(mask) >= width || y >= height) break;
        const std::int64_t t_us = clock.base_us() + (head >> 22 & 0x3f);
        for (; mask != 0; mask &= mask - 1) {
          events::Event& event = events[written++];
          event.t_us = t_us;
          event.x = static_cast<std::uint16_t>(x + lowest_bit(mask));
          event.y = static_cast<std::uint16_t>(y);
          event.polarity = static_cast<std::uint8_t>(type);
        }
      } else if (type == kEvt2TimeHigh) {
        clock.set_high(head & 0x0fffffffu);
      }
    }
    *num_events = written;
    return i;
  }
};

/// Of the first words, those that are time words with nothing in the unused half.
template <class Halves>
std::size_t time_words(const ByteWindow& window) {
  constexpr std::size_t kLookedAt = 4096;
  std::size_t found = 0;
  for (std::size_t i = 0; i < std::min(window.size() / 8, kLookedAt); ++i) {
    const std::uint8_t* word = window.data() + i * 8;
    found += Halves::head(word) >> 28 == kEvt2TimeHigh && Halves::mask(word) == 0;
  }
  return found;
}

/// The order in which the words make sense, if there is but one: time words come every few microseconds, and
/// hardly ever by chance in another order.
WordOrder order_by_words(const ByteWindow& window) {
  constexpr std::size_t kMargin = 10;
  if (window.size() < 8) return WordOrder::kLittle;  // nothing to be read
  const std::pair<std::size_t, WordOrder> orders[] = {{time_words<LittleHalves>(window), WordOrder::kLittle},
                                                      {time_words<LegacyHalves>(window), WordOrder::kLegacy},
                                                      {time_words<BigHalves>(window), WordOrder::kBig}};
  for (const auto& [count, order] : orders) {
    std::size_t others = 0;
    for (const auto& other : orders) others += other.second == order ? 0 : other.first;
    if (count > others * kMargin) return order;
  }
  throw FormatError(
      "the header does not give the byte order, and the words do not settle it: add a line such as "
      "'% format EVT21;endianness=little' (or legacy, or big) to the header",
      window.name(), window.offset());
}

struct Opened {
  ByteWindow window;
  PropheseeHeader header;
};

Opened open_raw(std::unique_ptr<ByteSource> source, const EventReaderOptions& options) {
  ByteWindow window(std::move(source));
  PropheseeHeader header = read_prophesee_header(window);
  settle_header(header, options, window.name());
  return {std::move(window), header};
}

template <class Decoder>
std::unique_ptr<EventReader> make_reader(const char* name, Opened opened, const EventReaderOptions& options) {
  return std::make_unique<EvtReader<Decoder>>(name, opened.header.width, opened.header.height,
                                              std::move(opened.window), Decoder{}, options);
}

std::unique_ptr<EventReader> open_evt2(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                       const EventReaderOptions& options) {
  Opened opened = open_raw(std::move(source), options);
  if (opened.header.order == WordOrder::kBig)
    return make_reader<Evt2Decoder<BigWord>>(kEvt2Name, std::move(opened), options);
  return make_reader<Evt2Decoder<LittleWord>>(kEvt2Name, std::move(opened), options);
}

std::unique_ptr<EventReader> open_evt21(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                        const EventReaderOptions& options) {
  Opened opened = open_raw(std::move(source), options);
  WordOrder order = opened.header.order;
  if (order == WordOrder::kUnsaid) order = order_by_words(opened.window);
  if (order == WordOrder::kLegacy) {
    return make_reader<Evt21Decoder<LegacyHalves>>(kEvt21Name, std::move(opened), options);
  }
  if (order == WordOrder::kBig)
    return make_reader<Evt21Decoder<BigHalves>>(kEvt21Name, std::move(opened), options);
  return make_reader<Evt21Decoder<LittleHalves>>(kEvt21Name, std::move(opened), options);
}

bool recognizes_evt2(const RecordingStart& start) {
  return peek_prophesee_header(start).format == PropheseeFormat::kEvt2;
}

bool recognizes_evt21(const RecordingStart& start) {
  return peek_prophesee_header(start).format == PropheseeFormat::kEvt21;
}

}  // namespace

EventFormat evt2_format() { return {"evt2", kEvt2Name, recognizes_evt2, open_evt2}; }
EventFormat evt21_format() { return {"evt2.1", kEvt21Name, recognizes_evt21, open_evt21}; }

}  // namespace spikeloom::formats
