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
  if (all.recording < 0) {
    throw spikeloom::ConfigError("recording: " + std::to_string(all.recording) + " is not 0 or more");
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

void replace_all(const std::string& from, const std::string& to, std::string* text) {
  for (std::size_t at = 0; (at = text->find(from, at)) != std::string::npos; at += to.size()) {
    text->replace(at, from.size(), to);
  }
}

/// The line with which a reader refuses names options of the program and keys of recipes; a caller of this
/// library sets members of spikeloom_event_options.
void name_members(std::string* text) {
  struct Names {
    const char *option, *key, *member;
  };
  for (const Names& names :
       {Names{"--sensor WxH", "data.sensor", "width and height"},
        Names{"--sensor", "data.sensor", "width and height"},
        Names{"--drop-outside", "data.drop_outside", "drop_outside"},
        Names{"--partial", "data.partial", "partial"}, Names{"--time-unit", "data.time_unit", "time_unit"},
        Names{"--columns", "data.columns", "columns"}, Names{"--camera", "data.camera", "camera"},
        Names{"--chip", "data.chip", "chip"}, Names{"--format", "data.format", "format"}}) {
    const std::string key = names.key;
    for (const std::string& aside : {", " + key, "; " + key, " (" + key + ")"}) replace_all(aside, "", text);
    for (const std::string before : {" ", "("})
      replace_all(before + names.option, before + names.member, text);
  }
}

/// guarded(), with what this library calls its options.
template <class Action>
spikeloom_status guarded_reading(const Action& action) noexcept {
  const spikeloom_status status = guarded(action);
  if (status != SPIKELOOM_OK) guarded([] { name_members(&spikeloom::runtime::last_error()); });
  return status;
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
  if (*path == '\0') return spikeloom::runtime::empty_path();
  return guarded_reading([&] {
    auto opened = spikeloom::formats::open_events(path, reader_options(options));
    *reader = new spikeloom_event_reader{std::move(opened)};
  });
}

void spikeloom_events_free(spikeloom_event_reader* reader) { delete reader; }

const char* spikeloom_events_format(const spikeloom_event_reader* reader) {
  return reader == nullptr ? nullptr : reader->reader->format();
}
int spikeloom_events_width(const spikeloom_event_reader* reader) {
  return reader == nullptr ? 0 : reader->reader->width();
}
int spikeloom_events_height(const spikeloom_event_reader* reader) {
  return reader == nullptr ? 0 : reader->reader->height();
}
int64_t spikeloom_events_num_recordings(const spikeloom_event_reader* reader) {
  return reader == nullptr ? 0 : reader->reader->num_recordings();
}

spikeloom_status spikeloom_events_read(spikeloom_event_reader* reader, spikeloom_event* events,
                                       size_t capacity, size_t* count) {
  if (count == nullptr) return null_argument();
  *count = 0;
  if (reader == nullptr || events == nullptr) return null_argument();
  if (capacity == 0) return spikeloom::runtime::failed(SPIKELOOM_ERROR_ARGUMENT, "the capacity is 0");
  return guarded_reading([&] { *count = reader->reader->read(reinterpret_cast<Event*>(events), capacity); });
}

int64_t spikeloom_events_dropped(const spikeloom_event_reader* reader) {
  return reader == nullptr ? 0 : reader->reader->dropped_events();
}
int64_t spikeloom_events_unread_bytes(const spikeloom_event_reader* reader) {
  return reader == nullptr ? 0 : reader->reader->unread_bytes();
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
