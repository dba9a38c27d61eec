#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// Text as HTML shows it, inside an element or a quoted attribute; control characters become blanks.
std::string html_escaped(const std::string& text);

/// RFC 4648, with padding: for data inside a page.
std::string base64(const std::vector<std::uint8_t>& bytes);

}  // namespace spikeloom::formats
