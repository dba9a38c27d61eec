#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/cut_short.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// A reader whose decoder may throw in the middle of a piece: the events before the damage are given first,
/// the error is thrown by the next read() and every one after it. With EventReaderOptions::partial a CutShort
/// is the end instead.
class CarefulReader : public EventReader {
 public:
  int width() const override { return width_; }
  int height() const override { return height_; }

  std::size_t read(events::Event* events, std::size_t capacity) final {
    if (error_) std::rethrow_exception(error_);
    if (is_cut_) return 0;
    std::size_t count = 0;
    try {
      decode(events, capacity, &count);
    } catch (const CutShort&) {
      if (partial_) {
        is_cut_ = true;
        unread_bytes_ = unread_after_cut();
        return count;
      }
      error_ = std::current_exception();
      if (count == 0) throw;
    } catch (const Error&) {
      error_ = std::current_exception();
      if (count == 0) throw;
    }
    return count;
  }
  std::int64_t dropped_events() const final { return dropped_; }
  std::int64_t unread_bytes() const final { return unread_bytes_; }

 protected:
  CarefulReader(int width, int height) : width_(width), height_(height) {}
  /// With the options' size, and their drop_outside and partial.
  explicit CarefulReader(const EventReaderOptions& options)
      : width_(options.width),
        height_(options.height),
        drop_outside_(options.drop_outside),
        partial_(options.partial) {}

  /// Writes up to `capacity` events and counts them in `*count` as it goes; none means the end. May throw at
  /// any time.
  virtual void decode(events::Event* events, std::size_t capacity, std::size_t* count) = 0;

  /// Bytes after the last whole event or packet, where CutShort was thrown.
  virtual std::int64_t unread_after_cut() const { return 0; }

  /// Whether an event at (x, y) is kept: true for a pixel of the sensor, else false, counting it, with
  /// EventReaderOptions::drop_outside. Throws as check_pixel() without.
  bool keep_pixel(std::int64_t x, std::int64_t y, const std::string& file, std::int64_t offset) {
    if (drop_outside_ && !is_pixel(x, y)) {
      ++dropped_;
      return false;
    }
    check_pixel(x, y, file, offset);
    return true;
  }

  /// Throws FormatError if (x, y) is no pixel of the sensor, or of any sensor.
  void check_pixel(std::int64_t x, std::int64_t y, const std::string& file, std::int64_t offset) const {
    if (is_pixel(x, y)) return;
    throw FormatError(fmt::format("an event at ({}, {}), outside a sensor of {} x {} pixels; fetch the file "
                                  "again, give the right size of the sensor, or leave such events out "
                                  "(--drop-outside, data.drop_outside)",
                                  x, y, columns(), rows()),
                      file, offset);
  }

  /// What coordinates stay below: the sensor's size where it is known.
  std::int64_t columns() const { return width_ > 0 ? width_ : kMaxSize; }
  std::int64_t rows() const { return height_ > 0 ? height_ : kMaxSize; }

  int width_, height_;

 private:
  static constexpr std::int64_t kMaxSize = 65536;
  bool is_pixel(std::int64_t x, std::int64_t y) const {
    return x >= 0 && x < columns() && y >= 0 && y < rows();
  }

  bool drop_outside_ = false, partial_ = false, is_cut_ = false;
  std::int64_t dropped_ = 0, unread_bytes_ = 0;
  std::exception_ptr error_;
};

}  // namespace spikeloom::formats
