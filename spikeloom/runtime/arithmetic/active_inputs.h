#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// Inputs of a product that are one spike each, whatever their value; that are none.
constexpr float kEachIsOne = 0.0f, kNoSpikes = -1.0f;

/// The inputs of a product that are not 0, as lists: of a matrix at several steps, of a convolution at one.
class ActiveInputs {
 public:
  struct Pixel {
    std::int32_t y, x, first, count;  ///< first: in channels() and values()
  };
  /// The pixels that have any, over some of the channels, by rows.
  struct Part {
    const Pixel* first;
    const Pixel* last;
    const Pixel* begin() const { return first; }
    const Pixel* end() const { return last; }
  };
  /// A step of a matrix.
  struct Step {
    std::int32_t first, count;  ///< in channels() and values(), channels ascending
    bool is_binary;
  };
  /// Makes room for the inputs of a product at so many steps as well.
  void fit(const Product& product, std::int64_t steps);
  /// Makes the lists empty.
  void clear();
  /// Lists the inputs [H, W, C] of a step of a matrix after those before, or of a convolution instead of
  /// those before. Returns the synaptic operations (FanOut) of inputs that stand for `spikes_per_value` times
  /// their value of spikes, rounded, or one each (kEachIsOne), or none (kNoSpikes).
  std::int64_t add(const Product& product, const float* input, float spikes_per_value);

  const std::vector<Part>& parts() const { return parts_; }
  const std::vector<Step>& steps() const { return steps_; }
  bool is_binary() const { return is_binary_; }  ///< each listed input is 1
  const std::int32_t* channels() const { return channels_.get(); }
  const float* values() const { return values_.get(); }

 private:
  /// Channels whose weights for one tap and a block of filters, 32 KiB, stay in the first-level cache.
  static constexpr std::int64_t kPartChannels = 128;
  static std::int64_t parts_of(const Product& product);
  std::int32_t list(const float* values, std::int32_t begin, std::int32_t end);
  void list_image(const Product& product, const float* input);
  void list_part(const Product& product, const float* input, std::int64_t part);
  std::int64_t add_matrix(const Product& product, const float* input, float spikes_per_value);
  std::int64_t spikes_of(std::int32_t first, std::int32_t count, float spikes_per_value) const;

  // Not initialised: what is not used takes no memory.
  std::unique_ptr<std::int32_t[]> channels_;
  std::unique_ptr<float[]> values_;
  std::size_t room_ = 0;
  std::int32_t listed_ = 0;
  bool is_binary_ = true;
  std::vector<Pixel> pixels_;
  std::vector<Part> parts_;
  std::vector<Step> steps_;
};

}  // namespace spikeloom::runtime
