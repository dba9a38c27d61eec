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

/// The text without blanks, tabs and line ends at its ends.
std::string trimmed(const std::string& text);

bool starts_with(const std::string& text, const std::string& start);

/// "1 event", "2 events", "1,234 events", "0 events": the number and the noun in its form. `plural` where an
/// "s" at the end is not enough: counted(2, "class", "classes").
std::string counted(std::int64_t count, const std::string& noun, const std::string& plural = "");

/// The noun in the form that belongs to the number, without the number.
std::string noun_for(std::int64_t count, const std::string& noun, const std::string& plural = "");

}  // namespace spikeloom
