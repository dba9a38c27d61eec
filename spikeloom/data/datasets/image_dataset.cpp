#include "spikeloom/data/datasets/image_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/data/datasets/mirroring.h"
#include "spikeloom/data/datasets/recording_reader.h"

namespace spikeloom::data {
namespace {

constexpr float kLargestByte = 255.0f;

/// Uniform in [max(0, 1 - strength), 1 + strength].
float draw_factor(RandomStream& stream, double strength) {
  const double least = std::max(0.0, 1.0 - strength);
  return static_cast<float>(least + (1.0 + strength - least) * static_cast<double>(stream.uniform()));
}

/// The order of the numbers is part of what a seed means: new ones are drawn last.
void draw_changes(const ImageAugmentation& augmentation, const AugmentKey& key, std::int64_t index,
                  const ImageStore& store, kernels::cuda::ImageDraw& draw) {
  RandomStream stream(key.seed, RandomPurpose::kAugment, static_cast<std::uint64_t>(index),
                      static_cast<std::uint64_t>(key.epoch));
  const auto below = [&](std::int64_t bound) {
    return static_cast<std::int32_t>(stream.below(static_cast<std::uint32_t>(bound)));
  };
  if (augmentation.crop_padding > 0) {
    draw.offset_y = below(2 * augmentation.crop_padding + 1) - augmentation.crop_padding;
    draw.offset_x = below(2 * augmentation.crop_padding + 1) - augmentation.crop_padding;
  }
  if (augmentation.horizontal_flip) {
    draw.mirrored = is_mirrored(augmentation.flip_order, key, index, stream) ? 1 : 0;
  }
  if (augmentation.cutout > 0) {
    draw.cutout_height = draw.cutout_width = augmentation.cutout;
    draw.cutout_y = below(store.height) - augmentation.cutout / 2;
    draw.cutout_x = below(store.width) - augmentation.cutout / 2;
  }
  if (augmentation.brightness > 0.0) draw.brightness = draw_factor(stream, augmentation.brightness);
  if (augmentation.contrast > 0.0) draw.contrast = draw_factor(stream, augmentation.contrast);
  if (augmentation.saturation > 0.0) draw.saturation = draw_factor(stream, augmentation.saturation);
}

void check_color(const std::string& name, double value, const char* key) {
  if (value >= 0.0 && value <= kMaxColorChange) return;  // NaN is neither
  throw ConfigError(fmt::format("{}: {} is outside 0 .. {}", name, value, kMaxColorChange), "", 0, key);
}

/// Settings that cannot be made sense of for images of this size.
void check_augmentation(const std::string& name, const DataSettings& settings, const ImageStore& images) {
  const auto fits = [&](std::int64_t pixels) { return pixels <= images.height && pixels <= images.width; };
  if (!fits(settings.crop_padding)) {
    throw ConfigError(fmt::format("a padding of {} pixels exceeds the {} x {} image", settings.crop_padding,
                                  images.height, images.width),
                      "", 0, "data.crop_padding");
  }
  if (!fits(settings.cutout)) {
    throw ConfigError(fmt::format("a square of {} pixels exceeds the {} x {} image", settings.cutout,
                                  images.height, images.width),
                      "", 0, "data.cutout");
  }
  check_color(name, settings.brightness, "data.brightness");
  check_color(name, settings.contrast, "data.contrast");
  check_color(name, settings.saturation, "data.saturation");
  if (settings.saturation > 0.0 && images.channels != 3) {
    throw ConfigError(fmt::format("{} holds grey images, which have no saturation; remove it", name), "", 0,
                      "data.saturation");
  }
}

}  // namespace

PixelTable plain_table(std::int64_t channels) {
  PixelTable table(static_cast<std::size_t>(channels));
  for (auto& values : table) {
    for (std::size_t v = 0; v < values.size(); ++v) values[v] = static_cast<float>(v) / kLargestByte;
  }
  return table;
}

Standardization standardization_of(const ImageStore& training) {
  const auto channels = static_cast<std::size_t>(training.channels);
  std::vector<std::array<std::uint64_t, 256>> counts(channels);
  for (auto& histogram : counts) histogram.fill(0);
  for (std::size_t i = 0; i < training.pixels.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) ++counts[c][training.pixels[i + c]];
  }
  const double pixels = static_cast<double>(training.pixels.size() / channels);
  Standardization result;
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0.0, sum_of_squares = 0.0;
    for (std::size_t v = 0; v < 256; ++v) {
      const double value = static_cast<double>(v) / 255.0, count = static_cast<double>(counts[c][v]);
      sum += count * value;
      sum_of_squares += count * value * value;
    }
    const double mean = sum / pixels;
    const double variance = std::max(0.0, sum_of_squares / pixels - mean * mean);
    // Below the spacing of byte values there is nothing but rounding.
    result.mean.push_back(mean);
    result.deviation.push_back(variance > 1e-12 ? std::sqrt(variance) : 1.0);
  }
  return result;
}

