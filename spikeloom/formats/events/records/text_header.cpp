#include "spikeloom/formats/events/records/text_header.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace spikeloom::formats {
namespace {

constexpr std::size_t kFirstLook = 256;

bool is_header_character(std::uint8_t c) { return c == '\t' || c == '\r' || c >= 0x20; }

}  // namespace

bool next_header_line(ByteWindow& window, char mark, std::string* line) {
  if (!window.ensure(1) || window.data()[0] != static_cast<std::uint8_t>(mark)) return false;
  std::size_t length = 1;
  for (std::size_t wanted = kFirstLook; length < ByteWindow::kCapacity; wanted *= 2) {
    const bool more = window.ensure(std::min(wanted, ByteWindow::kCapacity));
    const std::uint8_t* bytes = window.data();
    while (length < window.size() && is_header_character(bytes[length])) ++length;
    if (length < window.size()) break;
    if (!more) return false;
  }
  if (length >= window.size() || window.data()[length] != '\n') return false;
  line->assign(window.data(), window.data() + length);
  if (line->back() == '\r') line->pop_back();
  window.consume(length + 1);
  return true;
}

}  // namespace spikeloom::formats
