#pragma once
// Packed spikes as lists of the weight rows that they add up. Internal to the event-driven kernels.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// Calls function(bit) for each set bit of [begin, begin + count), counted from begin. Reads no byte outside.
template <class Function>
void for_each_bit(const std::uint8_t* bits, std::int64_t begin, std::int64_t count, const Function& function) {
  std::int64_t i = 0;
  if (begin % 8 == 0) {
    for (; i + 64 <= count; i += 64) {
      std::uint64_t word;
      std::memcpy(&word, bits + (begin + i) / 8, sizeof word);
      for (; word != 0; word &= word - 1) function(i + __builtin_ctzll(word));
    }
    for (; i + 8 <= count; i += 8) {
      for (unsigned byte = bits[(begin + i) / 8]; byte != 0; byte &= byte - 1) {
        function(i + __builtin_ctz(byte));
      }
    }
  }
  for (; i < count; ++i) {
    if (get_bit(bits, begin + i)) function(i);
  }
}

/// For output pixels [begin, end): the weight rows of the spikes that they see, in parts of whole taps whose
/// weights fit into the second-level cache for some hundred filters.
class SpikeLists {
 public:
  struct List {
    const std::uint32_t* first;
    std::int64_t length;
  };

  void build(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t begin, std::int64_t end) {
    const PackedImages& images = layer.images;
    const std::int64_t taps = layer.kernel * layer.kernel;
    const std::int64_t taps_per_part = std::clamp<std::int64_t>(kRowsPerPart / images.channels, 1, taps);
    const std::int64_t height = layer.output_height(), width = layer.output_width();
    parts_ = (taps + taps_per_part - 1) / taps_per_part;
    list_inputs(layer, spikes, begin / width, (end - 1) / width);
    starts_.clear();
    rows_.clear();
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      const std::int64_t image = pixel / (height * width);
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        if (tap % taps_per_part == 0) starts_.push_back(static_cast<std::int64_t>(rows_.size()));
        const std::int64_t y = pixel / width % height - layer.padding + tap / layer.kernel;
        const std::int64_t x = pixel % width - layer.padding + tap % layer.kernel;
        if (y < 0 || y >= images.pooled_height() || x < 0 || x >= images.pooled_width()) continue;
        const std::int64_t row = image * images.pooled_height() + y - first_row_;
        append(static_cast<std::size_t>(row * images.pooled_width() + x),
               static_cast<std::uint32_t>(tap * images.channels));
      }
    }
    starts_.push_back(static_cast<std::int64_t>(rows_.size()));
  }

  std::int64_t parts() const { return parts_; }
  List of(std::int64_t pixel, std::int64_t part) const {
    const auto i = static_cast<std::size_t>(pixel * parts_ + part);
    return {rows_.data() + starts_[i], starts_[i + 1] - starts_[i]};
  }

 private:
  static constexpr std::int64_t kRowsPerPart = 1152;

  // The channels that fire at each input pixel that output rows [first, last] (over all images) see: a pixel
  // is seen by kernel * kernel others, and finding bits is slower than copying.
  void list_inputs(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t first, std::int64_t last) {
    const PackedImages& images = layer.images;
    const std::int64_t height = layer.output_height(), rows = images.pooled_height();
    const std::int64_t all = images.num_steps * images.batch * rows;
    first_row_ = std::max<std::int64_t>(0, first / height * rows + first % height - layer.padding);
    const std::int64_t end_row =
        std::min(all, last / height * rows + last % height - layer.padding + layer.kernel);
    channels_.clear();
    channel_starts_.clear();
    for (std::int64_t row = first_row_; row < end_row; ++row) {
      const std::int64_t image = row / rows, y = row % rows;
      const std::uint8_t* step = spikes + image / images.batch * packed_bytes(images.neurons());
      for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
        channel_starts_.push_back(channels_.size());
        for (std::int64_t dy = 0; dy < images.pool; ++dy) {
          for (std::int64_t dx = 0; dx < images.pool; ++dx) {
            const std::int64_t line = image % images.batch * images.height + y * images.pool + dy;
            const std::int64_t at = (line * images.width + x * images.pool + dx) * images.channels;
            for_each_bit(step, at, images.channels,
                         [&](std::int64_t c) { channels_.push_back(static_cast<std::uint32_t>(c)); });
          }
        }
      }
    }
    channel_starts_.push_back(channels_.size());
  }

  void append(std::size_t input, std::uint32_t base) {
    const std::size_t length = channel_starts_[input + 1] - channel_starts_[input], at = rows_.size();
    rows_.resize(at + length);
    const std::uint32_t* const from = channels_.data() + channel_starts_[input];
    std::uint32_t* const to = rows_.data() + at;
    for (std::size_t i = 0; i < length; ++i) to[i] = base + from[i];
  }

  std::int64_t parts_ = 0, first_row_ = 0;
  std::vector<std::uint32_t> rows_, channels_;
  std::vector<std::int64_t> starts_;
  std::vector<std::size_t> channel_starts_;
};

}  // namespace spikeloom::kernels::cpu