PixelTable standardizing_table(const Standardization& standardization) {
  PixelTable table(standardization.mean.size());
  for (std::size_t c = 0; c < table.size(); ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      table[c][v] = static_cast<float>((static_cast<double>(v) / 255.0 - standardization.mean[c]) /
                                       standardization.deviation[c]);
    }
  }
  return table;
}

ImageDataset::ImageDataset(std::string name, std::vector<std::string> class_names,
                           std::shared_ptr<const ImageStore> store, std::shared_ptr<const PixelTable> table,
                           std::shared_ptr<const Standardization> standardization, Indices indices,
                           ImageAugmentation augmentation)
    : name_(std::move(name)),
      class_names_(std::move(class_names)),
      store_(std::move(store)),
      table_(std::move(table)),
      standardization_(std::move(standardization)),
      indices_(std::move(indices)),
      augmentation_(augmentation) {
  raw_images_ = {store_->pixels.data(), store_->size(),         store_->height,        store_->width,
                 store_->channels,      table_->front().data(), standardization_.get()};
}

SampleShape ImageDataset::shape() const { return {1, store_->channels, store_->height, store_->width, true}; }

std::int64_t ImageDataset::position(std::int64_t index) const {
  if (index < 0 || index >= size()) {
    throw ShapeError(
        fmt::format("{}: sample {} is outside the {} samples of this split", name(), index, size()));
  }
  return indices_[static_cast<std::size_t>(index)];
}

int ImageDataset::label(std::int64_t index) const {
  return store_->labels[static_cast<std::size_t>(position(index))];
}

SampleOrigin ImageDataset::origin(std::int64_t index) const {
  const std::int64_t place = position(index);
  if (!store_->origins.empty()) return store_->origins[static_cast<std::size_t>(place)];
  return {std::to_string(place), 0, ""};
}

kernels::cuda::ImageDraw ImageDataset::image_draw(std::int64_t index, const AugmentKey* augment) const {
  kernels::cuda::ImageDraw draw;
  draw.image = position(index);
  if (augment != nullptr) draw_changes(augmentation_, *augment, index, *store_, draw);
  return draw;
}

void ImageDataset::read(std::int64_t index, const AugmentKey* augment, float* sample) const {
  const kernels::cuda::ImageDraw draw = image_draw(index, augment);
  const bool colors = augment != nullptr && augmentation_.changes_colors();
  if (!colors && draw.cutout_height == 0) {
    read_moved(draw, sample);
    return;
  }
  constexpr std::int64_t kOneImage = 1;
  std::vector<char> workspace(
      colors ? static_cast<std::size_t>(kernels::cuda::augment_images_workspace(kOneImage)) : 0);
  kernels::cuda::augment_images(kernels::cuda::Queue{}, {store_->height, store_->width, store_->channels},
                                kOneImage, raw_images_.pixels, &draw, raw_images_.table, colors, sample,
                                workspace.data());
}

/// augment_images where there is nothing but crop and mirror, faster.
void ImageDataset::read_moved(const kernels::cuda::ImageDraw& draw, float* sample) const {
  const std::int64_t height = store_->height, width = store_->width, channels = store_->channels;
  const std::uint8_t* image = store_->pixels.data() + draw.image * height * width * channels;
  const PixelTable& table = *table_;

  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t from_y = y + draw.offset_y;
    const bool row_inside = from_y >= 0 && from_y < height;
    for (std::int64_t x = 0; x < width; ++x, sample += channels) {
      const std::int64_t from_x = (draw.mirrored != 0 ? width - 1 - x : x) + draw.offset_x;
      const bool inside = row_inside && from_x >= 0 && from_x < width;
      const std::uint8_t* pixel = image + (from_y * width + from_x) * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        sample[c] = table[static_cast<std::size_t>(c)][inside ? pixel[c] : 0];
      }
    }
  }
}

