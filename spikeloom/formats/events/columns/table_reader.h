#pragma once
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/columns/event_columns.h"
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

  /// The four numbers of some events, by EventColumn.
  using Numbers = std::array<const std::int64_t*, kNumEventColumns>;
  /// How many events are written at a time: where one of them needs a closer look, all do.
  static constexpr std::size_t kBlockRows = 256;

  /// Writes `count` events if none needs a closer look: all inside the sensor, with polarities that are sure
  /// and one of 0, 1, -1 and `wrapped`. Otherwise nothing counts as written. No branch an event.
  bool write_plain(const Numbers& numbers, std::size_t count, std::int64_t wrapped,
                   WrappedPolarity* sure_polarity, events::Event* events) const {
    const auto width = static_cast<std::uint64_t>(columns()), height = static_cast<std::uint64_t>(rows());
    bool good = true, some_zero = false, some_wrapped = false;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t x = numbers[kColumnX][i], y = numbers[kColumnY][i], p = numbers[kColumnP][i];
      const bool on = p == 1, zero = p == 0, is_wrapped = p == wrapped;
      good &= (static_cast<std::uint64_t>(x) < width) & (static_cast<std::uint64_t>(y) < height) &
              (on | zero | is_wrapped | (p == -1));
      some_zero |= zero;
      some_wrapped |= is_wrapped;
      events[i] = {numbers[kColumnT][i], static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                   static_cast<std::uint8_t>(on)};
    }
    return good && sure_polarity->see_many(some_zero, some_wrapped);
  }

  bool is_inside(std::int64_t x, std::int64_t y) const {
    return x >= 0 && x < columns() && y >= 0 && y < rows();
  }

  /// What is wrong with a place for which is_inside() is false.
  std::string outside(std::int64_t x, std::int64_t y) const {
    // An array whose places count from 1 has its last column and row here.
    const bool from_one = (x == columns() || y == rows()) && x > 0 && y > 0 && x <= columns() && y <= rows();
    return fmt::format(
        "an event at ({}, {}), outside a sensor of {} x {} pixels{}: give the right size (--sensor WxH, "
        "data.sensor), leave such events out (--drop-outside, data.drop_outside), or fetch the file again",
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
