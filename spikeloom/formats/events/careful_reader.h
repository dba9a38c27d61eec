#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// A reader whose decoder may throw in the middle of a piece: the events before the damage are given first,
/// the error is thrown by the next read() and every one after it.
class CarefulReader : public EventReader {
 public:
  int width() const override { return width_; }
  int height() const override { return height_; }

  std::size_t read(events::Event* events, std::size_t capacity) final {
    if (error_) std::rethrow_exception(error_);
    std::size_t count = 0;
    try {
      decode(events, capacity, &count);
    } catch (const Error&) {
      error_ = std::current_exception();
      if (count == 0) throw;
    }
    return count;
  }

 protected:
  CarefulReader(int width, int height) : width_(width), height_(height) {}

  /// Writes up to `capacity` events and counts them in `*count` as it goes; none means the end. May throw at
  /// any time.
  virtual void decode(events::Event* events, std::size_t capacity, std::size_t* count) = 0;

  /// Throws FormatError if (x, y) is no pixel of the sensor, or of any sensor.
  void check_pixel(std::int64_t x, std::int64_t y, const std::string& file, std::int64_t offset) const {
    const std::int64_t columns = width_ > 0 ? width_ : kMaxSize, rows = height_ > 0 ? height_ : kMaxSize;
    if (x >= 0 && x < columns && y >= 0 && y < rows) return;
    throw FormatError(fmt::format("an event at ({}, {}), outside a sensor of {} x {} pixels; fetch the file "
                                  "again, or give the right size of the sensor",
                                  x, y, columns, rows),
                      file, offset);
  }

  int width_, height_;

 private:
  static constexpr std::int64_t kMaxSize = 65536;
  std::exception_ptr error_;
};

}  // namespace spikeloom::formats
