#pragma once
// What the CPU's compact neurons keep, and the state of the reference that says the same.
#include <algorithm>
#include <cstring>
#include <vector>

#include "spikeloom/kernels/cpu/compact_lif.h"

namespace spikeloom::kernels::harness {

/// Poisoned: what is left unwritten shows.
class CpuCompactState {
 public:
  CpuCompactState(const LifSize& size, const NeuronParams& params)
      : size_(size),
        params_(params),
        codes_(size.neurons, size.num_steps),
        open_(static_cast<std::size_t>(size.num_steps * packed_bytes(size.neurons)), 0xff) {
    if (compact_state(params) == CompactState::kTailCode)
      all_codes_.assign(static_cast<std::size_t>(size.num_steps * size.neurons), 0xffff);
    state_.open = open_.data();
    state_.codes = &codes_;
    state_.all_codes = all_codes_.empty() ? nullptr : all_codes_.data();
  }
  CpuCompactState(const CpuCompactState&) = delete;
  CpuCompactState& operator=(const CpuCompactState&) = delete;

  const cpu::CompactLifState& state() const { return state_; }

  /// [T, state_bytes(params, neurons)].
  std::vector<std::uint8_t> dense() const {
    if (compact_state(params_) == CompactState::kWindowBit) return open_;
    if (compact_state(params_) == CompactState::kTailCode) {
      std::vector<std::uint8_t> bytes(all_codes_.size() * sizeof(std::uint16_t));
      if (!bytes.empty()) std::memcpy(bytes.data(), all_codes_.data(), bytes.size());
      return bytes;
    }
    const std::int64_t neurons = size_.neurons, stride = packed_bytes(neurons), whole = neurons / 64 * 64;
    std::vector<std::uint8_t> all(static_cast<std::size_t>(size_.num_steps * neurons), 0);
    const auto fill = [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
      const std::uint8_t* code = codes_.end(chunk);
      for (std::int64_t t = size_.num_steps - 1; t >= 0; --t) {
        for (std::int64_t i = end - 1; i >= begin; --i) {
          if (get_bit(open_.data() + t * stride, i)) all[static_cast<std::size_t>(t * neurons + i)] = *--code;
        }
      }
    };
    std::int64_t chunk = 0;
    for (std::int64_t first = 0; first < whole; first += cpu::CodeStore::kChunk) {
      fill(chunk++, first, std::min(whole, first + cpu::CodeStore::kChunk));
    }
    if (whole < neurons) fill(chunk, whole, neurons);
    return all;
  }

 private:
  LifSize size_;
  NeuronParams params_;
  cpu::CodeStore codes_;
  std::vector<std::uint8_t> open_;
  std::vector<std::uint16_t> all_codes_;
  cpu::CompactLifState state_;
};

/// Windows that a dense state says are open; 0 for codes of all neurons, which do not count them.
inline std::int64_t open_windows(const NeuronParams& params, const std::vector<std::uint8_t>& dense) {
  const CompactState kind = compact_state(params);
  std::int64_t count = 0;
  for (const std::uint8_t byte : dense) {
    if (kind == CompactState::kWindowBit) count += __builtin_popcount(byte);
    if (kind == CompactState::kOpenCode) count += byte != 0 ? 1 : 0;
  }
  return count;
}

}  // namespace spikeloom::kernels::harness
