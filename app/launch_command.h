#pragma once
#include <string>
#include <vector>

#include "spikeloom/parallel/launcher.h"

namespace spikeloom::app {

/// What `spikeloom launch` was told.
struct LaunchOptions {
  parallel::Launch launch;
  std::string master;
  std::vector<std::string> words;
};

}  // namespace spikeloom::app