void refuse_image_file_settings(const DatasetInfo& info, const DataSettings& settings) {
  const DataSettings defaults;
  const std::pair<bool, const char*> changed[] = {
      {settings.image_size != defaults.image_size, "data.image_size"},
      {settings.resize != defaults.resize, "data.resize"},
      {settings.channels != defaults.channels, "data.channels"}};
  for (const auto& [is_changed, key] : changed) {
    if (!is_changed) continue;
    throw ConfigError(
        fmt::format("is for the sets 'image-folder' and 'image-array', not for {}; remove it", info.name), "",
        0, key);
  }
}

DataSplits open_images(const Source& source, const DataSettings& settings, ImageStore training,
                       ImageStore test, Parts parts) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random"});
  refuse_image_file_settings(info, settings);
  refuse_reader_settings(info, settings, true);
  ImageParts image_parts;
  image_parts.name = info.name;
  image_parts.title = info.title;
  image_parts.class_names = info.class_names;
  image_parts.how_tested = "official";
  image_parts.random_validation = settings.split == "random";
  image_parts.test_only = parts == Parts::kTest;
  for (const auto& remark :
       {image_parts.test_only ? "" : partial_remark(info, "train", training.size(), "training images"),
        partial_remark(info, "test", test.size(), "test images")}) {
    if (!remark.empty()) image_parts.remark += (image_parts.remark.empty() ? "" : ", ") + remark;
  }
  image_parts.training = std::move(training);
  image_parts.test = std::move(test);
  return make_image_splits(std::move(image_parts), settings);
}

DataSplits make_image_splits(ImageParts parts, const DataSettings& settings) {
  if (settings.max_shift != 0) {
    throw ConfigError(
        fmt::format("{} holds still images, which are not shifted; use crop_padding", parts.name), "", 0,
        "data.max_shift");
  }
  if (!settings.transforms.empty()) {
    throw ConfigError(
        fmt::format("{} holds still images: transforms are for the events of recordings; remove them",
                    parts.name),
        "", 0, "data.transforms");
  }
  check_augmentation(parts.name, settings, parts.test_only ? parts.test : parts.training);

  SplitSummary summary;
  summary.title = parts.title;
  summary.random_validation = parts.random_validation;
  if (!parts.test_only) {
    summary.training = hold_out(all_indices(parts.training.size()), settings, parts.random_validation,
                                parts.validation_item);
  }
  const Indices tested = first_of(all_indices(parts.test.size()), settings.test_limit);
  summary.test = static_cast<std::int64_t>(tested.size());
  summary.test_available = parts.test.size();
  summary.how_tested = parts.how_tested;
  summary.remark = parts.remark;

  if (settings.standardize && parts.training.size() == 0) {
    throw ConfigError(
        fmt::format("{} has no training images here, from which mean and deviation are computed",
                    parts.title),
        "", 0, "data.standardize");
  }
  const auto standardization =
      settings.standardize ? std::make_shared<const Standardization>(standardization_of(parts.training))
                           : nullptr;
  const auto table = std::make_shared<const PixelTable>(
      standardization ? standardizing_table(*standardization)
                      : plain_table(std::max(parts.training.channels, parts.test.channels)));
  const auto train_store = std::make_shared<const ImageStore>(std::move(parts.training));
  const auto test_store = std::make_shared<const ImageStore>(std::move(parts.test));
  const ImageAugmentation augmentation{settings.crop_padding, settings.horizontal_flip, settings.cutout,
                                       settings.brightness,   settings.contrast,        settings.saturation,
                                       settings.flip_order};
  const auto part = [&](const std::shared_ptr<const ImageStore>& store, const Indices& indices) {
    return std::make_shared<const ImageDataset>(parts.name, parts.class_names, store, table, standardization,
                                                indices, augmentation);
  };
  DataSplits splits;
  if (!parts.test_only) {
    splits.train = part(train_store, summary.training.train);
    if (!summary.training.validation.empty())
      splits.validation = part(train_store, summary.training.validation);
  }
  if (tested.empty() && !parts.test_missing.empty()) {
    splits.test_missing = parts.test_missing;
  } else {
    splits.test = part(test_store, tested);
  }
  if (parts.tell_missing_classes) add_missing_classes(splits, summary.remark);
  splits.description = describe_splits(summary, settings);
  return splits;
}

}  // namespace spikeloom::data
