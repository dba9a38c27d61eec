#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::app {

/// The command whose options were being read: "spikeloom bench step".
std::string command_path(const CLI::App& program);

/// One line on a command line that cannot be parsed: what is wrong, the nearest commands or options, and
/// whose
/// --help to read.
std::string usage_error(const CLI::App& program, const CLI::ParseError& error);

/// The message of an error that the library throws about a setting without a file: a setting that has an
/// option is called by the option's name ("--count: ..." instead of "key 'count': ...", "--folder" for
/// "data.folder").
std::string option_error(const CLI::App& program, const ConfigError& error);

/// Throws ConfigError if `overrides` (the values of --set) have the key "SECTION.KEY", which `option`, given
/// too, also says. What is wrong with an override throws as config::Toml::apply_override().
void refuse_said_twice(const std::vector<std::string>& overrides, const std::string& section,
                       const std::string& key, const std::string& option);

}  // namespace spikeloom::app
