#pragma once
// Packed spikes sorted by channel, a piece of the images at a time. Internal to the event-driven kernels.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/spike_bits.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// For each chunk (some rows of an image, or some images) and channel, the pooled pixels that are not 0. A
/// chunk is so small that its gradient, for 32 filters in bfloat16, fits into the first-level cache.
class SpikeTable {
 public:
  struct Chunk {
    std::int64_t first_image, images;  ///< image: step * batch + sample
    std::int64_t first_row, rows;      ///< of each of its images, pooled
  };
  /// Entries: the pixel in the chunk's frame (rows + kernel - 1 rows an image, pooled_width + kernel - 1
  /// pixels a row, counted at the first pixel of the window that sees the spike) in the lower half, the
  /// average as bfloat16 in the upper half.
  struct List {
    const std::uint32_t* first;
    std::int64_t length;
  };
  static std::int64_t pixel(std::uint32_t entry) { return entry & 0xffffu; }

  /// Whether a chunk of one row has no more pixels than an entry can name.
  static bool fits(const EventLayer& layer) { return layer.kernel * frame_width(layer) < (1 << 16); }

  SpikeTable(const EventLayer& layer, const std::uint8_t* spikes) : channels_(layer.images.channels) {
    cut(layer);
    entries_.resize(chunks_.size());
    starts_.resize(chunks_.size() * static_cast<std::size_t>(channels_ + 1));
    const std::int64_t pool = layer.images.pool;
    std::vector<std::uint32_t> averages(static_cast<std::size_t>(pool * pool + 1));
    for (std::size_t count = 0; count < averages.size(); ++count) {
      const float average = static_cast<float>(count) / static_cast<float>(pool * pool);
      averages[count] = static_cast<std::uint32_t>(from_float<BFloat16>(average).bits) << 16;
    }
    for_each_block(make_blocks(num_chunks(), 1), layer.images.num_steps * layer.images.neurons(),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) list(layer, spikes, averages, i);
                   });
  }

  std::int64_t num_chunks() const { return static_cast<std::int64_t>(chunks_.size()); }
  const Chunk& chunk(std::int64_t i) const { return chunks_[static_cast<std::size_t>(i)]; }
  /// Pixels of the largest chunk's frame.
  std::int64_t most_pixels() const { return most_pixels_; }
  List of(std::int64_t chunk, std::int64_t channel) const {
    const std::uint32_t* const start = starts_.data() + chunk * (channels_ + 1) + channel;
    return {entries_[static_cast<std::size_t>(chunk)].data() + start[0], start[1] - start[0]};
  }

 private:
  /// 24 KiB at 32 filters of 2 bytes.
  static constexpr std::int64_t kPixels = 384;

  static std::int64_t frame_width(const EventLayer& layer) {
    return layer.images.pooled_width() + layer.kernel - 1;
  }

  void cut(const EventLayer& layer) {
    const std::int64_t height = layer.images.pooled_height(), width = frame_width(layer);
    const std::int64_t images = layer.images.num_steps * layer.images.batch;
    const std::int64_t image_pixels = (height + layer.kernel - 1) * width;
    if (image_pixels <= kPixels) {
      const std::int64_t together = kPixels / image_pixels;
      for (std::int64_t i = 0; i < images; i += together) {
        chunks_.push_back({i, std::min(together, images - i), 0, height});
      }
      most_pixels_ = together * image_pixels;
      return;
    }
    const std::int64_t most_rows = std::max<std::int64_t>(1, kPixels / width - (layer.kernel - 1));
    const std::int64_t parts = (height + most_rows - 1) / most_rows;
    const std::int64_t rows = (height + parts - 1) / parts;
    for (std::int64_t i = 0; i < images; ++i) {
      for (std::int64_t y = 0; y < height; y += rows)
        chunks_.push_back({i, 1, y, std::min(rows, height - y)});
    }
    most_pixels_ = (rows + layer.kernel - 1) * width;
  }

  void list(const EventLayer& layer, const std::uint8_t* spikes, const std::vector<std::uint32_t>& averages,
            std::int64_t number) {
    thread_local std::vector<std::uint32_t> found, counts;
    const PackedImages& images = layer.images;
    const Chunk& chunk = chunks_[static_cast<std::size_t>(number)];
    const std::int64_t most = chunk.images * chunk.rows * images.pooled_width();
    found.resize(static_cast<std::size_t>(channels_ * most));
    counts.assign(static_cast<std::size_t>(channels_), 0);
    for (std::int64_t i = 0; i < chunk.images; ++i) {
      const std::int64_t image = chunk.first_image + i;
      const std::uint8_t* step = spikes + image / images.batch * packed_bytes(images.neurons());
      for (std::int64_t row = 0; row < chunk.rows; ++row) {
        for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
          const auto at = static_cast<std::uint32_t>(
              (i * (chunk.rows + layer.kernel - 1) + row) * frame_width(layer) + x);
          for (std::int64_t dy = 0; dy < images.pool; ++dy) {
            for (std::int64_t dx = 0; dx < images.pool; ++dx) {
              const std::int64_t y =
                  image % images.batch * images.height + (chunk.first_row + row) * images.pool + dy;
              const std::int64_t pixel = y * images.width + x * images.pool + dx;
              const bool first = dy + dx == 0;
              for_each_bit(step, pixel * channels_, channels_, [&](std::int64_t c) {
                std::uint32_t* const channel = found.data() + c * most;
                std::uint32_t& count = counts[static_cast<std::size_t>(c)];
                if (!first && count > 0 && pixel_of(channel[count - 1]) == at) {
                  channel[count - 1] += 1u << 16;
                } else {
                  channel[count++] = at | 1u << 16;
                }
              });
            }
          }
        }
      }
    }
    std::uint32_t* const start = starts_.data() + number * (channels_ + 1);
    start[0] = 0;
    for (std::int64_t c = 0; c < channels_; ++c)
      start[c + 1] = start[c] + counts[static_cast<std::size_t>(c)];
    std::vector<std::uint32_t>& entries = entries_[static_cast<std::size_t>(number)];
    entries.resize(start[channels_]);
    for (std::int64_t c = 0; c < channels_; ++c) {
      const std::uint32_t* const from = found.data() + c * most;
      std::uint32_t* const to = entries.data() + start[c];
      for (std::uint32_t i = 0; i < counts[static_cast<std::size_t>(c)]; ++i) {
        to[i] = pixel_of(from[i]) | averages[from[i] >> 16];
      }
    }
  }

  static std::uint32_t pixel_of(std::uint32_t entry) { return entry & 0xffffu; }

  std::int64_t channels_, most_pixels_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<std::vector<std::uint32_t>> entries_;
  std::vector<std::uint32_t> starts_;  ///< [chunk][channel + 1]
};

}  // namespace spikeloom::kernels::cpu
