#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// Inputs of a product that are one spike each, whatever their value; that are none.
constexpr float kEachIsOne = 0.0f, kNoSpikes = -1.0f;

/// Room in which sparse_product lists the inputs that are not 0, for the largest of the products it is made
/// for.
class ProductRoom {
 public:
  struct Pixel {
    std::int32_t y, x, first, count;  ///< first: in active()
  };
  /// The pixels that have any, over some of the channels.
  struct Part {
    const Pixel* first;
    const Pixel* last;
    const Pixel* begin() const { return first; }
    const Pixel* end() const { return last; }
  };
  struct Listed {
    std::int64_t operations = 0;  ///< synaptic operations, see sparse_product()
    bool is_binary = true;        ///< every input is 0 or 1
  };

  /// Makes room for a product as well.
  void fit(const Product& product);
  /// Lists the inputs [H, W, C] of a product that it has room for.
  Listed list(const Product& product, const float* input, float spikes_per_value);

  const std::vector<Part>& parts() const { return parts_; }
  const std::int32_t* active() const { return active_.data(); }  ///< channels

 private:
  /// Channels whose weights for one tap and Product::kBlock filters, 32 KiB, stay in the first-level cache.
  static constexpr std::int64_t kPartChannels = 128;
  static std::int64_t parts_of(const Product& product);

  std::vector<std::int32_t> active_;
  std::vector<Pixel> pixels_;
  std::vector<Part> parts_;
};

/// output [H', W', F] = bias (0 where there is none) + product of input [H, W, C]. Work in proportion to the
/// inputs that are not 0: spikes, or the pixels of an image. `room` fits the product. Sums in float,
/// over inputs in memory order; the bits are the same on every machine and at every SIMD level. Returns the
/// synaptic operations (FanOut) of inputs that stand for `spikes_per_value` times their value of spikes,
/// rounded, or one each (kEachIsOne), or none (kNoSpikes). Never throws.
std::int64_t sparse_product(const Product& product, const float* input, float spikes_per_value,
                            ProductRoom& room, float* output);

/// output [F] += the rows of weight [N, F] whose input [N] is not 0, times it.
void add_rows(std::int64_t rows, std::int64_t columns, const float* weight, const float* input,
              float* output);

}  // namespace spikeloom::runtime
