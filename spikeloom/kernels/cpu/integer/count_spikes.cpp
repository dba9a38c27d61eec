#include "spikeloom/kernels/cpu/integer/pieces.h"
#include "spikeloom/kernels/cpu/integer/vnni.h"
#include "spikeloom/kernels/cpu/spike_bits.h"

#ifdef SPIKELOOM_HAS_VNNI
namespace spikeloom::kernels::cpu {
namespace {

// A row of pooled pixels: `first` is the first spike of the first one.
SPIKELOOM_VNNI void count_row(const PackedImages& images, const std::uint8_t* step, std::int64_t bytes,
                              std::int64_t first, std::int64_t pixel_values, std::int16_t* to) {
  const std::int64_t channels = images.channels, pool = images.pool;
  const __m512i one = _mm512_set1_epi16(1);
  for (std::int64_t x = 0; x < images.pooled_width(); ++x, first += pool * channels, to += pixel_values) {
    for (std::int64_t c = 0; c < channels; c += 32) {
      const std::int64_t count = std::min<std::int64_t>(32, channels - c);
      __m512i sum = _mm512_setzero_si512();
      for (std::int64_t dy = 0; dy < pool; ++dy) {
        for (std::int64_t dx = 0; dx < pool; ++dx) {
          const std::int64_t begin = first + (dy * images.width + dx) * channels + c;
          std::uint32_t bits;
          if (count == 32 && begin % 8 == 0) {
            std::memcpy(&bits, step + begin / 8, sizeof bits);
          } else {
            bits = static_cast<std::uint32_t>(load_bits(step, bytes, begin, count));
          }
          sum = _mm512_mask_add_epi16(sum, bits, sum, one);
        }
      }
      const auto width = std::min<std::int64_t>(32, pixel_values - c);
      _mm512_mask_storeu_epi16(to + c, width == 32 ? ~__mmask32{0} : (__mmask32{1} << width) - 1, sum);
    }
  }
}

}  // namespace

void count_spikes(const EventLayer& layer, const IntegerShape& shape, const std::uint8_t* spikes,
                  const Piece& piece, std::int16_t* frame) {
  const PackedImages& images = layer.images;
  const std::int64_t bytes = packed_bytes(images.neurons()), row_values = shape.row_values();
  const std::int64_t before = shape.padding * shape.pixel_values();
  const std::int64_t inside = shape.width * shape.pixel_values();
  for (std::int64_t image = piece.first_image; image < piece.first_image + piece.images; ++image) {
    const std::uint8_t* const step = spikes + image / images.batch * bytes;
    for (std::int64_t row = 0; row < shape.frame_rows(piece); ++row, frame += row_values) {
      const std::int64_t y = piece.first_row + row - shape.padding;
      if (y < 0 || y >= shape.height) {
        std::fill(frame, frame + row_values, std::int16_t{0});
        continue;
      }
      std::fill(frame, frame + before, std::int16_t{0});
      const std::int64_t from = (image % images.batch * images.height + y * images.pool) * images.width;
      count_row(images, step, bytes, from * images.channels, shape.pixel_values(), frame + before);
      std::fill(frame + before + inside, frame + row_values, std::int16_t{0});
    }
  }
}

}  // namespace spikeloom::kernels::cpu
#endif
