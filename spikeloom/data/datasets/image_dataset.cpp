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

/// Where the pixels of a sample are taken from.
struct Placement {
  std::int64_t offset_y = 0, offset_x = 0;  ///< added to the output pixel, may lead outside: zero there
  bool mirrored = false;
};

Placement draw_placement(const ImageAugmentation& augmentation, const AugmentKey& key, std::int64_t index) {
  RandomStream stream(key.seed, RandomPurpose::kAugment, static_cast<std::uint64_t>(index),
                      static_cast<std::uint64_t>(key.epoch));
  Placement placement;
  if (augmentation.crop_padding > 0) {
    const auto choices = static_cast<std::uint32_t>(2 * augmentation.crop_padding + 1);
    placement.offset_y = static_cast<std::int64_t>(stream.below(choices)) - augmentation.crop_padding;
    placement.offset_x = static_cast<std::int64_t>(stream.below(choices)) - augmentation.crop_padding;
  }
  if (augmentation.horizontal_flip) placement.mirrored = stream.uniform() < 0.5f;
  return placement;
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
      augmentation_(augmentation) {}

SampleShape ImageDataset::shape() const { return {1, store_->channels, store_->height, store_->width, true}; }

std::size_t ImageDataset::position(std::int64_t index) const {
  if (index < 0 || index >= size()) {
    throw ShapeError(
        fmt::format("{}: sample {} is outside the {} samples of this split", name(), index, size()));
  }
  return static_cast<std::size_t>(indices_[static_cast<std::size_t>(index)]);
}

int ImageDataset::label(std::int64_t index) const { return store_->labels[position(index)]; }

void ImageDataset::read(std::int64_t index, const AugmentKey* augment, float* sample) const {
  const std::int64_t height = store_->height, width = store_->width, channels = store_->channels;
  const std::uint8_t* image =
      store_->pixels.data() + position(index) * static_cast<std::size_t>(height * width * channels);
  const PixelTable& table = *table_;
  const Placement placement =
      augment != nullptr ? draw_placement(augmentation_, *augment, index) : Placement{};

  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t from_y = y + placement.offset_y;
    const bool row_inside = from_y >= 0 && from_y < height;
    for (std::int64_t x = 0; x < width; ++x, sample += channels) {
      const std::int64_t from_x = (placement.mirrored ? width - 1 - x : x) + placement.offset_x;
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
  if (settings.crop_padding > training.height || settings.crop_padding > training.width) {
    throw ConfigError(fmt::format("a padding of {} pixels exceeds the {} x {} image", settings.crop_padding,
                                  training.height, training.width),
                      "", 0, "data.crop_padding");
  }

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
  const ImageAugmentation augmentation{settings.crop_padding, settings.horizontal_flip};
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
