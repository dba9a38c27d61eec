#include "spikeloom/train/run/tensorboard_log.h"

#include <cstdlib>
#include <filesystem>

#include "spikeloom/formats/images/image_encode.h"
#include "spikeloom/train/recipe/recipe_changes.h"

namespace spikeloom::train {
namespace {

/// A value as TOML -> a hyper-parameter: texts without quotes, lists as they are.
formats::HyperParameter to_parameter(const std::string& toml) {
  if (toml == "true" || toml == "false") return toml == "true";
  if (toml.size() >= 2 && toml.front() == '"') return toml.substr(1, toml.size() - 2);
  char* end = nullptr;
  const double number = std::strtod(toml.c_str(), &end);
  if (!toml.empty() && *end == '\0') return number;
  return toml;
}

}  // namespace

TensorBoardLog::TensorBoardLog(const std::string& folder, const std::string& name, const Recipe& recipe,
                               std::int64_t iteration) {
  file_ = std::make_unique<formats::EventFile>(folder + "/" + name, iteration + 1);
  std::vector<std::pair<std::string, formats::HyperParameter>> parameters;
  for (const auto& [key, value] : recipe_entries(recipe)) {
    if (key != "name" && key != "description") parameters.emplace_back(key, to_parameter(value));
  }
  file_->hyper_parameters(parameters, {"epoch/train_loss", "epoch/train_accuracy", "epoch/validation_loss",
                                       "epoch/validation_accuracy", "test/loss", "test/accuracy"});
}

std::string TensorBoardLog::file_name() const {
  return std::filesystem::path(file_->path()).filename().string();
}

void TensorBoardLog::picture(std::int64_t step, const std::string& tag, const formats::Image& picture) {
  const std::vector<std::uint8_t> png = formats::encode_png(picture);
  file_->image(step, tag, picture.width, picture.height, {png.data(), png.size()});
}

}  // namespace spikeloom::train
