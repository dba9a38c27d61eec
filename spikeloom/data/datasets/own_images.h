#pragma once
// What the sets of the user's own images share: "image-folder" and "image-array".
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/data/datasets/image_dataset.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::data {

/// What every image of a set is brought to.
struct ImageTarget {
  int width = 0, height = 0;  ///< 0: not settled by the settings
  int channels = 0;           ///< likewise
  Resize resize = Resize::kCrop;
};

/// Throws ConfigError for settings that are wrong, or that are for recordings.
ImageTarget image_target(const DatasetInfo& info, const DataSettings& settings);

/// Settles what the settings leave open by the first image.
void settle(ImageTarget& target, int width, int height, int channels);

/// The image as the target wants it. Throws DataError naming `name` and the key to set if it has another size
/// or other channels than those that the first image settled.
formats::Image brought_to(const ImageTarget& target, const DataSettings& settings, formats::Image image,
                          const std::string& name);

/// Throws DataError if so many images of the target's size would take more than three quarters of the memory.
void check_memory(const ImageTarget& target, std::int64_t count, const std::string& place);

/// An empty store for images of the target.
ImageStore store_of(const ImageTarget& target);

}  // namespace spikeloom::data
