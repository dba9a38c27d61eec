#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// A reader of text and arrays. Its decoder may throw in the middle of a piece: the events before the damage
/// are given first, the error is thrown by the next read() and every one after it.
class TableReader : public EventReader {
 public:
  int width() const override { return width_; }
  int height() const override { return height_; }
  std::int64_t dropped_events() const override { return dropped_; }
  std::int64_t unread_bytes() const override { return unread_; }
  std::string columns_by_value() const override { return columns_by_value_; }

  std::size_t read(events::Event* events, std::size_t capacity) final {
    if (error_) std::rethrow_exception(error_);
    std::size_t count = 0;
    try {
      // A piece may consist of events outside of the sensor.
      while (count == 0 && decode(events, capacity, &count)) {
      }
    } catch (const Error&) {
      error_ = std::current_exception();
      if (count == 0) throw;
    }
    return count;
  }

 protected:
  static constexpr std::int64_t kMaxSide = 65536;

  explicit TableReader(const EventReaderOptions& options)
      : width_(options.width),
        height_(options.height),
        drop_outside_(options.drop_outside),
        partial_(options.partial) {}

  /// Writes up to `capacity` events and counts them in `*count` as it goes. False at the end of the
  /// recording. May throw at any time.
  virtual bool decode(events::Event* events, std::size_t capacity, std::size_t* count) = 0;

  bool is_inside(std::int64_t x, std::int64_t y) const {
    return x >= 0 && x < columns() && y >= 0 && y < rows();
  }

  /// What is wrong with a place for which is_inside() is false.
  std::string outside(std::int64_t x, std::int64_t y) const {
    // An array whose places count from 1 has its last column and row here.
    const bool from_one = (x == columns() || y == rows()) && x > 0 && y > 0 && x <= columns() && y <= rows();
    return fmt::format(
        "an event at ({}, {}), outside a sensor of {} x {} pixels{}: give the right size (--sensor WxH), "
        "leave "
        "such events out (--drop-outside), or fetch the file again",
        x, y, columns(), rows(), from_one ? ", whose columns and rows count from 0" : "");
  }

  int width_, height_;
  const bool drop_outside_, partial_;
  std::int64_t dropped_ = 0, unread_ = 0;
  std::string columns_by_value_;

 private:
  std::int64_t columns() const { return width_ > 0 ? width_ : kMaxSide; }
  std::int64_t rows() const { return height_ > 0 ? height_ : kMaxSide; }

  std::exception_ptr error_;
};

}  // namespace spikeloom::formats
