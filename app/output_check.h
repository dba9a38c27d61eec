#pragma once
#include <string>

namespace spikeloom::app {

/// What to write to for a path that a user gave: of "-" standard output, and whatever the program prints
/// there itself goes to standard error from then on. Throws DataError if it is closed.
std::string output_path(const std::string& path);

/// Throws ConfigError if writing `path` would replace something that is no earlier output of the
/// kind: a file, or the target of a link, that has another suffix than `suffix` (".html") or that a run
/// folder consists of; or if a file that is not there yet has another ending than `suffix`. `option` is what
/// named the path. Special files, such as /dev/stdout, are no concern of it.
void check_output(const std::string& path, const std::string& suffix, const std::string& option);

/// Throws ConfigError if `path` is the file `input`.
void check_not_input(const std::string& path, const std::string& input, const std::string& option);

}  // namespace spikeloom::app
