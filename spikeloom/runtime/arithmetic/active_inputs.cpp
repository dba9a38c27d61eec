#include "spikeloom/runtime/arithmetic/active_inputs.h"

#include <algorithm>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/runtime/arithmetic/taps.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/runtime/arithmetic/active_inputs.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::runtime {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The channels from begin to end whose value is not 0, and these values; returns how many. There is room for
// a vector more.
HWY_ATTR std::int32_t list_active(const float* values, std::int32_t begin, std::int32_t end,
                                  std::int32_t* channels, float* active) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const auto lanes = static_cast<std::int32_t>(hn::Lanes(d));
  std::int32_t count = 0, c = begin;
  for (; c + lanes <= end; c += lanes) {
    const auto value = hn::LoadU(d, values + c);
    const auto is_active = hn::Ne(value, hn::Zero(d));
    if (hn::AllFalse(d, is_active)) continue;
    hn::StoreU(hn::Compress(hn::Iota(d32, c), hn::RebindMask(d32, is_active)), d32, channels + count);
    hn::StoreU(hn::Compress(value, is_active), d, active + count);
    count += static_cast<std::int32_t>(hn::CountTrue(d, is_active));
  }
  for (; c < end; ++c) {
    channels[count] = c;
    active[count] = values[c];
    count += values[c] != 0.0f ? 1 : 0;
  }
  return count;
}

HWY_ATTR bool all_ones(const float* values, std::int64_t count) {
  bool is_binary = true;
  for (std::int64_t i = 0; i < count; ++i) is_binary &= values[i] == 1.0f;
  return is_binary;
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::runtime
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::runtime {
namespace {

HWY_EXPORT(list_active);
HWY_EXPORT(all_ones);

constexpr std::int64_t kFewChannels = 16;

}  // namespace

std::int64_t ActiveInputs::parts_of(const Product& product) {
  return (product.input.channels + kPartChannels - 1) / kPartChannels;
}

void ActiveInputs::fit(const Product& product, std::int64_t steps) {
  const std::int64_t pixels = product.input.height * product.input.width;
  const std::int64_t parts = parts_of(product);
  constexpr std::size_t kVector = 64;  // values of the longest
  const std::size_t room = static_cast<std::size_t>(product.input.size() * steps) + kVector;
  if (room > room_) {
    channels_.reset(new std::int32_t[room]);
    values_.reset(new float[room]);
    room_ = room;
  }
  if (!product.is_matrix()) {
    pixels_.resize(std::max(pixels_.size(), static_cast<std::size_t>(pixels * parts)));
    parts_.reserve(static_cast<std::size_t>(parts));
  }
  steps_.reserve(static_cast<std::size_t>(steps));
}

void ActiveInputs::clear() {
  listed_ = 0;
  is_binary_ = true;
  parts_.clear();
  steps_.clear();
}

std::int32_t ActiveInputs::list(const float* values, std::int32_t begin, std::int32_t end) {
  const std::int32_t count = HWY_DYNAMIC_DISPATCH(list_active)(values, begin, end, channels_.get() + listed_,
                                                               values_.get() + listed_);
  listed_ += count;
  return count;
}

std::int64_t ActiveInputs::spikes_of(std::int32_t first, std::int32_t count, float spikes_per_value) const {
  if (spikes_per_value == kNoSpikes) return 0;
  if (spikes_per_value == kEachIsOne) return count;
  constexpr float kMost = 1e9f;  // of what is no count of spikes, the cast stays defined
  std::int64_t spikes = 0;
  for (std::int32_t i = first; i < first + count; ++i) {
    const float value = values_[static_cast<std::size_t>(i)] * spikes_per_value;
    spikes += static_cast<std::int64_t>(std::min(std::max(value, 0.0f), kMost) + 0.5f);
  }
  return spikes;
}

std::int64_t ActiveInputs::add_matrix(const Product& product, const float* input, float spikes_per_value) {
  const std::int32_t first = listed_;
  const std::int32_t count = list(input, 0, static_cast<std::int32_t>(product.input.channels));
  steps_.push_back({first, count, HWY_DYNAMIC_DISPATCH(all_ones)(values_.get() + first, count)});
  return taps_of(product, 0, 0) * spikes_of(first, count, spikes_per_value) * product.filters();
}

// Pixels of few channels: all of them in one list, which is then cut.
void ActiveInputs::list_image(const Product& product, const float* input) {
  const auto channels = static_cast<std::int32_t>(product.input.channels);
  const auto width = static_cast<std::int32_t>(product.input.width);
  list(input, 0, static_cast<std::int32_t>(product.input.size()));
  Pixel* pixel = pixels_.data();
  for (std::int32_t i = 0; i < listed_;) {
    const std::int32_t at = channels_[static_cast<std::size_t>(i)] / channels, begin = at * channels;
    *pixel = {at / width, at % width, i, 0};
    for (; i < listed_ && channels_[static_cast<std::size_t>(i)] < begin + channels; ++i) {
      channels_[static_cast<std::size_t>(i)] -= begin;
      ++pixel->count;
    }
    ++pixel;
  }
  parts_.push_back({pixels_.data(), pixel});
}

void ActiveInputs::list_part(const Product& product, const float* input, std::int64_t part) {
  const std::int64_t channels = product.input.channels;
  const auto begin = static_cast<std::int32_t>(part * kPartChannels);
  const auto end = static_cast<std::int32_t>(std::min(begin + kPartChannels, channels));
  Pixel* const first_pixel = pixels_.data() + part * product.input.height * product.input.width;
  Pixel* pixel = first_pixel;
  for (std::int32_t y = 0; y < product.input.height; ++y) {
    for (std::int32_t x = 0; x < product.input.width; ++x, input += channels) {
      const std::int32_t first = listed_, count = list(input, begin, end);
      if (count > 0) *pixel++ = {y, x, first, count};
    }
  }
  parts_.push_back({first_pixel, pixel});
}

std::int64_t ActiveInputs::add(const Product& product, const float* input, float spikes_per_value) {
  kernels::cpu::simd_level();
  if (product.is_matrix()) return add_matrix(product, input, spikes_per_value);
  clear();
  if (product.input.channels < kFewChannels) {
    list_image(product, input);
  } else {
    for (std::int64_t part = 0; part < parts_of(product); ++part) list_part(product, input, part);
  }
  is_binary_ = HWY_DYNAMIC_DISPATCH(all_ones)(values_.get(), listed_);
  std::int64_t operations = 0;
  if (spikes_per_value == kNoSpikes) return operations;
  for (const Part& part : parts_) {
    for (const Pixel& pixel : part) {
      operations += taps_of(product, pixel.y, pixel.x) *
                    spikes_of(pixel.first, pixel.count, spikes_per_value) * product.filters();
    }
  }
  return operations;
}

}  // namespace spikeloom::runtime
#endif
