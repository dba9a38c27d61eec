// libFuzzer target of one event format (kFuzzFormat, a key of event_format_names() or "auto"):
// whatever the bytes, a reader gives events inside its sensor or a FormatError inside the file, asks for
// little memory, and gives the same events whether they are asked for one at a time or many. The same again
// with stray events left out and a cut taken for the end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "fuzz/format_name.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/event_reader_options.h"

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
formats::EventReaderOptions options_for(std::size_t size, bool lenient) {
  formats::EventReaderOptions options;
  options.format = kFuzzFormat;
  options.partial = options.drop_outside = lenient;
  if (options.drop_outside && size % 3 == 0) options.width = options.height = 128;
  const std::vector<std::string> columns[] = {{}, {}, {"t", "x", "y", "p"}, {"x", "y", "_", "p", "t"}};
  options.columns = columns[size / 4 % 4];
  options.time_unit = static_cast<formats::TimeUnit>(size / 16 % 5);
  options.pass_over_unused = true;  // most formats have no columns
  if (options.format == "evt3" || options.format == "aedat3") {
    const std::vector<std::string> cameras = {"", "", "0", "1", "2"};
    options.camera = cameras[size / 2 % cameras.size()];
  }
  if (options.format == "aedat2") {  // each chip in turn, and none
    const std::vector<std::string> chips = formats::event_chip_names();
    const std::size_t which = size % (chips.size() + 1);
    if (which < chips.size()) options.chip = chips[which];
  }
  return options;
}

Decoded decode(const std::uint8_t* data, std::size_t size, std::size_t capacity, bool lenient) {
  Decoded decoded;
  try {
    const formats::EventReaderOptions options = options_for(size, lenient);
    const auto reader = formats::open_events(formats::memory_source(data, size, "fuzz"), options);
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
    require(lenient || reader->dropped_events() == 0, "nothing is left out that was not asked for");
    require(reader->dropped_events() >= 0 && reader->unread_bytes() >= 0, "counts are counts");
  } catch (const FormatError& error) {
    require(error.byte_offset() <= static_cast<std::int64_t>(size), "the damage is inside the file");
    decoded.refused = true;
  } catch (const ConfigError&) {  // options that do not fit the file
    decoded.refused = true;
  }
  return decoded;
}

void check(const std::uint8_t* data, std::size_t size, bool lenient) {
  const Decoded whole = decode(data, size, 4096, lenient);
  const Decoded pieces = decode(data, size, 3, lenient);
  require(whole.refused == pieces.refused || whole.events.size() >= kMostEvents, "the same end in pieces");
  const std::size_t common = std::min(whole.events.size(), pieces.events.size());
  require(whole.events.size() == common || common >= kMostEvents, "as many events in pieces");
  for (std::size_t i = 0; i < common; ++i) {
    const events::Event &a = whole.events[i], &b = pieces.events[i];
    require(a.t_us == b.t_us && a.x == b.x && a.y == b.y && a.polarity == b.polarity,
            "the same events in pieces");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check(data, size, false);
  check(data, size, true);
  return 0;
}
