#pragma once
// Size of an average pooling, shared by all its kernels.
#include <cstdint>

namespace spikeloom::kernels {

/// Memory: [images, height, width, channels] -> [images, height/kernel, width/kernel, channels]; stride =
/// kernel. Rows and columns that do not fill a window are dropped (and get zero gradient).
struct PoolSize {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t kernel = 2;  ///< > 0

  std::int64_t output_height() const { return height / kernel; }
  std::int64_t output_width() const { return width / kernel; }
};

}  // namespace spikeloom::kernels
