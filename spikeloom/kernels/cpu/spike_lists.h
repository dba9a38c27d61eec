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
void for_each_bit(const std::uint8_t* bits, std::int64_t begin, std::int64_t count,
                  const Function& function) {
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

/// For output pixels [begin, end): the weight rows of the spikes that they see, in parts (some taps, or some
/// channels of a tap) whose weights, for a block of filters, fit into the first-level cache.
class SpikeLists {
 public:
  struct List {
    const std::uint32_t* first;
    std::int64_t length;
  };

  void build(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t begin, std::int64_t end) {
    const PackedImages& images = layer.images;
    const std::int64_t taps = layer.kernel * layer.kernel;
    const std::int64_t height = layer.output_height(), width = layer.output_width();
    const std::int64_t taps_per_part = std::clamp<std::int64_t>(kRowsPerPart / images.channels, 1, taps);
    // Of channels: whole words of bits where they are many.
    split_ = (images.channels + kRowsPerPart - 1) / kRowsPerPart;
    split_length_ = split_ == 1 ? images.channels : ((images.channels + split_ - 1) / split_ + 63) / 64 * 64;
    split_ = (images.channels + split_length_ - 1) / split_length_;
    parts_ = (taps + taps_per_part - 1) / taps_per_part * split_;
    list_inputs(layer, spikes, begin / width, (end - 1) / width);
    starts_.clear();
    rows_.resize(static_cast<std::size_t>(end - begin) * static_cast<std::size_t>(taps) * most_);
    std::uint32_t* to = rows_.data();
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      const std::int64_t image = pixel / (height * width);
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        const std::int64_t y = pixel / width % height - layer.padding + tap / layer.kernel;
        const std::int64_t x = pixel % width - layer.padding + tap % layer.kernel;
        const bool inside = y >= 0 && y < images.pooled_height() && x >= 0 && x < images.pooled_width();
        const std::int64_t row = image * images.pooled_height() + y - first_row_;
        const auto base = static_cast<std::uint32_t>(tap * images.channels);
        for (std::int64_t i = 0; i < split_; ++i) {
          if (tap % taps_per_part == 0) starts_.push_back(static_cast<std::uint32_t>(to - rows_.data()));
          if (inside)
            to = append(static_cast<std::size_t>((row * images.pooled_width() + x) * split_ + i), base, to);
        }
      }
    }
    starts_.push_back(static_cast<std::uint32_t>(to - rows_.data()));
  }

  std::int64_t parts() const { return parts_; }
  List of(std::int64_t pixel, std::int64_t part) const {
    const auto i = static_cast<std::size_t>(pixel * parts_ + part);
    return {rows_.data() + starts_[i], static_cast<std::int64_t>(starts_[i + 1]) - starts_[i]};
  }

 private:
  static constexpr std::int64_t kRowsPerPart = 384;

  // The channels that fire at each input pixel that output rows [first, last] (over all images) see: a pixel
  // is seen by kernel * kernel others, and finding bits is slower than copying.
  void list_inputs(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t first,
                   std::int64_t last) {
    const PackedImages& images = layer.images;
    const std::int64_t height = layer.output_height(), rows = images.pooled_height();
    const std::int64_t all = images.num_steps * images.batch * rows;
    first_row_ = std::max<std::int64_t>(0, first / height * rows + first % height - layer.padding);
    const std::int64_t end_row =
        std::min(all, last / height * rows + last % height - layer.padding + layer.kernel);
    channels_.clear();
    channel_starts_.clear();
    most_ = 0;
    for (std::int64_t row = first_row_; row < end_row; ++row) {
      const std::int64_t image = row / rows, y = row % rows;
      const std::uint8_t* step = spikes + image / images.batch * packed_bytes(images.neurons());
      for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
        const std::size_t before = channels_.size();
        for (std::int64_t channel = 0; channel < images.channels; channel += split_length_) {
          const std::int64_t count = std::min(split_length_, images.channels - channel);
          channel_starts_.push_back(static_cast<std::uint32_t>(channels_.size()));
          for (std::int64_t dy = 0; dy < images.pool; ++dy) {
            for (std::int64_t dx = 0; dx < images.pool; ++dx) {
              const std::int64_t line = image % images.batch * images.height + y * images.pool + dy;
              const std::int64_t at = (line * images.width + x * images.pool + dx) * images.channels;
              for_each_bit(step, at + channel, count, [&](std::int64_t c) {
                channels_.push_back(static_cast<std::uint32_t>(channel + c));
              });
            }
          }
        }
        most_ = std::max(most_, channels_.size() - before);
      }
    }
    channel_starts_.push_back(static_cast<std::uint32_t>(channels_.size()));
  }

  std::uint32_t* append(std::size_t input, std::uint32_t base, std::uint32_t* to) const {
    const std::uint32_t* from = channels_.data() + channel_starts_[input];
    const std::uint32_t* const end = channels_.data() + channel_starts_[input + 1];
    for (; from < end; ++from) *to++ = base + *from;
    return to;
  }

  std::int64_t parts_ = 0, first_row_ = 0, split_ = 1, split_length_ = 1;
  std::size_t most_ = 0;  ///< spikes at one input pixel
  std::vector<std::uint32_t> rows_, channels_, starts_, channel_starts_;
};

}  // namespace spikeloom::kernels::cpu
