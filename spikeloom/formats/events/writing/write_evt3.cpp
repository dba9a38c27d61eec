#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "spikeloom/formats/events/prophesee/evt_reader.h"
#include "spikeloom/formats/events/writing/encoders.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kFormat = "EVT 3.0";
constexpr std::size_t kVectorLength = 12;
constexpr std::size_t kFewestInVector = 3;  // a vector takes two words, single events one each

class Evt3Encoder : public EventEncoder {
 public:
  Evt3Encoder(int width, int height)
      : width_(width), height_(height), limits_(coordinate_limits(width, height, {2048, 2048}, kFormat)) {}

  std::vector<std::uint8_t> header(std::int64_t) const override {
    std::string text = "% evt 3.0\n";
    if (width_ > 0 && height_ > 0) {
      text += fmt::format("% format EVT3;height={};width={}\n% geometry {}x{}\n", height_, width_, width_,
                          height_);
    } else {
      text += "% format EVT3\n";
    }
    text += "% end\n";
    return {text.begin(), text.end()};
  }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kFormat);
    Writer ahead = writer_;
    std::vector<std::uint8_t> added;
    added.reserve(4 * count);
    for (std::size_t i = 0; i < count;) {
      ahead.write_state(events[i], added);
      const std::size_t length = run_length(events + i, count - i);
      if (length >= kFewestInVector) {
        Writer::write_vector(events + i, length, added);
      } else {
        for (std::size_t k = 0; k < length; ++k) Writer::write_event(events[i + k], added);
      }
      i += length;
    }
    writer_ = ahead;
    bytes.insert(bytes.end(), added.begin(), added.end());
  }

 private:
  /// How many events from the first on fit one vector: same time, row and polarity, columns that grow.
  static std::size_t run_length(const events::Event* events, std::size_t count) {
    std::size_t length = 1;
    while (length < count && length < kVectorLength) {
      const events::Event& last = events[length - 1];
      const events::Event& next = events[length];
      if (next.t_us != last.t_us || next.y != last.y || next.polarity != last.polarity || next.x <= last.x ||
          next.x >= events[0].x + kVectorLength) {
        break;
      }
      ++length;
    }
    return length;
  }

  class Writer {
   public:
    /// Time and row of the events that follow.
    void write_state(const events::Event& event, std::vector<std::uint8_t>& bytes) {
      if (!started_) start(event, bytes);
      if (event.t_us != t_us_) write_time(event, bytes);
      if (event.y != y_) put(0x0000u | event.y, bytes);
      y_ = event.y;
    }

    static void write_event(const events::Event& event, std::vector<std::uint8_t>& bytes) {
      put(0x2000u | std::uint32_t{event.polarity} << 11 | event.x, bytes);
    }

    static void write_vector(const events::Event* events, std::size_t length,
                             std::vector<std::uint8_t>& bytes) {
      std::uint32_t mask = 0;
      for (std::size_t k = 0; k < length; ++k) mask |= 1u << (events[k].x - events[0].x);
      put(0x3000u | std::uint32_t{events[0].polarity} << 11 | events[0].x, bytes);
      put(0x4000u | mask, bytes);
    }

   private:
    static constexpr std::int64_t kFileRange = std::int64_t{1} << 32;
    static constexpr std::int64_t kLongestPause = std::int64_t{1} << 40;
    static constexpr std::int64_t kHighStep = (1 << 11) - 1;  // less than half of what it counts

    static void put(std::uint32_t word, std::vector<std::uint8_t>& bytes) {
      bytes.push_back(static_cast<std::uint8_t>(word));
      bytes.push_back(static_cast<std::uint8_t>(word >> 8));
    }

    /// Times are counted from the start of the 2^32 us that the first event is in.
    void start(const events::Event& event, std::vector<std::uint8_t>& bytes) {
      origin_us_ = event.t_us & ~(kFileRange - 1);
      t_us_ = origin_us_;
      started_ = true;
      put_high(0, bytes);
    }

    void put_high(std::int64_t high, std::vector<std::uint8_t>& bytes) {
      put(0x8000u | static_cast<std::uint32_t>(high & 0xfff), bytes);
      clock_.set_high(static_cast<std::uint32_t>(high & 0xfff));
    }

    void write_time(const events::Event& event, std::vector<std::uint8_t>& bytes) {
      const auto pause = static_cast<std::int64_t>(static_cast<std::uint64_t>(event.t_us) -
                                                   static_cast<std::uint64_t>(t_us_));
      if (pause > kLongestPause || (pause < 0 && event.t_us > t_us_) || event.t_us < origin_us_) {
        refuse_time(event, t_us_, kFormat, "pauses of at most 2^40 us, times not before the first 2^32 us");
      }
      const std::int64_t relative = event.t_us - origin_us_;
      const std::int64_t high = relative >> 12;
      std::int64_t current = clock_.base_us() >> 12;
      // The clock of 24 bits counts on only if it is seen in every half of its range.
      while (high - current > kHighStep) {
        current += kHighStep;
        put_high(current, bytes);
      }
      if (high != current) put_high(high, bytes);
      if (clock_.base_us() != high << 12) {
        refuse_time(event, t_us_, kFormat, "times may not go back over a wrap of its 2^24 us clock");
      }
      put(0x6000u | static_cast<std::uint32_t>(relative & 0xfff), bytes);
      t_us_ = event.t_us;
    }

    HighWordClock<12, 12> clock_;
    std::int64_t t_us_ = 0, origin_us_ = 0;
    int y_ = 0;  // the state that readers begin with
    bool started_ = false;
  };

  int width_, height_;
  CoordinateLimits limits_;
  Writer writer_;
};

}  // namespace

std::unique_ptr<EventEncoder> make_evt3_encoder(int width, int height) {
  return std::make_unique<Evt3Encoder>(width, height);
}

}  // namespace spikeloom::formats
