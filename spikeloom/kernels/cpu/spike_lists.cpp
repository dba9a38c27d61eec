#include "spikeloom/kernels/cpu/spike_lists.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_bits.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define SPIKELOOM_COMPRESS __attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt")))
#endif

namespace spikeloom::kernels::cpu {
namespace {

constexpr std::int64_t kRowsPerPart = 384;
constexpr std::int64_t kChunk = 32;  // rows that are written at once, though fewer may be meant

// A writer appends base + bit for each set bit of some words.
struct BitByBit {
  std::uint16_t* operator()(const std::uint64_t* words, std::int64_t count, std::int64_t base,
                            std::uint16_t* to) const {
    for (std::int64_t i = 0; i < (count + 63) / 64; ++i) {
      for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
        *to++ = static_cast<std::uint16_t>(base + i * 64 + __builtin_ctzll(word));
      }
    }
    return to;
  }
};

#if defined(SPIKELOOM_COMPRESS)
bool can_compress() {
  static const bool has = __builtin_cpu_supports("avx512vbmi2") != 0;
  return has && std::string_view(simd_level()) == "avx512";
}

// 32 numbers at a time, without a branch on how many there are.
struct Compressing {
  __m512i count_up;

  SPIKELOOM_COMPRESS std::uint16_t* operator()(const std::uint64_t* words, std::int64_t count,
                                               std::int64_t base, std::uint16_t* to) const {
    __m512i rows = _mm512_add_epi16(_mm512_set1_epi16(static_cast<short>(base)), count_up);
    for (std::int64_t i = 0; i < count; i += 32) {
      const auto mask = static_cast<std::uint32_t>(words[i / 64] >> (i & 32));
      _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(mask, rows));
      to += _mm_popcnt_u32(mask);
      rows = _mm512_add_epi16(rows, _mm512_set1_epi16(32));
    }
    return to;
  }
};
#else
bool can_compress() { return false; }
#endif

}  // namespace

void SpikeLists::set_shape(const EventLayer& layer, std::int64_t pixels) {
  channels_ = layer.images.channels;
  taps_ = layer.kernel * layer.kernel;
  taps_per_part_ = std::clamp<std::int64_t>(kRowsPerPart / channels_, 1, taps_);
  // Of channels: whole words of bits where they are many.
  split_ = (channels_ + kRowsPerPart - 1) / kRowsPerPart;
  split_length_ = split_ == 1 ? channels_ : ((channels_ + split_ - 1) / split_ + 63) / 64 * 64;
  split_ = (channels_ + split_length_ - 1) / split_length_;
  words_ = (split_length_ + 63) / 64;
  planes_ = count_planes(layer.images.pool);
  pixels_ = pixels;
}

// For at most as many rows as there are bits, and a chunk behind the last.
void SpikeLists::make_room() {
  const std::int64_t most = pixels_ * taps_ * channels_ * planes_ + kChunk;
  if (room_ >= most) return;
  rows_.reset(new std::uint16_t[static_cast<std::size_t>(most)]);
  room_ = most;
}

void SpikeLists::reserve(const EventLayer& layer, std::int64_t pixels) {
  set_shape(layer, pixels);
  make_room();
  // Where the pixels reach over several images, so do the rows that they see, those that only the padding's
  // absence leaves out among them.
  const std::int64_t output_rows = pixels / layer.output_width() + 2, height = layer.output_height();
  const std::int64_t images = output_rows / height + 2, rows = layer.images.pooled_height();
  const std::int64_t input_rows =
      output_rows + layer.kernel + images * std::max<std::int64_t>(0, rows - height);
  bits_.reserve(
      static_cast<std::size_t>(input_rows * layer.images.pooled_width() * split_ * planes_ * words_));
  inputs_.reserve(static_cast<std::size_t>(pixels * taps_));
  order_.reserve(static_cast<std::size_t>(parts() * pixels));
  lists_.reserve(static_cast<std::size_t>(parts() * pixels * planes_));
  counts_.reserve(static_cast<std::size_t>(taps_per_part_ * channels_ + 2));
}

void SpikeLists::build(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t begin,
                       std::int64_t end) {
  set_shape(layer, end - begin);
  const std::int64_t width = layer.output_width();
  read_inputs(layer, spikes, begin / width, (end - 1) / width);
  find_inputs(layer, begin, end);

  order_.resize(static_cast<std::size_t>(parts() * pixels_));
  lists_.resize(static_cast<std::size_t>(parts() * pixels_ * planes_));
  make_room();
  std::uint16_t* to = rows_.get();
  const bool compress = can_compress();
  for (std::int64_t part = 0; part < parts(); ++part) {
    to = compress ? list_part_by_compressing(part, to) : list_part(part, to, BitByBit());
    sort_pixels(part);
  }
}

SpikeLists::Part SpikeLists::part(std::int64_t i) const {
  const std::int64_t channel = i % split_ * split_length_;
  const std::int64_t taps = std::min(taps_per_part_, taps_ - first_tap(i));
  return {first_tap(i) * channels_ + channel,
          split_ > 1 ? std::min(split_length_, channels_ - channel) : taps * channels_, rows_.get(),
          order_.data() + i * pixels_, lists_.data() + i * pixels_ * planes_};
}

