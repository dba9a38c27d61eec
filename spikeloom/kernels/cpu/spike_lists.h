#pragma once
// Packed spikes as lists of the weight rows that they add up. Internal to the event-driven kernels.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "spikeloom/kernels/cpu/spike_bits.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// For output pixels [begin, end): the weight rows of the spikes that they see, in parts (some taps, or some
/// channels of a tap) whose weights, for a block of filters, fit into the first-level cache. Behind pooling by
/// k, a channel's spikes are counted in binary: a list for each digit, `plane`, whose rows count 2^plane times.
class SpikeLists {
 public:
  static constexpr std::int64_t kTogether = 4;

  /// Rows, counted from the part's first. Behind the last are 0 up to a multiple of kTogether.
  struct List {
    const std::uint16_t* rows;
    std::int64_t length;
  };

  void build(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t begin, std::int64_t end) {
    const PackedImages& images = layer.images;
    channels_ = images.channels;
    taps_ = layer.kernel * layer.kernel;
    taps_per_part_ = std::clamp<std::int64_t>(kRowsPerPart / channels_, 1, taps_);
    // Of channels: whole words of bits where they are many.
    split_ = (channels_ + kRowsPerPart - 1) / kRowsPerPart;
    split_length_ = split_ == 1 ? channels_ : ((channels_ + split_ - 1) / split_ + 63) / 64 * 64;
    split_ = (channels_ + split_length_ - 1) / split_length_;
    planes_ = count_planes(images.pool);
    const std::int64_t width = layer.output_width();
    list_inputs(layer, spikes, begin / width, (end - 1) / width);

    const std::int64_t pixels = end - begin, lists = parts() * planes_;
    entries_.resize(static_cast<std::size_t>(pixels * lists));
    reserve(rows_, pixels * (taps_ * most_ + lists * kTogether));
    std::vector<std::int64_t> inputs(static_cast<std::size_t>(taps_));
    std::uint16_t* to = rows_.data();
    Entry* entry = entries_.data();
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      find_inputs(layer, pixel, inputs.data());
      for (std::int64_t first = 0; first < taps_; first += taps_per_part_) {
        const std::int64_t taps = std::min(taps_per_part_, taps_ - first);
        for (std::int64_t i = 0; i < split_ * planes_; ++i, ++entry) {
          std::uint16_t* const start = to;
          for (std::int64_t tap = 0; tap < taps; ++tap) {
            const std::int64_t input = inputs[static_cast<std::size_t>(first + tap)];
            if (input >= 0) to = append(input * split_ * planes_ + i, tap * channels_, to);
          }
          *entry = {static_cast<std::uint32_t>(start - rows_.data()),
                    static_cast<std::uint32_t>(to - start)};
          std::memset(to, 0, kTogether * sizeof *to);
          to = start + (to - start + kTogether - 1) / kTogether * kTogether;
        }
      }
    }
  }

  std::int64_t parts() const { return (taps_ + taps_per_part_ - 1) / taps_per_part_ * split_; }
  int planes() const { return planes_; }
  std::int64_t first_row(std::int64_t part) const {
    return part / split_ * taps_per_part_ * channels_ + part % split_ * split_length_;
  }
  List of(std::int64_t pixel, std::int64_t part, int plane) const {
    const Entry& entry = entries_[static_cast<std::size_t>((pixel * parts() + part) * planes_ + plane)];
    return {rows_.data() + entry.first, entry.length};
  }

 private:
  static constexpr std::int64_t kRowsPerPart = 384;
  static constexpr std::int64_t kChunk = 32;  // rows that are copied at once

  struct Entry {
    std::uint32_t first, length;
  };

  // With room to write a chunk behind the last.
  static void reserve(std::vector<std::uint16_t>& rows, std::int64_t count) {
    const auto size = static_cast<std::size_t>(count + kChunk);
    if (rows.size() < size) rows.resize(size);
  }

  // The channels that fire at each input pixel that output rows [first, last] (over all images) see: a pixel
  // is seen by kernel * kernel others, and finding bits is slower than copying.
  void list_inputs(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t first,
                   std::int64_t last) {
    const PackedImages& images = layer.images;
    const std::int64_t height = layer.output_height(), rows = images.pooled_height();
    const std::int64_t all = images.num_steps * images.batch * rows;
    const std::int64_t bytes = packed_bytes(images.neurons());
    first_row_ = std::max<std::int64_t>(0, first / height * rows + first % height - layer.padding);
    const std::int64_t end_row =
        std::min(all, last / height * rows + last % height - layer.padding + layer.kernel);
    const std::int64_t pixels = std::max<std::int64_t>(0, end_row - first_row_) * images.pooled_width();
    reserve(firing_, pixels * planes_ * channels_);
    starts_.resize(static_cast<std::size_t>(pixels * split_ * planes_ + 1));
    std::uint16_t* to = firing_.data();
    std::uint32_t* start = starts_.data();
    most_ = 0;
    std::array<std::array<std::uint64_t, kMaxPlanes>, kMaxWords> counts;
    for (std::int64_t row = first_row_; row < end_row; ++row) {
      const std::int64_t image = row / rows, y = row % rows * images.pool;
      const std::uint8_t* step = spikes + image / images.batch * bytes;
      const std::int64_t line = image % images.batch * images.height + y;
      for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
        const std::int64_t at = (line * images.width + x * images.pool) * channels_;
        const std::uint16_t* const before = to;
        for (std::int64_t channel = 0; channel < channels_; channel += split_length_) {
          const std::int64_t count = std::min(split_length_, channels_ - channel);
          for (std::int64_t word = 0; word * 64 < count; ++word) {
            auto& planes = counts[static_cast<std::size_t>(word)];
            const std::int64_t width = std::min<std::int64_t>(64, count - word * 64);
            planes.fill(0);
            for (std::int64_t dy = 0; dy < images.pool; ++dy) {
              for (std::int64_t dx = 0; dx < images.pool; ++dx) {
                const std::int64_t bit = at + (dy * images.width + dx) * channels_ + channel + word * 64;
                add_bits(load_bits(step, bytes, bit, width), planes_, planes.data());
              }
            }
          }
          for (std::size_t plane = 0; plane < static_cast<std::size_t>(planes_); ++plane) {
            *start++ = static_cast<std::uint32_t>(to - firing_.data());
            for (std::int64_t word = 0; word * 64 < count; ++word) {
              for (std::uint64_t bits = counts[static_cast<std::size_t>(word)][plane]; bits != 0;
                   bits &= bits - 1) {
                *to++ = static_cast<std::uint16_t>(word * 64 + __builtin_ctzll(bits));
              }
            }
          }
        }
        most_ = std::max<std::int64_t>(most_, to - before);
      }
    }
    *start = static_cast<std::uint32_t>(to - firing_.data());
  }

  // The input pixel of each tap, -1 outside of the image.
  void find_inputs(const EventLayer& layer, std::int64_t pixel, std::int64_t* inputs) const {
    const std::int64_t height = layer.images.pooled_height(), width = layer.images.pooled_width();
    const std::int64_t row = pixel / layer.output_width();
    const std::int64_t x = pixel % layer.output_width() - layer.padding;
    const std::int64_t y = row % layer.output_height() - layer.padding;
    const std::int64_t image = row / layer.output_height();
    for (std::int64_t dy = 0; dy < layer.kernel; ++dy) {
      const bool inside = y + dy >= 0 && y + dy < height;
      const std::int64_t first = (image * height + y + dy - first_row_) * width + x;
      for (std::int64_t dx = 0; dx < layer.kernel; ++dx) {
        *inputs++ = inside && x + dx >= 0 && x + dx < width ? first + dx : -1;
      }
    }
  }

  // Whole chunks: what is copied too much is overwritten by what follows.
  std::uint16_t* append(std::int64_t list, std::int64_t base, std::uint16_t* to) const {
    const auto i = static_cast<std::size_t>(list);
    const std::uint16_t* from = firing_.data() + starts_[i];
    const std::int64_t length = static_cast<std::int64_t>(starts_[i + 1]) - starts_[i];
    for (std::int64_t chunk = 0; chunk < length; chunk += kChunk) {
      for (std::int64_t k = 0; k < kChunk; ++k) {
        to[chunk + k] = static_cast<std::uint16_t>(from[chunk + k] + base);
      }
    }
    return to + length;
  }

  static constexpr std::size_t kMaxPlanes = 15, kMaxWords = kRowsPerPart / 64 + 1;

  std::int64_t channels_ = 0, taps_ = 0, taps_per_part_ = 1, split_ = 1, split_length_ = 0, first_row_ = 0;
  std::int64_t most_ = 0;  ///< rows of one input pixel
  int planes_ = 1;
  std::vector<std::uint16_t> rows_, firing_;
  std::vector<std::uint32_t> starts_;
  std::vector<Entry> entries_;
};

}  // namespace spikeloom::kernels::cpu
