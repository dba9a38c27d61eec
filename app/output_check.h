#pragma once
#include <string>

namespace spikeloom::app {

/// Throws ConfigError for "-", and if writing `path` would replace something that is no earlier output of the
/// kind: a file with another suffix than `suffix` (".html"), or one that a run folder consists of. `option`
/// is what named the path. Special files, such as /dev/stdout, are no concern of it.
void check_output(const std::string& path, const std::string& suffix, const std::string& option);

}  // namespace spikeloom::app
