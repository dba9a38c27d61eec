#include "tests/formats/events/recordings.h"

#include <ostream>

#include "spikeloom/base/random.h"
#include "spikeloom/formats/events/writing/event_encoder.h"

namespace spikeloom::events {

std::ostream& operator<<(std::ostream& stream, const Event& event) {
  return stream << "{" << event.t_us << " us, " << event.x << ", " << event.y << ", " << int{event.polarity}
                << "}";
}

}  // namespace spikeloom::events

namespace spikeloom::formats::testing {
namespace {

template <class NextCapacity>
Decoded decode_in_pieces(const Bytes& bytes, const EventReaderOptions& options, NextCapacity next_capacity) {
  Decoded decoded;
  try {
    const auto reader = open_events(memory_source(bytes.data(), bytes.size(), "memory"), options);
    decoded.format = reader->format();
    decoded.width = reader->width();
    decoded.height = reader->height();
    decoded.cameras = reader->cameras();
    Events piece;
    for (;;) {
      piece.resize(next_capacity());
      const std::size_t count = reader->read(piece.data(), piece.size());
      if (count == 0) break;
      decoded.events.insert(decoded.events.end(), piece.begin(),
                            piece.begin() + static_cast<std::ptrdiff_t>(count));
    }
    decoded.dropped = reader->dropped_events();
    decoded.unread = reader->unread_bytes();
  } catch (const FormatError& error) {
    decoded.error_offset = error.byte_offset();
    decoded.error = error.what();
  }
  return decoded;
}

Bytes little_endian_words(const std::vector<std::uint32_t>& words, int size) {
  Bytes bytes;
  for (const std::uint32_t word : words) {
    for (int k = 0; k < size; ++k) bytes.push_back(static_cast<std::uint8_t>(word >> 8 * k));
  }
  return bytes;
}

}  // namespace

Decoded decode(const Bytes& bytes, const EventReaderOptions& options, std::size_t capacity) {
  return decode_in_pieces(bytes, options, [capacity] { return capacity; });
}

Decoded decode_unevenly(const Bytes& bytes, const EventReaderOptions& options) {
  std::size_t step = 0;
  return decode_in_pieces(bytes, options, [&step] {
    constexpr std::size_t kCapacities[] = {1, 2, 13, 3, 500, 11, 12, 1, 4096, 31, 33};
    return kCapacities[step++ % std::size(kCapacities)];
  });
}

Bytes encoded(const std::string& format, int width, int height, const Events& events) {
  const auto encoder = make_event_encoder(format, width, height);
  Bytes bytes = encoder->header(static_cast<std::int64_t>(events.size()));
  encoder->encode(events.data(), events.size(), bytes);
  return bytes;
}

Events made_up_events(std::uint64_t seed, std::size_t count, int width, int height, std::int64_t t_first_us,
                      std::uint32_t longest_pause_us) {
  RandomStream random(seed, RandomPurpose::kBench, 0);
  Events result;
  events::Event event{};
  event.t_us = t_first_us;
  while (result.size() < count) {
    if (random.below(4) != 0 && event.x + 1 < width) {
      event.x = static_cast<std::uint16_t>(event.x + 1 +
                                           random.below(4) % static_cast<std::uint32_t>(width - event.x));
      if (event.x >= width) event.x = static_cast<std::uint16_t>(width - 1);
    } else {
      event.t_us += random.below(8) == 0 ? random.below(longest_pause_us + 1) : random.below(30);
      event.x = static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(width)));
      event.y = static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(height)));
      event.polarity = static_cast<std::uint8_t>(random.below(2));
    }
    result.push_back(event);
  }
  return result;
}

Bytes words16(const std::vector<std::uint32_t>& words) { return little_endian_words(words, 2); }
Bytes words32(const std::vector<std::uint32_t>& words) { return little_endian_words(words, 4); }

}  // namespace spikeloom::formats::testing
