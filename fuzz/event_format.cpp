// libFuzzer target of one event format (SPIKELOOM_FUZZ_FORMAT, a key of event_format_names() or "auto"):
// whatever the bytes, a reader gives events inside its sensor or a FormatError inside the file, asks for
// little memory, and gives the same events whether they are asked for one at a time or many.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader.h"

namespace {

using namespace spikeloom;

constexpr std::size_t kMostEvents = std::size_t{1} << 20;

struct Decoded {
  std::vector<events::Event> events;
  bool refused = false;
};

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Options of which each set is tried with inputs of other sizes.
formats::EventReaderOptions options_for(std::size_t size) {
  formats::EventReaderOptions options;
  options.format = SPIKELOOM_FUZZ_FORMAT;
  options.partial = size % 2 == 1;
  options.drop_outside = size / 2 % 2 == 1;
  if (options.drop_outside) options.width = options.height = 128;
  const std::vector<std::string> columns[] = {{}, {}, {"t", "x", "y", "p"}, {"x", "y", "_", "p", "t"}};
  options.columns = columns[size / 4 % 4];
  options.time_unit = static_cast<formats::TimeUnit>(size / 16 % 5);
  return options;
}

Decoded decode(const std::uint8_t* data, std::size_t size, std::size_t capacity) {
  Decoded decoded;
  try {
    const auto reader = formats::open_events(formats::memory_source(data, size, "fuzz"), options_for(size));
    const int width = reader->width(), height = reader->height();
    std::vector<events::Event> piece(capacity);
    std::size_t count = 0;
    while (decoded.events.size() < kMostEvents && (count = reader->read(piece.data(), capacity)) > 0) {
      require(count <= capacity, "no more events than there is room for");
      for (std::size_t i = 0; i < count; ++i) {
        require(piece[i].polarity <= 1, "polarities are 0 or 1");
        require(width == 0 || piece[i].x < width, "columns are inside the sensor");
        require(height == 0 || piece[i].y < height, "rows are inside the sensor");
      }
      decoded.events.insert(decoded.events.end(), piece.begin(),
                            piece.begin() + static_cast<std::ptrdiff_t>(count));
    }
  } catch (const FormatError& error) {
    require(error.byte_offset() <= static_cast<std::int64_t>(size), "the damage is inside the file");
    decoded.refused = true;
  } catch (const ConfigError&) {  // options that do not fit the file
    decoded.refused = true;
  }
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Decoded whole = decode(data, size, 4096);
  const Decoded pieces = decode(data, size, 3);
  require(whole.refused == pieces.refused || whole.events.size() >= kMostEvents, "the same end in pieces");
  const std::size_t common = std::min(whole.events.size(), pieces.events.size());
  require(whole.events.size() == common || common >= kMostEvents, "as many events in pieces");
  for (std::size_t i = 0; i < common; ++i) {
    const events::Event &a = whole.events[i], &b = pieces.events[i];
    require(a.t_us == b.t_us && a.x == b.x && a.y == b.y && a.polarity == b.polarity,
            "the same events in pieces");
  }
  return 0;
}
