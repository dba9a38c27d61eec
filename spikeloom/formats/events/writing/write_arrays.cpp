// Encoders of what other programs load without a reader: npy and csv.
#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>

#include "spikeloom/formats/events/writing/encoders.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

/// A structured array of packed records: int64 t, uint16 x, uint16 y, uint8 p, little-endian.
class NpyEncoder : public EventEncoder {
 public:
  NpyEncoder(int width, int height)
      : limits_(coordinate_limits(width, height, {1 << 16, 1 << 16}, kFormat)) {}

  std::vector<std::uint8_t> header(std::int64_t num_events) const override {
    constexpr std::size_t kHeaderBytes = 192;  // a multiple of 64, with room for any number of events
    constexpr std::size_t kPrefixBytes = 10;
    std::string text = fmt::format(
        "{{'descr': [('t', '<i8'), ('x', '<u2'), ('y', '<u2'), ('p', '|u1')], 'fortran_order': False, "
        "'shape': "
        "({},), }}",
        num_events);
    text.resize(kHeaderBytes - kPrefixBytes - 1, ' ');
    text += '\n';
    std::vector<std::uint8_t> bytes{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    append_little_endian(text.size(), 2, bytes);
    bytes.insert(bytes.end(), text.begin(), text.end());
    return bytes;
  }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kFormat);
    for (std::size_t i = 0; i < count; ++i) {
      append_little_endian(static_cast<std::uint64_t>(events[i].t_us), 8, bytes);
      append_little_endian(events[i].x, 2, bytes);
      append_little_endian(events[i].y, 2, bytes);
      bytes.push_back(events[i].polarity);
    }
  }

 private:
  static constexpr const char* kFormat = "npy";
  CoordinateLimits limits_;
};

/// A line an event after one of names. The size of the sensor, where it is known, is in a comment before
/// them.
class CsvEncoder : public EventEncoder {
 public:
  CsvEncoder(int width, int height)
      : width_(width),
        height_(height),
        limits_(coordinate_limits(width, height, {1 << 16, 1 << 16}, kFormat)) {}

  std::vector<std::uint8_t> header(std::int64_t) const override {
    std::string text = "t,x,y,p\n";
    if (width_ > 0 && height_ > 0) text = fmt::format("# geometry: {},{}\n", width_, height_) + text;
    return {text.begin(), text.end()};
  }

  void encode(const events::Event* events, std::size_t count, std::vector<std::uint8_t>& bytes) override {
    check_encodable(events, count, limits_, kFormat);
    for (std::size_t i = 0; i < count; ++i) {
      fmt::format_to(std::back_inserter(bytes), "{},{},{},{}\n", events[i].t_us, events[i].x, events[i].y,
                     static_cast<int>(events[i].polarity));
    }
  }

 private:
  static constexpr const char* kFormat = "csv";
  int width_, height_;
  CoordinateLimits limits_;
};

}  // namespace

std::unique_ptr<EventEncoder> make_npy_encoder(int width, int height) {
  return std::make_unique<NpyEncoder>(width, height);
}
std::unique_ptr<EventEncoder> make_csv_encoder(int width, int height) {
  return std::make_unique<CsvEncoder>(width, height);
}

}  // namespace spikeloom::formats
