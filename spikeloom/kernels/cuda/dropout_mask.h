#pragma once
#include <array>
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/base/random.h"
#include "spikeloom/kernels/cuda/dropout.h"

namespace spikeloom::kernels::cuda {

/// A DropoutDraw inside a kernel. Default: nothing is dropped.
struct DropoutMask {
  DropoutMask() = default;
  explicit DropoutMask(const DropoutDraw& draw)
      : iteration(draw.iteration),
        layer_bits(draw.layer << kDropoutIterationBits),
        key_low(static_cast<std::uint32_t>(draw.key)),
        key_high(static_cast<std::uint32_t>(draw.key >> 32)),
        threshold(dropout_threshold(draw.rate)),
        scale(static_cast<float>(dropout_scale(draw.rate))),
        same_each_step(draw.same_mask_each_step) {}

  SPIKELOOM_HOST_DEVICE bool is_on() const { return iteration != nullptr; }

  /// The random numbers of elements 8 block .. 8 block + 7.
  SPIKELOOM_HOST_DEVICE std::array<std::uint32_t, 4> numbers(std::int64_t block) const {
    const auto number = static_cast<std::uint64_t>(block);
    const std::uint64_t counter = layer_bits | *iteration;
    return philox4x32({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                       static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32)},
                      {key_low, key_high});
  }
  /// i in [0, 8), a constant after unrolling.
  SPIKELOOM_HOST_DEVICE float apply(const std::array<std::uint32_t, 4>& words, int i, float value) const {
    const std::uint32_t number = words[static_cast<std::size_t>(i / 2)] >> (i % 2 * 16) & 0xffffu;
    return number >= threshold ? value * scale : 0.0f;
  }
  /// Element e by itself.
  SPIKELOOM_HOST_DEVICE float apply(std::int64_t e, float value) const {
    const auto words = numbers(e / 8);
    const auto within = static_cast<int>(e % 8);
    // Not words[within / 2]: an index that is no constant would put them into memory.
    const std::uint32_t lower = within < 2 ? words[0] : words[1], upper = within < 6 ? words[2] : words[3];
    const std::uint32_t number = (within < 4 ? lower : upper) >> (within % 2 * 16) & 0xffffu;
    return number >= threshold ? value * scale : 0.0f;
  }

  const std::uint64_t* iteration = nullptr;
  std::uint64_t layer_bits = 0;
  std::uint32_t key_low = 0, key_high = 0;
  std::uint32_t threshold = 0;
  float scale = 1.0f;
  bool same_each_step = false;
};

}  // namespace spikeloom::kernels::cuda
