#pragma once
#include <cstdint>
#include <string>

namespace spikeloom {

/// 45049188 -> "45,049,188".
std::string with_separators(std::int64_t value);

/// The text as one line: control characters (of a file name, for example) are shown as '?'.
std::string one_line(std::string text);

/// The word as a POSIX shell reads it: in single quotes where it holds anything but letters, digits and
/// "-_./+=:,@%".
std::string shell_quoted(const std::string& word);

}  // namespace spikeloom
