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
  struct List {
    std::uint32_t first;   ///< of `rows`
    std::uint32_t length;
  };

  /// What all pixels see of a part.
  struct Part {
    std::int64_t first_row;      ///< of the weights
    std::int64_t num_rows;
    const std::uint16_t* rows;   ///< counted from first_row
    /// The pixels, counted from `begin`, in the order in which to visit them: those with as many rows follow
    /// each other, so that the processor knows where loops over rows end.
    const std::uint16_t* pixels;
    const List* lists;  ///< [pixel in this order][plane]
  };

  void build(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t begin, std::int64_t end) {
    channels_ = layer.images.channels;
    taps_ = layer.kernel * layer.kernel;
    taps_per_part_ = std::clamp<std::int64_t>(kRowsPerPart / channels_, 1, taps_);
    // Of channels: whole words of bits where they are many.
    split_ = (channels_ + kRowsPerPart - 1) / kRowsPerPart;
    split_length_ = split_ == 1 ? channels_ : ((channels_ + split_ - 1) / split_ + 63) / 64 * 64;
    split_ = (channels_ + split_length_ - 1) / split_length_;
    planes_ = count_planes(layer.images.pool);
    pixels_ = end - begin;
    const std::int64_t width = layer.output_width();
    list_inputs(layer, spikes, begin / width, (end - 1) / width);
    find_inputs(layer, begin, end);

    order_.resize(static_cast<std::size_t>(parts() * pixels_));
    lists_.resize(static_cast<std::size_t>(parts() * pixels_ * planes_));
    reserve(rows_, pixels_ * taps_ * most_);
    std::uint16_t* to = rows_.data();
    for (std::int64_t part = 0; part < parts(); ++part) to = build_part(part, to);
  }

  std::int64_t parts() const { return (taps_ + taps_per_part_ - 1) / taps_per_part_ * split_; }
  std::int64_t pixels() const { return pixels_; }
  int planes() const { return planes_; }
  Part part(std::int64_t i) const {
    const std::int64_t split = i % split_ * split_length_;
    const std::int64_t num_rows = split_ > 1 ? std::min(split_length_, channels_ - split)
                                             : std::min(taps_per_part_, taps_ - first_tap(i)) * channels_;
    return {first_tap(i) * channels_ + split, num_rows, rows_.data(), order_.data() + i * pixels_,
            lists_.data() + i * pixels_ * planes_};
  }

 private:
  static constexpr std::int64_t kRowsPerPart = 384;
  static constexpr std::int64_t kChunk = 32;  // rows that are copied at once

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

  // The input pixel of each output pixel and tap, -1 outside of the image.
  void find_inputs(const EventLayer& layer, std::int64_t begin, std::int64_t end) {
    inputs_.resize(static_cast<std::size_t>((end - begin) * taps_));
    std::int32_t* to = inputs_.data();
    const std::int64_t height = layer.images.pooled_height(), width = layer.images.pooled_width();
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      const std::int64_t row = pixel / layer.output_width();
      const std::int64_t x = pixel % layer.output_width() - layer.padding;
      const std::int64_t y = row % layer.output_height() - layer.padding;
      const std::int64_t image = row / layer.output_height();
      for (std::int64_t dy = 0; dy < layer.kernel; ++dy) {
        const bool inside = y + dy >= 0 && y + dy < height;
        const std::int64_t first = (image * height + y + dy - first_row_) * width + x;
        for (std::int64_t dx = 0; dx < layer.kernel; ++dx) {
          *to++ = static_cast<std::int32_t>(inside && x + dx >= 0 && x + dx < width ? first + dx : -1);
        }
      }
    }
  }

  std::int64_t first_tap(std::int64_t part) const { return part / split_ * taps_per_part_; }

  // The lists of a part, in the order of the pixels' rows in the first plane.
  std::uint16_t* build_part(std::int64_t part, std::uint16_t* to) {
    const std::int64_t first = first_tap(part), taps = std::min(taps_per_part_, taps_ - first);
    const std::int64_t stride = split_ * planes_;
    const std::uint32_t* const starts = starts_.data() + part % split_ * planes_;
    lengths_.resize(static_cast<std::size_t>(pixels_));
    counts_.assign(static_cast<std::size_t>(taps * most_ + 2), 0);
    for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
      const std::int32_t* const inputs = inputs_.data() + pixel * taps_ + first;
      std::uint32_t length = 0;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        if (inputs[tap] < 0) continue;
        const std::uint32_t* const start = starts + inputs[tap] * stride;
        length += start[1] - start[0];
      }
      lengths_[static_cast<std::size_t>(pixel)] = length;
      ++counts_[length + 1];
    }
    for (std::size_t i = 1; i < counts_.size(); ++i) counts_[i] += counts_[i - 1];
    std::uint16_t* const order = order_.data() + part * pixels_;
    for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
      order[counts_[lengths_[static_cast<std::size_t>(pixel)]]++] = static_cast<std::uint16_t>(pixel);
    }

    List* list = lists_.data() + part * pixels_ * planes_;
    for (std::int64_t i = 0; i < pixels_; ++i) {
      const std::int32_t* const inputs = inputs_.data() + order[i] * taps_ + first;
      for (int plane = 0; plane < planes_; ++plane, ++list) {
        const std::uint16_t* const begin = to;
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          if (inputs[tap] >= 0) to = append(starts + inputs[tap] * stride + plane, tap * channels_, to);
        }
        *list = {static_cast<std::uint32_t>(begin - rows_.data()), static_cast<std::uint32_t>(to - begin)};
      }
    }
    return to;
  }

  // Whole chunks: what is copied too much is overwritten by what follows.
  std::uint16_t* append(const std::uint32_t* start, std::int64_t base, std::uint16_t* to) const {
    const std::uint16_t* const from = firing_.data() + start[0];
    const std::int64_t length = static_cast<std::int64_t>(start[1]) - start[0];
    for (std::int64_t chunk = 0; chunk < length; chunk += kChunk) {
      for (std::int64_t k = 0; k < kChunk; ++k) {
        to[chunk + k] = static_cast<std::uint16_t>(from[chunk + k] + base);
      }
    }
    return to + length;
  }

  static constexpr std::size_t kMaxPlanes = 15, kMaxWords = kRowsPerPart / 64 + 1;

  std::int64_t channels_ = 0, taps_ = 0, taps_per_part_ = 1, split_ = 1, split_length_ = 0, pixels_ = 0;
  std::int64_t first_row_ = 0;  ///< of the input, over all images
  std::int64_t most_ = 0;       ///< rows of one input pixel
  int planes_ = 1;
  std::vector<std::uint16_t> firing_;  ///< channels, within their part, of each input pixel
  std::vector<std::uint32_t> starts_;  ///< [input pixel][split][plane]
  std::vector<std::int32_t> inputs_;
  std::vector<std::uint16_t> rows_, order_;
  std::vector<List> lists_;
  std::vector<std::uint32_t> lengths_, counts_;
};

}  // namespace spikeloom::kernels::cpu
