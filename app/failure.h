#pragma once
#include <exception>
#include <string>

namespace spikeloom::app {

/// What the program says and returns when a command fails.
struct Failure {
  std::string message;  ///< one line, or nothing: another process has told it
  std::string marked;   ///< two more for a network string or shape: the text, and ^ under the place; or ""
  int exit_code = 0;
};

/// The failure that an exception means (Exit codes: app/commands.h). `command` is the subcommand's name: what
/// to make smaller when memory does not suffice depends on it.
Failure describe_failure(const std::exception& error, const std::string& command);

}  // namespace spikeloom::app
