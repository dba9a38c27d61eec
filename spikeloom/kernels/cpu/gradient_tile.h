#pragma once
// A piece of a gradient that stays in the first-level cache. Internal to the event-driven kernels.
#include <cstdint>
#include <cstring>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/spike_table.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// Filters of a tile: a cache line of bfloat16.
constexpr std::int64_t kTileFilters = 32;

/// The gradient of a chunk for filters [first, first + count), zeros around it, kTileFilters values a pixel.
inline void fill_tile(const EventLayer& layer, const SpikeTable::Chunk& chunk, const BFloat16* gradient,
                      std::int64_t first, std::int64_t count, BFloat16* tile) {
  const std::int64_t before = layer.kernel - 1 - layer.padding;
  const std::int64_t height = layer.output_height(), width = layer.output_width();
  const std::int64_t rows = chunk.rows + layer.kernel - 1,
                     columns = layer.images.pooled_width() + layer.kernel - 1;
  std::memset(static_cast<void*>(tile), 0,
              static_cast<std::size_t>(chunk.images * rows * columns * kTileFilters) * sizeof(BFloat16));
  for (std::int64_t image = 0; image < chunk.images; ++image) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t y = chunk.first_row + row - before;
      if (y < 0 || y >= height) continue;
      const BFloat16* from =
          gradient + (((chunk.first_image + image) * height + y) * width) * layer.filters + first;
      BFloat16* to = tile + ((image * rows + row) * columns + before) * kTileFilters;
      for (std::int64_t x = 0; x < width; ++x, from += layer.filters, to += kTileFilters) {
        if (count == kTileFilters) {
          std::memcpy(static_cast<void*>(to), from, kTileFilters * sizeof(BFloat16));
        } else {
          std::memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(count) * sizeof(BFloat16));
        }
      }
    }
  }
}

}  // namespace spikeloom::kernels::cpu
