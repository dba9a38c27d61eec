#pragma once
// Packed spikes as lists of the weight rows that they add up. Internal to the event-driven kernels.
#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// For output pixels [begin, end): the weight rows of the spikes that they see, in parts (some taps, or some
/// channels of a tap) whose weights, for a block of filters, fit into the first-level cache. Behind pooling
/// by k, a channel's spikes are counted in binary: a list for each digit, `plane`, whose rows count 2^plane
/// times.
class SpikeLists {
 public:
  struct List {
    std::uint32_t first;  ///< of `rows`
    std::uint32_t length;
  };

  /// What all pixels see of a part.
  struct Part {
    std::int64_t first_row;  ///< of the weights
    std::int64_t num_rows;
    const std::uint16_t* rows;  ///< counted from first_row
    /// The pixels, counted from `begin`, in the order in which to visit them: those with as many rows follow
    /// each other, so that the processor knows where loops over rows end.
    const std::uint16_t* order;
    const List* lists;  ///< [pixel][plane]
  };

  /// So that build() need not allocate for any `pixels` output pixels of this layer that follow each other.
  void reserve(const EventLayer& layer, std::int64_t pixels);
  void build(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t begin, std::int64_t end);

  std::int64_t parts() const { return (taps_ + taps_per_part_ - 1) / taps_per_part_ * split_; }
  std::int64_t pixels() const { return pixels_; }
  int planes() const { return planes_; }
  Part part(std::int64_t i) const;
  /// How many rows are added up for each filter, those of plane p 2^p times: of every spike one for each
  /// pixel that sees it.
  std::int64_t additions() const;

 private:
  void set_shape(const EventLayer& layer, std::int64_t pixels);
  void make_room();
  void read_inputs(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t first,
                   std::int64_t last);
  void find_inputs(const EventLayer& layer, std::int64_t begin, std::int64_t end);
  void sort_pixels(std::int64_t part);
  template <class Writer>
  std::uint16_t* list_part(std::int64_t part, std::uint16_t* to, const Writer& writer);
  std::uint16_t* list_part_by_compressing(std::int64_t part, std::uint16_t* to);
  std::int64_t first_tap(std::int64_t part) const { return part / split_ * taps_per_part_; }

  std::int64_t channels_ = 0, taps_ = 0, taps_per_part_ = 1, split_ = 1, split_length_ = 0, pixels_ = 0;
  std::int64_t first_row_ = 0;  ///< of the input, over all images
  std::int64_t words_ = 0;      ///< of 64 channels
  int planes_ = 1;
  std::vector<std::uint64_t> bits_;        ///< [input pixel][split][plane][word]
  std::vector<std::int32_t> inputs_;       ///< [output pixel][tap]: input pixel, or -1 outside of the image
  std::unique_ptr<std::uint16_t[]> rows_;  ///< not initialised: there is room for far more than is used
  std::int64_t room_ = 0;
  std::vector<std::uint16_t> order_;
  std::vector<List> lists_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace spikeloom::kernels::cpu
