#include "spikeloom/data/datasets/image_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"

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
  if (augmentation.horizontal_flip) draw.mirrored = stream.uniform() < 0.5f ? 1 : 0;
  if (augmentation.cutout > 0) {
    draw.cutout_height = draw.cutout_width = augmentation.cutout;
    draw.cutout_y = below(store.height) - augmentation.cutout / 2;
    draw.cutout_x = below(store.width) - augmentation.cutout / 2;
  }
  if (augmentation.brightness > 0.0) draw.brightness = draw_factor(stream, augmentation.brightness);
  if (augmentation.contrast > 0.0) draw.contrast = draw_factor(stream, augmentation.contrast);
  if (augmentation.saturation > 0.0) draw.saturation = draw_factor(stream, augmentation.saturation);
}

void check_color(const DatasetInfo& info, double value, const char* key) {
  if (value >= 0.0 && value <= kMaxColorChange) return;  // NaN is neither
  throw ConfigError(fmt::format("{}: {} is outside 0 .. {}", info.name, value, kMaxColorChange), "", 0, key);
}

/// Settings that cannot be made sense of for images of this size.
void check_augmentation(const DatasetInfo& info, const DataSettings& settings, const ImageStore& images) {
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
  check_color(info, settings.brightness, "data.brightness");
  check_color(info, settings.contrast, "data.contrast");
  check_color(info, settings.saturation, "data.saturation");
  if (settings.saturation > 0.0 && images.channels != 3) {
    throw ConfigError(fmt::format("{} holds grey images, which have no saturation; remove it", info.name), "",
                      0, "data.saturation");
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

PixelTable standardizing_table(const ImageStore& training) {
  const auto channels = static_cast<std::size_t>(training.channels);
  std::vector<std::array<std::uint64_t, 256>> counts(channels);
  for (auto& histogram : counts) histogram.fill(0);
  for (std::size_t i = 0; i < training.pixels.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) ++counts[c][training.pixels[i + c]];
  }
  const double pixels = static_cast<double>(training.pixels.size() / channels);
  PixelTable table(channels);
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
    const double deviation = variance > 1e-12 ? std::sqrt(variance) : 1.0;
    for (std::size_t v = 0; v < 256; ++v) {
      table[c][v] = static_cast<float>((static_cast<double>(v) / 255.0 - mean) / deviation);
    }
  }
  return table;
}

ImageDataset::ImageDataset(const DatasetInfo& info, std::shared_ptr<const ImageStore> store,
                           std::shared_ptr<const PixelTable> table, Indices indices,
                           ImageAugmentation augmentation)
    : info_(info),
      store_(std::move(store)),
      table_(std::move(table)),
      indices_(std::move(indices)),
      augmentation_(augmentation) {
  raw_images_ = {store_->pixels.data(), store_->size(),   store_->height,
                 store_->width,         store_->channels, table_->front().data()};
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

SampleOrigin ImageDataset::origin(std::int64_t index) const { return {std::to_string(position(index)), 0}; }

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

DataSplits open_images(const Source& source, const DataSettings& settings, ImageStore training,
                       ImageStore test) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random"});
  if (settings.max_shift != 0) {
    throw ConfigError(
        fmt::format("{} holds still images, which are not shifted; use crop_padding", info.name), "", 0,
        "data.max_shift");
  }
  if (!settings.transforms.empty()) {
    throw ConfigError(
        fmt::format("{} holds still images: transforms are for the events of recordings; remove them",
                    info.name),
        "", 0, "data.transforms");
  }
  check_augmentation(info, settings, training);

  SplitSummary summary;
  summary.title = info.title;
  summary.random_validation = settings.split == "random";
  summary.training = hold_out(all_indices(training.size()), settings, summary.random_validation);
  const Indices tested = first_of(all_indices(test.size()), settings.test_limit);
  summary.test = static_cast<std::int64_t>(tested.size());
  summary.test_available = test.size();
  summary.how_tested = "official";
  for (const auto& remark : {partial_remark(info, "train", training.size(), "training images"),
                             partial_remark(info, "test", test.size(), "test images")}) {
    if (!remark.empty()) summary.remark += (summary.remark.empty() ? "" : ", ") + remark;
  }

  const auto table = std::make_shared<const PixelTable>(
      settings.standardize ? standardizing_table(training) : plain_table(training.channels));
  const auto train_store = std::make_shared<const ImageStore>(std::move(training));
  const auto test_store = std::make_shared<const ImageStore>(std::move(test));
  const ImageAugmentation augmentation{settings.crop_padding, settings.horizontal_flip, settings.cutout,
                                       settings.brightness,   settings.contrast,        settings.saturation};
  const auto part = [&](const std::shared_ptr<const ImageStore>& store, const Indices& indices) {
    return std::make_shared<const ImageDataset>(info, store, table, indices, augmentation);
  };
  DataSplits splits;
  splits.train = part(train_store, summary.training.train);
  if (!summary.training.validation.empty())
    splits.validation = part(train_store, summary.training.validation);
  splits.test = part(test_store, tested);
  splits.description = describe_splits(summary, settings);
  return splits;
}

}  // namespace spikeloom::data
