#pragma once
#include <string>
#include <vector>

#include "spikeloom/stream/sources/event_decoder.h"

namespace spikeloom::stream {

/// Decodes lines "t,x,y,p" (t in whole microseconds, p 0, -1 or 1) that come in pieces of any size. The first
/// line that is no comment may name the columns (t, x, y, p; others are passed over); else they are
/// `columns`. Empty lines and those that begin with # or % are passed over. A line has at most 1 KiB.
class TextDecoder : public EventDecoder {
 public:
  /// name: of the stream, for errors. Throws ConfigError unless columns have t, x, y and p, once each,
  /// besides
  /// "_", which is passed over.
  TextDecoder(std::string name, const std::vector<std::string>& columns);
  void feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) override;
  void finish(std::vector<events::Event>& events) override;

 private:
  void take(std::string_view line, std::vector<events::Event>& events);
  [[noreturn]] void refuse(const std::string& what) const;

  std::string name_;
  std::vector<int> what_;  ///< of each column: 0 t, 1 x, 2 y, 3 p, -1 passed over
  char separator_ = ',';
  bool started_ = false;
  std::int64_t line_ = 0;
  std::string held_;
};

}  // namespace spikeloom::stream
