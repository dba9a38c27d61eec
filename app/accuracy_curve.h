#pragma once
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace spikeloom::app {

/// Whether the stream is a terminal that shows UTF-8: LC_ALL, LC_CTYPE or LANG, the first that is set, says
/// so.
bool shows_blocks(std::FILE* stream);

/// Values as a row of bars between their least and largest, the last `most` of them: of eighth blocks, or of
/// the characters "_.-=+*#@" where `blocks` is false. One character a value; "" of none.
std::string small_curve(const std::vector<double>& values, std::size_t most, bool blocks);

}  // namespace spikeloom::app
