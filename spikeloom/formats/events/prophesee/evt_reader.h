#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/cut_short.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"

namespace spikeloom::formats {

/// A clock whose upper bits come in words of their own and wrap.
template <int high_bits, int low_bits>
class HighWordClock {
 public:
  bool is_set() const { return is_set_; }
  /// Time of the last high word, microseconds, unwrapped.
  std::int64_t base_us() const { return base_us_; }

  void set_high(std::uint32_t high) {
    constexpr std::int64_t kRange = std::int64_t{1} << (high_bits + low_bits);
    const std::int64_t raw = std::int64_t{high} << low_bits;
    if (is_set_ && raw + wrapped_us_ < base_us_ - kRange / 2) wrapped_us_ += kRange;
    base_us_ = raw + wrapped_us_;
    is_set_ = true;
  }

 private:
  std::int64_t base_us_ = 0, wrapped_us_ = 0;
  bool is_set_ = false;
};

/// Reads the formats whose events are words that change a state. The decoder has
///   static constexpr std::size_t kWordBytes, kMostEvents;  // most events of one word
///   std::size_t decode(const std::uint8_t* words, std::size_t count, std::uint32_t width, std::uint32_t
///   height,
///                      events::Event* events, std::size_t capacity, std::size_t* num_events);
///     decodes words as long as kMostEvents more events have room, and returns how many words those were. It
///     stops before a word whose event is outside width x height, which it leaves unseen.
///   void check_stop(const std::string& file, std::int64_t offset) const;
///     throws what is wrong where it has stopped, if that is not the place of an event.
///   void check_end(const std::string& file) const;
///     throws what is wrong with all of the words, at their end.
template <class Decoder>
class EvtReader : public EventReader {
 public:
  EvtReader(const char* format, int width, int height, ByteWindow window, const Decoder& decoder,
            const EventReaderOptions& options)
      : format_(format),
        width_(width),
        height_(height),
        window_(std::move(window)),
        decoder_(decoder),
        drop_outside_(options.drop_outside),
        partial_(options.partial) {
    if (width > 0) limit_x_ = static_cast<std::uint32_t>(width);
    if (height > 0) limit_y_ = std::min(static_cast<std::uint32_t>(height), kRows);
  }

  const char* format() const override { return format_; }
  int width() const override { return width_; }
  int height() const override { return height_; }
  std::int64_t dropped_events() const override { return dropped_; }
  std::int64_t unread_bytes() const override { return unread_bytes_; }

  std::size_t read(events::Event* events, std::size_t capacity) override {
    constexpr std::size_t kWordBytes = Decoder::kWordBytes;
    for (;;) {
      if (pending_begin_ < pending_end_) return give_pending(events, capacity);
      if (!window_.ensure(kWordBytes)) {
        if (partial_) unread_bytes_ = static_cast<std::int64_t>(window_.size());
        if (window_.size() == 0 || partial_) {
          decoder_.check_end(window_.name());
          return 0;
        }
        throw CutShort(fmt::format("the file ends in the middle of a word, after {} of its {} bytes; fetch "
                                   "the file again, or read what is whole (--partial, data.partial)",
                                   window_.size(), kWordBytes),
                       window_.name(), window_.offset());
      }
      const std::size_t count = window_.size() / kWordBytes;
      std::size_t num_events = 0, words = 0;
      if (capacity >= Decoder::kMostEvents) {
        words = decoder_.decode(window_.data(), count, limit_x_, limit_y_, events, capacity, &num_events);
      } else {  // a word's events may be more than there is room for
        words = decoder_.decode(window_.data(), 1, limit_x_, limit_y_, pending_.data(), pending_.size(),
                                &pending_end_);
        pending_begin_ = 0;
      }
      if (words == 0) {
        decoder_.check_stop(window_.name(), window_.offset());
        words = drop_outside();
      }
      if (words == 0) refuse();
      window_.consume(words * kWordBytes);
      if (num_events > 0) return num_events;
    }
  }

 private:
  /// Decodes the next word, one of whose events is outside of the sensor, and keeps those that are not; 1, or
  /// 0 if such events are not to be left out.
  std::size_t drop_outside() {
    constexpr std::uint32_t kAnywhere = 1u << 16;  // what the coordinates of events hold
    if (!drop_outside_) return 0;
    std::size_t found = 0;
    const std::size_t words =
        decoder_.decode(window_.data(), 1, kAnywhere, kAnywhere, pending_.data(), pending_.size(), &found);
    pending_begin_ = pending_end_ = 0;
    for (std::size_t i = 0; i < found; ++i) {
      if (is_outside(pending_[i].x, pending_[i].y, limit_x_, limit_y_) == 0)
        pending_[pending_end_++] = pending_[i];
    }
    dropped_ += static_cast<std::int64_t>(found - pending_end_);
    return words;
  }

  std::size_t give_pending(events::Event* events, std::size_t capacity) {
    const std::size_t count = std::min(capacity, pending_end_ - pending_begin_);
    std::copy_n(pending_.begin() + static_cast<std::ptrdiff_t>(pending_begin_), count, events);
    pending_begin_ += count;
    return count;
  }

  [[noreturn]] void refuse() const {
    throw FormatError(
        fmt::format("an event outside the sensor of {} x {} pixels: damaged, or of another sensor (give "
                    "its size with --sensor, or leave such events out with --drop-outside; data.sensor, "
                    "data.drop_outside)",
                    width_, height_),
        window_.name(), window_.offset());
  }

  static constexpr std::uint32_t kRows = 1u << 11;  // that words of any of these formats have

  const char* format_;
  int width_, height_;
  std::uint32_t limit_x_ = 1u << 16, limit_y_ = kRows;
  ByteWindow window_;
  Decoder decoder_;
  bool drop_outside_, partial_;
  std::int64_t dropped_ = 0, unread_bytes_ = 0;
  std::array<events::Event, Decoder::kMostEvents> pending_{};
  std::size_t pending_begin_ = 0, pending_end_ = 0;
};

}  // namespace spikeloom::formats
