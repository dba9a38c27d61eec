#include "spikeloom/data/datasets/own_images.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/recording_reader.h"
#include "spikeloom/data/image_scaling.h"
#include "spikeloom/formats/events/event_reader_options.h"

namespace spikeloom::data {

ImageTarget image_target(const DatasetInfo& info, const DataSettings& settings) {
  refuse_reader_settings(info, settings, true);
  ImageTarget target;
  if (!settings.image_size.empty()) {
    try {
      const auto size = formats::parse_sensor(settings.image_size);
      target.width = size.width;
      target.height = size.height;
    } catch (const ConfigError&) {
      throw ConfigError(fmt::format("'{}' is not a size: give WIDTHxHEIGHT in pixels, for example 32x32",
                                    settings.image_size),
                        "", 0, "data.image_size");
    }
  }
  if (settings.channels != 0 && settings.channels != 1 && settings.channels != 3) {
    throw ConfigError(
        fmt::format("must be 1 (grey), 3 (colour) or 0 (as the images are), not {}", settings.channels), "",
        0, "data.channels");
  }
  target.channels = settings.channels;
  target.resize = settings.resize;
  return target;
}

void settle(ImageTarget& target, int width, int height, int channels) {
  if (target.width == 0) target.width = width;
  if (target.height == 0) target.height = height;
  if (target.channels == 0) target.channels = channels;
}

formats::Image brought_to(const ImageTarget& target, const DataSettings& settings, formats::Image image,
                          const std::string& name) {
  if (image.channels != target.channels && settings.channels == 0) {
    throw DataError(
        fmt::format("{}: is {}, the first image is {}: set data.channels to 1 (grey) or 3 (colour)", name,
                    image.channels == 1 ? "grey" : "in colour", target.channels == 1 ? "grey" : "in colour"));
  }
  const bool fits = image.width == target.width && image.height == target.height;
  if (!fits && settings.image_size.empty()) {
    throw DataError(fmt::format(
        "{}: has {} x {} pixels, the first image has {} x {}: set data.image_size, for example "
        "\"{}x{}\", and data.resize",
        name, image.width, image.height, target.width, target.height, target.width, target.height));
  }
  // Fewer values first.
  if (target.channels == 1) image = with_channels(std::move(image), 1);
  if (!fits) image = with_size(image, target.width, target.height, target.resize);
  return with_channels(std::move(image), target.channels);
}

void check_memory(const ImageTarget& target, std::int64_t count, const std::string& place) {
  const double bytes = static_cast<double>(count) * target.width * target.height * target.channels;
  const double memory =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  if (bytes <= 0.75 * memory) return;
  throw DataError(fmt::format(
      "{}: {} images of {} x {} x {} take {:.1f} GB, which are kept in memory, and there are {:.1f} GB: set "
      "a smaller data.image_size",
      place, count, target.width, target.height, target.channels, bytes / 1e9, memory / 1e9));
}

ImageStore store_of(const ImageTarget& target) {
  return {target.height, target.width, target.channels, {}, {}, {}};
}

}  // namespace spikeloom::data
