#pragma once
#include <string>

#include "spikeloom/formats/byte_window.h"

namespace spikeloom::formats {

/// Takes the next line of a text header off the window, without its end (LF or CR LF): a line that starts
/// with `mark` and is text up to its line feed. False, with nothing taken, if something else follows: the
/// first byte of the data may look like a mark, but what follows it up to a line feed is hardly ever text.
/// Lines longer than the window are no header.
bool next_header_line(ByteWindow& window, char mark, std::string* line);

}  // namespace spikeloom::formats
