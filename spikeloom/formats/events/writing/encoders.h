#pragma once
#include <cstdint>
#include <memory>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/writing/event_encoder.h"

namespace spikeloom::formats {

// The encoders behind make_event_encoder(), a file each.
std::unique_ptr<EventEncoder> make_evt3_encoder(int width, int height);
std::unique_ptr<EventEncoder> make_dat_encoder(int width, int height);
std::unique_ptr<EventEncoder> make_aedat2_encoder(int width, int height);
std::unique_ptr<EventEncoder> make_atis_bin_encoder(int width, int height);
std::unique_ptr<EventEncoder> make_npy_encoder(int width, int height);
std::unique_ptr<EventEncoder> make_csv_encoder(int width, int height);
std::unique_ptr<EventEncoder> make_packed_encoder(int width, int height);

/// Largest coordinates that may be written: those of the sensor where it is known, else what the format can
/// hold.
struct CoordinateLimits {
  int width, height;
};

/// Throws DataError if the sensor is larger than `most` ("EVT 3.0" names the format); unknown sizes become
/// `most`.
CoordinateLimits coordinate_limits(int width, int height, CoordinateLimits most, const char* format);

/// Throws DataError if an event is outside the limits or its polarity is neither 0 nor 1.
void check_encodable(const events::Event* events, std::size_t count, CoordinateLimits limits,
                     const char* format);

/// Throws DataError: the step in time to this event cannot be written.
[[noreturn]] void refuse_time(const events::Event& event, std::int64_t previous_us, const char* format,
                              const char* limit);

}  // namespace spikeloom::formats
