#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// What happens to one sample of a batch; the defaults are nothing.
struct ImageDraw {
  std::int64_t image = 0;                   ///< which of the images it is
  std::int32_t offset_y = 0, offset_x = 0;  ///< crop: added to the output pixel, leads to zero bytes outside
  std::int32_t mirrored = 0;                ///< 1: left and right exchanged
  std::int32_t cutout_y = 0, cutout_x = 0;  ///< first pixel of the rectangle, may lie outside
  std::int32_t cutout_height = 0, cutout_width = 0;  ///< 0: none
  float brightness = 1.0f;                           ///< 0 black, 1 unchanged
  float contrast = 1.0f;                             ///< 0 grey, 1 unchanged
  float saturation = 1.0f;                           ///< 0 grey, 1 unchanged; of 3 channels (RGB) only
};

/// Images [any number, height, width, channels] of bytes.
struct ImageSize {
  std::int64_t height = 0, width = 0, channels = 0;
};

/// Bytes of workspace that augment_images needs for so many samples.
std::int64_t augment_images_workspace(std::int64_t batch);

/// Random changes of still images, in this order:
///   1. crop out of the image padded with zero bytes, then mirror: exactly data::ImageDataset::read
///   2. brightness, contrast, saturation, as torchvision's adjust_* of byte images (blend of the image with
///   black,
///      with the mean of its grey image, with its grey image; after each step clamped to [0, 255] and cut to
///      a byte; grey = 0.2989 R + 0.587 G + 0.114 B cut to a byte, or the value itself where there are not 3
///      channels). torchvision shuffles these three; here the order is fixed.
///   3. table [channels, 256]: the float of each byte, which standardises (data::PixelTable)
///   4. cutout: 0 inside the rectangle (behind the standardisation, 0 is the mean)
/// draws [batch], images: bytes, both the queue's -> values [batch, height, width, channels], T = float or
/// BFloat16. For float, crop, mirror and table equal ImageDataset::read to the last bit. color: whether a
/// draw of the batch may change brightness, contrast or saturation; without it step 2 is left out (and the
/// workspace may be nullptr).
template <class T>
void augment_images(const Queue& queue, const ImageSize& size, std::int64_t batch, const std::uint8_t* images,
                    const ImageDraw* draws, const float* table, bool color, T* values, void* workspace);

}  // namespace spikeloom::kernels::cuda
