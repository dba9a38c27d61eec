#pragma once
#include <string>
#include <vector>

#include "spikeloom/stream/sources/event_decoder.h"
#include "spikeloom/stream/sources/source.h"

namespace spikeloom::stream {

/// Decodes lines "t,x,y,p" (t in whole microseconds, p 0, -1 or 1) that come in pieces of any size. The first
/// line that is no comment may name the columns (t, x, y, p; others are passed over); else they are
/// `columns`. Empty lines and those that begin with # or % are passed over, but for a "geometry: W,H" before
/// the first event, which says the sensor. A line has at most 1 KiB.
class TextDecoder : public EventDecoder {
 public:
  /// name: of the stream, for errors. Throws ConfigError unless columns have t, x, y and p, once each,
  /// besides
  /// "_", which is passed over.
  /// check: called with the sensor, where a comment says it; may be empty.
  TextDecoder(std::string name, const std::vector<std::string>& columns, SensorCheck check = {});
  void feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) override;
  void finish(std::vector<events::Event>& events) override;
  std::optional<events::SensorSize> sensor() const override { return sensor_; }

 private:
  void take(std::string_view line, std::vector<events::Event>& events);
  [[noreturn]] void refuse(const std::string& what) const;

  std::string name_;
  SensorCheck check_;
  std::optional<events::SensorSize> sensor_;
  std::vector<int> what_;  ///< of each column: 0 t, 1 x, 2 y, 3 p, -1 passed over
  char separator_ = ',';
  bool started_ = false;
  std::int64_t line_ = 0;
  std::string held_;
};

}  // namespace spikeloom::stream
