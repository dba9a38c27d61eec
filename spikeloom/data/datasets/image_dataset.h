#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/data/splits.h"

namespace spikeloom::data {

/// Labelled still images in memory.
struct ImageStore {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< [n, height, width, channels]
  std::vector<std::int32_t> labels;  ///< [n]
  std::vector<SampleOrigin>
      origins;  ///< [n], or empty: the position in the set says where an image comes from

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

/// The float of each byte value, per channel: value / 255, or (value / 255 - mean) / standard deviation.
/// Without gaps: [channels, 256] floats from front().data() on.
using PixelTable = std::vector<std::array<float, 256>>;
static_assert(sizeof(PixelTable::value_type) == 256 * sizeof(float));

/// The table of plain values in [0, 1].
PixelTable plain_table(std::int64_t channels);

/// Mean and (population) standard deviation of each channel of the images; the deviation of a channel that is
/// the same everywhere is 1.
Standardization standardization_of(const ImageStore& training);

/// The table of standardised values.
PixelTable standardizing_table(const Standardization& standardization);

/// Random changes of a still image, in this order, which is torchvision's: crop out of the image padded with
/// zero bytes, mirror, brightness, contrast, saturation, only then standardise (so that the border is a black
/// pixel, not a mean one), and cut out (so that what is cut out is a mean pixel). Fields as in DataSettings.
struct ImageAugmentation {
  int crop_padding = 0;
  bool horizontal_flip = false;
  int cutout = 0;
  double brightness = 0.0, contrast = 0.0, saturation = 0.0;
  FlipOrder flip_order = FlipOrder::kRandom;

  bool changes_colors() const { return brightness > 0.0 || contrast > 0.0 || saturation > 0.0; }
};

/// Some images of a store. Random numbers of a sample: row and column of the crop (each below 2 * padding +
/// 1), the mirror (uniform() < 1/2), row and column of the cutout's centre (below height and width), the
/// factors of brightness, contrast and saturation (uniform() of their range); those that are switched off are
/// not drawn.
class ImageDataset : public Dataset {
 public:
  ImageDataset(std::string name, std::vector<std::string> class_names,
               std::shared_ptr<const ImageStore> store, std::shared_ptr<const PixelTable> table,
               std::shared_ptr<const Standardization> standardization, Indices indices,
               ImageAugmentation augmentation);

  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  SampleShape shape() const override;
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(std::int64_t index) const override;
  SampleOrigin origin(std::int64_t index) const override;
  void read(std::int64_t index, const AugmentKey* augment, float* sample) const override;
  const RawImages* raw_images() const override { return &raw_images_; }
  kernels::cuda::ImageDraw image_draw(std::int64_t index, const AugmentKey* augment) const override;

 private:
  void read_moved(const kernels::cuda::ImageDraw& draw, float* sample) const;
  std::int64_t position(std::int64_t index) const;

  std::string name_;
  std::vector<std::string> class_names_;
  std::shared_ptr<const ImageStore> store_;
  std::shared_ptr<const PixelTable> table_;
  std::shared_ptr<const Standardization> standardization_;
  Indices indices_;
  ImageAugmentation augmentation_;
  RawImages raw_images_;
};

/// Splits a set of still images with official training and test parts; with Parts::kTest `training` only
/// standardises. Throws ConfigError for a setting that does not apply to still images, an unknown split or a
/// validation part that leaves nothing to train on.
DataSplits open_images(const Source& source, const DataSettings& settings, ImageStore training,
                       ImageStore test, Parts parts);

/// Throws ConfigError where one of the settings of the user's own images (data.image_size, ...) is not at its
/// default, for sets that have no use for it.
void refuse_image_file_settings(const DatasetInfo& info, const DataSettings& settings);

/// What was put together of the user's own images.
struct ImageParts {
  std::string name, title;
  std::vector<std::string> class_names;
  ImageStore training, test;
  std::string how_tested;    ///< "official"
  std::string test_missing;  ///< why the test part is empty
  std::string remark;        ///< may be empty
  bool random_validation = false;
  std::uint64_t validation_item = 0;  ///< of the random stream that draws the validation samples (splits.h)
  bool tell_missing_classes = false;  ///< say in the description which class is not in which part
  bool test_only = false;
};

/// The same for parts that were made already; settings.split is not looked at.
DataSplits make_image_splits(ImageParts parts, const DataSettings& settings);

}  // namespace spikeloom::data
