#include "spikeloom/formats/events/text/csv_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{1} << 14;
constexpr std::size_t kLookBytes = std::size_t{1} << 16;
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";

}  // namespace

CsvText::CsvText(std::unique_ptr<ByteSource> source) : window_(std::move(source)) {
  if (window_.ensure(3) && std::memcmp(window_.data(), kByteOrderMark, 3) == 0) window_.consume(3);
}

bool CsvText::look(std::string_view* line) {
  *line = {};
  line_bytes_ = 0;
  for (std::size_t wanted = 128;; wanted *= 4) {
    const bool more = window_.ensure(std::min(wanted, kMaxLineBytes));
    const std::size_t length = std::min(window_.size(), kMaxLineBytes);
    if (length == 0) return false;
    const char* text = reinterpret_cast<const char*>(window_.data());
    const void* end = std::memchr(text, '\n', length);
    if (end != nullptr || !more) {
      open_ended_ = end == nullptr;
      const std::size_t size =
          open_ended_ ? length : static_cast<std::size_t>(static_cast<const char*>(end) - text);
      line_bytes_ = open_ended_ ? size : size + 1;
      *line = std::string_view(text, size);
      return true;
    }
    if (wanted >= kMaxLineBytes) refuse(fmt::format("longer than {} bytes", kMaxLineBytes));
  }
}

std::string_view CsvText::lines_at_hand() {
  const bool more = window_.ensure(kLookBytes);
  const std::string_view text(reinterpret_cast<const char*>(window_.data()),
                              std::min(window_.size(), kLookBytes));
  if (!more && text.size() == window_.size()) return text;
  const std::size_t end = text.rfind('\n');
  return text.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

void CsvText::refuse(const std::string& what) const {
  throw FormatError(fmt::format("line {}: {}", number_, what), window_.name(), window_.offset());
}

void CsvText::refuse_field(std::string_view field, std::size_t column, const std::string& wanted) const {
  constexpr std::size_t kShown = 30;
  std::string shown(field.substr(0, kShown));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  if (field.size() > kShown) shown += "...";
  const char* text = reinterpret_cast<const char*>(window_.data());
  const bool in_line = field.data() >= text && field.data() <= text + line_bytes_;
  throw FormatError(fmt::format("line {}, column {}: {} where {} was expected", number_, column + 1,
                                shown.empty() ? "nothing" : "'" + shown + "'", wanted),
                    window_.name(), window_.offset() + (in_line ? field.data() - text : 0));
}

}  // namespace spikeloom::formats
