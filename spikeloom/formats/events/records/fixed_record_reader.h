#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/cut_short.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// Reads formats whose events are records of one size. The decoder, a small copyable struct, has
///   static constexpr std::size_t kRecordBytes;
///   bool decode(const std::uint8_t* records, std::size_t count, events::Event* events, std::size_t*
///   num_events);
///     decodes `count` records into at most as many events; false if one of them is outside of the sensor. It
///     may write to the place after the last event, up to count, so that it need not branch.
///   [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset)
///   const;
///     throws what is wrong with a record.
/// Records outside of the sensor are looked for a block at a time; only the block that has one is decoded
/// again record by record, so that leaving them out (EventReaderOptions::drop_outside) costs nothing where
/// there are none.
template <class Decoder>
class FixedRecordReader : public EventReader {
 public:
  FixedRecordReader(const char* format, int width, int height, ByteWindow window, const Decoder& decoder,
                    const EventReaderOptions& options)
      : format_(format),
        width_(width),
        height_(height),
        window_(std::move(window)),
        decoder_(decoder),
        drop_outside_(options.drop_outside),
        partial_(options.partial) {}

  const char* format() const override { return format_; }
  int width() const override { return width_; }
  int height() const override { return height_; }
  std::int64_t dropped_events() const override { return dropped_; }
  std::int64_t unread_bytes() const override { return unread_bytes_; }

  std::size_t read(events::Event* events, std::size_t capacity) override {
    constexpr std::size_t kRecordBytes = Decoder::kRecordBytes;
    for (;;) {
      if (!window_.ensure(kRecordBytes)) {
        if (partial_) unread_bytes_ = static_cast<std::int64_t>(window_.size());
        if (window_.size() == 0 || partial_) return 0;
        throw CutShort(fmt::format("the file ends in the middle of an event, after {} of its {} bytes; fetch "
                                   "the file again, or read what is whole (--partial, data.partial)",
                                   window_.size(), kRecordBytes),
                       window_.name(), window_.offset());
      }
      const std::size_t count = std::min(window_.size() / kRecordBytes, capacity);
      std::size_t num_events = 0;
      const std::size_t good = decode_good(count, events, &num_events);
      window_.consume(good * kRecordBytes);
      if (num_events > 0) return num_events;
      if (good < count) decoder_.refuse(window_.data(), window_.name(), window_.offset());
    }
  }

 private:
  /// Decodes up to the first damaged record and returns how many records that was.
  std::size_t decode_good(std::size_t count, events::Event* events, std::size_t* num_events) {
    constexpr std::size_t kBlock = 1024;
    for (std::size_t done = 0; done < count;) {
      const std::size_t size = std::min(count - done, kBlock);
      const std::uint8_t* records = window_.data() + done * Decoder::kRecordBytes;
      Decoder ahead = decoder_;
      std::size_t block_events = 0;
      if (!ahead.decode(records, size, events + *num_events, &block_events)) {
        const std::size_t good = decode_singly(records, size, events, num_events);
        if (good < size) return done + good;
      } else {
        decoder_ = ahead;
        *num_events += block_events;
      }
      done += size;
    }
    return count;
  }

  std::size_t decode_singly(const std::uint8_t* records, std::size_t count, events::Event* events,
                            std::size_t* num_events) {
    for (std::size_t i = 0; i < count; ++i) {
      Decoder ahead = decoder_;
      std::size_t one = 0;
      if (!ahead.decode(records + i * Decoder::kRecordBytes, 1, events + *num_events, &one)) {
        if (!drop_outside_) return i;
        ++dropped_;
        one = 0;
      }
      decoder_ = ahead;
      *num_events += one;
    }
    return count;
  }

  const char* format_;
  int width_, height_;
  ByteWindow window_;
  Decoder decoder_;
  bool drop_outside_, partial_;
  std::int64_t dropped_ = 0, unread_bytes_ = 0;
};

}  // namespace spikeloom::formats
