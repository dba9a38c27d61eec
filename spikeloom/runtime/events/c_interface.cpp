// The C interface to event recordings: a handle around EventReader.
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>

#include "spikeloom/base/version.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/event_reader_options.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/runtime/c_interface/failure.h"
#include "spikeloom/runtime/events/graph_reader.h"
#include "spikeloom/runtime/events/spikeloom_events.h"

struct spikeloom_event_reader {
  std::unique_ptr<spikeloom::formats::EventReader> reader;
};

namespace {

using spikeloom::events::Event;
using spikeloom::formats::EventReaderOptions;
using spikeloom::runtime::guarded;
using spikeloom::runtime::null_argument;

// So that a reader writes into the caller's array.
static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) == sizeof(spikeloom_event) &&
              alignof(Event) == alignof(spikeloom_event) &&
              offsetof(Event, t_us) == offsetof(spikeloom_event, t_us) &&
              offsetof(Event, x) == offsetof(spikeloom_event, x) &&
              offsetof(Event, y) == offsetof(spikeloom_event, y) &&
              offsetof(Event, polarity) == offsetof(spikeloom_event, polarity));

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

/// parse(text), with the member's name before what is wrong with the text.
template <class Parse>
auto parse_member(const char* name, const char* text, const Parse& parse) {
  try {
    return parse(text_of(text));
  } catch (const spikeloom::ConfigError& error) {
    throw spikeloom::ConfigError(std::string(name) + ": " + error.what());
  }
}

EventReaderOptions reader_options(const spikeloom_event_options* given) {
  spikeloom_event_options all{};
  if (given != nullptr) {
    if (given->size < sizeof(std::size_t)) {
      throw spikeloom::ConfigError("the options' size is not set: sizeof(spikeloom_event_options)");
    }
    if (given->size > sizeof(all)) {
      throw spikeloom::ConfigError("the options are of a later version than libspikeloom_events");
    }
    std::memcpy(&all, given, given->size);
  }
  EventReaderOptions options;
  if (all.format != nullptr) options.format = all.format;
  if (all.width < 0 || all.height < 0 || all.recording < 0) {
    throw spikeloom::ConfigError("width, height and recording are 0 or more");
  }
  options.width = all.width;
  options.height = all.height;
  options.recording = all.recording;
  options.chip = text_of(all.chip);
  options.camera = text_of(all.camera);
  options.time_unit = parse_member("time_unit", all.time_unit, spikeloom::formats::parse_time_unit);
  options.columns = parse_member("columns", all.columns, spikeloom::formats::parse_columns);
  options.drop_outside = all.drop_outside != 0;
  options.partial = all.partial != 0;
  return options;
}

}  // namespace

extern "C" {

int spikeloom_events_abi_version(void) { return SPIKELOOM_EVENTS_ABI_VERSION; }
const char* spikeloom_events_last_error(void) { return spikeloom::runtime::last_error().c_str(); }

spikeloom_status spikeloom_events_open(const char* path, const spikeloom_event_options* options,
                                       spikeloom_event_reader** reader) {
  if (reader == nullptr) return null_argument();
  *reader = nullptr;
  if (path == nullptr) return null_argument();
  return guarded([&] {
    auto opened = spikeloom::formats::open_events(path, reader_options(options));
    *reader = new spikeloom_event_reader{std::move(opened)};
  });
}

void spikeloom_events_free(spikeloom_event_reader* reader) { delete reader; }

const char* spikeloom_events_format(const spikeloom_event_reader* reader) { return reader->reader->format(); }
int spikeloom_events_width(const spikeloom_event_reader* reader) { return reader->reader->width(); }
int spikeloom_events_height(const spikeloom_event_reader* reader) { return reader->reader->height(); }
int64_t spikeloom_events_num_recordings(const spikeloom_event_reader* reader) {
  return reader->reader->num_recordings();
}

spikeloom_status spikeloom_events_read(spikeloom_event_reader* reader, spikeloom_event* events,
                                       size_t capacity, size_t* count) {
  if (count == nullptr) return null_argument();
  *count = 0;
  if (reader == nullptr || events == nullptr) return null_argument();
  if (capacity == 0) return spikeloom::runtime::failed(SPIKELOOM_ERROR_ARGUMENT, "the capacity is 0");
  return guarded([&] { *count = reader->reader->read(reinterpret_cast<Event*>(events), capacity); });
}

int64_t spikeloom_events_dropped(const spikeloom_event_reader* reader) {
  return reader->reader->dropped_events();
}
int64_t spikeloom_events_unread_bytes(const spikeloom_event_reader* reader) {
  return reader->reader->unread_bytes();
}

spikeloom_status spikeloom_events_read_nir(const char* path, const char* version,
                                           void (*take)(void* to, const spikeloom::formats::NirGraph* graph),
                                           void* to) {
  if (path == nullptr || version == nullptr || take == nullptr) return null_argument();
  return guarded([&] {
    if (version != std::string(spikeloom::kVersion)) {
      throw spikeloom::DataError(std::string("libspikeloom_events is of version ") + spikeloom::kVersion +
                                 ", libspikeloom_runtime of " + version + ": install the two of one version");
    }
    const spikeloom::formats::NirGraph graph =
        spikeloom::formats::flattened(spikeloom::formats::read_nir(path));
    take(to, &graph);
  });
}

}  // extern "C"
