#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "app/event_file_options.h"

namespace spikeloom::app {

/// What an option says something about.
enum class InfoGroup { kInput, kNetwork, kRecording };

/// What `spikeloom info` was told.
struct InfoOptions {
  std::string what, input;
  EventFileOptions recording;
  int classes = 0;  ///< 0: not given
  bool no_bias = false, neunorm = false;
  bool json = false;
  std::vector<std::pair<const CLI::Option*, InfoGroup>> groups;
};

}  // namespace spikeloom::app