std::int64_t SpikeLists::additions() const {
  std::int64_t sum = 0;
  const List* list = lists_.data();
  for (std::int64_t i = 0; i < parts() * pixels_; ++i) {
    for (int plane = 0; plane < planes_; ++plane, ++list) sum += std::int64_t{list->length} << plane;
  }
  return sum;
}

// The spikes, or their counts, of each input pixel that output rows [first, last] (over all images) see.
void SpikeLists::read_inputs(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t first,
                             std::int64_t last) {
  const PackedImages& images = layer.images;
  const std::int64_t height = layer.output_height(), rows = images.pooled_height();
  const std::int64_t all = images.num_steps * images.batch * rows;
  const std::int64_t bytes = packed_bytes(images.neurons());
  first_row_ = std::max<std::int64_t>(0, first / height * rows + first % height - layer.padding);
  const std::int64_t end_row =
      std::min(all, last / height * rows + last % height - layer.padding + layer.kernel);
  const std::int64_t pixels = std::max<std::int64_t>(0, end_row - first_row_) * images.pooled_width();
  bits_.assign(static_cast<std::size_t>(pixels * split_ * planes_ * words_), 0);
  std::uint64_t* to = bits_.data();
  for (std::int64_t row = first_row_; row < end_row; ++row) {
    const std::int64_t image = row / rows, y = row % rows * images.pool;
    const std::uint8_t* step = spikes + image / images.batch * bytes;
    const std::int64_t line = image % images.batch * images.height + y;
    for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
      const std::int64_t at = (line * images.width + x * images.pool) * channels_;
      for (std::int64_t channel = 0; channel < channels_; channel += split_length_) {
        const std::int64_t count = std::min(split_length_, channels_ - channel);
        for (std::int64_t word = 0; word * 64 < count; ++word) {
          const std::int64_t width = std::min<std::int64_t>(64, count - word * 64);
          for (std::int64_t dy = 0; dy < images.pool; ++dy) {
            for (std::int64_t dx = 0; dx < images.pool; ++dx) {
              const std::int64_t bit = at + (dy * images.width + dx) * channels_ + channel + word * 64;
              add_bits(load_bits(step, bytes, bit, width), planes_, words_, to + word);
            }
          }
        }
        to += planes_ * words_;
      }
    }
  }
}

void SpikeLists::find_inputs(const EventLayer& layer, std::int64_t begin, std::int64_t end) {
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

template <class Writer>
inline __attribute__((always_inline)) std::uint16_t* SpikeLists::list_part(std::int64_t part,
                                                                           std::uint16_t* to,
                                                                           const Writer& writer) {
  const std::int64_t first = first_tap(part), taps = std::min(taps_per_part_, taps_ - first);
  const std::int64_t split = part % split_, words = words_, planes = planes_, channels = channels_;
  const std::int64_t count = std::min(split_length_, channels - split * split_length_);
  const std::int64_t stride = split_ * planes * words;
  const std::uint64_t* const bits = bits_.data() + split * planes * words;
  const std::uint16_t* const all = rows_.get();
  List* list = lists_.data() + part * pixels_ * planes;
  const std::int32_t* inputs = inputs_.data() + first;
  for (std::int64_t pixel = 0; pixel < pixels_; ++pixel, inputs += taps_) {
    for (std::int64_t plane = 0; plane < planes; ++plane, ++list) {
      const std::uint16_t* const begin = to;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        if (inputs[tap] < 0) continue;
        to = writer(bits + inputs[tap] * stride + plane * words, count, tap * channels, to);
      }
      *list = {static_cast<std::uint32_t>(begin - all), static_cast<std::uint32_t>(to - begin)};
    }
  }
  return to;
}

#if defined(SPIKELOOM_COMPRESS)
SPIKELOOM_COMPRESS std::uint16_t* SpikeLists::list_part_by_compressing(std::int64_t part, std::uint16_t* to) {
  alignas(64) std::uint16_t numbers[32];
  for (int i = 0; i < 32; ++i) numbers[i] = static_cast<std::uint16_t>(i);
  return list_part(part, to, Compressing{_mm512_load_si512(numbers)});
}
#else
std::uint16_t* SpikeLists::list_part_by_compressing(std::int64_t part, std::uint16_t* to) {
  return list_part(part, to, BitByBit());
}
#endif

// By the number of their rows in the first plane.
void SpikeLists::sort_pixels(std::int64_t part) {
  const List* const lists = lists_.data() + part * pixels_ * planes_;
  std::uint32_t most = 0;
  for (std::int64_t i = 0; i < pixels_; ++i) most = std::max(most, lists[i * planes_].length);
  counts_.assign(most + 2, 0);
  for (std::int64_t i = 0; i < pixels_; ++i) ++counts_[lists[i * planes_].length + 1];
  for (std::size_t i = 1; i < counts_.size(); ++i) counts_[i] += counts_[i - 1];
  std::uint16_t* const order = order_.data() + part * pixels_;
  for (std::int64_t i = 0; i < pixels_; ++i) {
    order[counts_[lists[i * planes_].length]++] = static_cast<std::uint16_t>(i);
  }
}

}  // namespace spikeloom::kernels::cpu
