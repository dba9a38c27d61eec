#include "spikeloom/formats/events/writing/event_encoder.h"

#include <fmt/format.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/writing/encoders.h"

namespace spikeloom::formats {
namespace {

struct Row {
  const char* format;
  std::unique_ptr<EventEncoder> (*make)(int width, int height);
};
constexpr Row kEncoders[] = {{"evt3", make_evt3_encoder},     {"dat", make_dat_encoder},
                             {"aedat2", make_aedat2_encoder}, {"atis-bin", make_atis_bin_encoder},
                             {"npy", make_npy_encoder},       {"csv", make_csv_encoder},
                             {"packed", make_packed_encoder}};

}  // namespace

const std::vector<std::string>& writable_event_formats() {
  static const std::vector<std::string> formats = [] {
    std::vector<std::string> names;
    for (const Row& row : kEncoders) names.emplace_back(row.format);
    return names;
  }();
  return formats;
}

std::unique_ptr<EventEncoder> make_event_encoder(const std::string& format, int width, int height) {
  if (width < 0 || height < 0) {
    throw ConfigError(fmt::format("a sensor of {} x {} pixels: neither may be negative", width, height));
  }
  std::string known;
  for (const Row& row : kEncoders) {
    if (format == row.format) return row.make(width, height);
    known += (known.empty() ? "" : ", ") + std::string(row.format);
  }
  throw ConfigError(fmt::format("event format '{}' cannot be written; choose one of {}", format, known));
}

CoordinateLimits coordinate_limits(int width, int height, CoordinateLimits most, const char* format) {
  if (width > most.width || height > most.height) {
    throw DataError(
        fmt::format("{} holds sensors of up to {} x {} pixels, not {} x {}: choose another format", format,
                    most.width, most.height, width, height));
  }
  return {width > 0 ? width : most.width, height > 0 ? height : most.height};
}

void check_encodable(const events::Event* events, std::size_t count, CoordinateLimits limits,
                     const char* format) {
  for (std::size_t i = 0; i < count; ++i) {
    const events::Event& event = events[i];
    if (event.x >= limits.width || event.y >= limits.height) {
      throw DataError(
          fmt::format("{}: an event at x = {}, y = {} is outside the {} x {} pixels that can be written",
                      format, event.x, event.y, limits.width, limits.height));
    }
    if (event.polarity > 1) {
      throw DataError(fmt::format("{}: an event has polarity {}, not 0 or 1", format, event.polarity));
    }
  }
}

void refuse_time(const events::Event& event, std::int64_t previous_us, const char* format,
                 const char* limit) {
  throw DataError(fmt::format("{} cannot hold an event at {} us after one at {} us ({}): choose npy or csv",
                              format, event.t_us, previous_us, limit));
}

}  // namespace spikeloom::formats
