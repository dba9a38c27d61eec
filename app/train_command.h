#pragma once
#include <string>
#include <vector>

#include "spikeloom/parallel/placement.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {

/// What `spikeloom train` was told.
struct TrainOptions {
  std::string recipe, out, data_dir, resume, init_from, device = "cpu";
  std::vector<std::string> overrides;
  int threads = 0;
  double timeout = parallel::kTimeoutSeconds;
  bool json = false, quiet = false, list = false, accept_changed_data = false, tensorboard = false;
};

/// The setting that --tensorboard stands for.
inline constexpr const char kTensorBoardSetting[] = "logging.tensorboard=true";

/// The recipe of a new training; of one that is resumed an empty one. Throws ConfigError for options that do
/// not go together, and what train::load_recipe throws.
train::Recipe recipe_of(const TrainOptions& options);

}  // namespace spikeloom::app
