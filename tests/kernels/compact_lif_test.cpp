// The kernels that keep bits and codes, against their reference and against the kernels that keep everything.
#include "spikeloom/kernels/cpu/compact_lif.h"

#include <gtest/gtest.h>

#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/compact_lif.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Case {
  std::int64_t steps, batch, height, width, channels, pool;
  bool is_static;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {{1, 1, 1, 1, 1, 1, false},  {4, 2, 3, 5, 7, 1, false},
                                        {3, 2, 4, 6, 16, 2, false}, {3, 1, 5, 7, 24, 2, false},
                                        {4, 3, 8, 8, 64, 2, true},  {2, 5, 1, 1, 100, 1, false},
                                        {5, 1, 9, 7, 8, 3, true},   {2, 4, 12, 12, 32, 2, false}};
  return all;
}

std::vector<NeuronParams> variants() {
  std::vector<NeuronParams> all;
  for (const auto surrogate :
       {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
    for (const auto reset : {Reset::kZero, Reset::kSubtract}) {
      for (const bool detach : {false, true}) {
        NeuronParams params;
        params.surrogate = surrogate;
        params.reset = reset;
        params.detach_reset = detach;
        all.push_back(params);
      }
    }
  }
  for (const auto& params : test::general_neurons()) all.push_back(params);
  return all;
}

PackedImages images_of(const Case& c) { return {c.steps, c.batch, c.height, c.width, c.channels, c.pool}; }
LifSize size_of(const Case& c) { return {c.steps, images_of(c).neurons(), c.is_static}; }

template <class T>
std::vector<T> values_of(const std::vector<float>& floats) {
  std::vector<T> values;
  for (const float value : floats) values.push_back(from_float<T>(value));
  return values;
}

template <class T>
std::vector<float> floats_of(const std::vector<T>& values) {
  std::vector<float> floats;
  for (const T value : values) floats.push_back(to_float(value));
  return floats;
}

class CpuState;

struct Kept {
  Bytes spikes, state;
  std::int64_t count = 0;
  std::shared_ptr<CpuState> cpu_state;
};

template <class T>
Kept reference_forward(const Case& c, const NeuronParams& params, const std::vector<T>& input) {
  const LifSize size = size_of(c);
  Kept kept;
  kept.spikes.assign(static_cast<std::size_t>(c.steps * packed_bytes(size.neurons)), 0);
  kept.state.assign(static_cast<std::size_t>(c.steps * state_bytes(params, size.neurons)), 0);
  kept.count = reference::compact_lif_forward_range(size, params, input.data(), kept.spikes.data(),
                                                    kept.state.data(), 0, size.neurons);
  return kept;
}

// What the kernels keep, and the state of the reference that says the same.
class CpuState {
 public:
  CpuState(const LifSize& size, const NeuronParams& params)
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

  const cpu::CompactLifState& state() const { return state_; }

  Bytes dense() const {
    if (compact_state(params_) == CompactState::kWindowBit) return open_;
    if (!all_codes_.empty()) {
      Bytes bytes(all_codes_.size() * sizeof all_codes_[0]);
      std::memcpy(bytes.data(), all_codes_.data(), bytes.size());
      return bytes;
    }
    const std::int64_t neurons = size_.neurons, stride = packed_bytes(neurons), whole = neurons / 64 * 64;
    Bytes all(static_cast<std::size_t>(size_.num_steps * neurons), 0);
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

  std::int64_t open_windows() const {
    if (compact_state(params_) == CompactState::kTailCode) return 0;
    std::int64_t count = 0;
    for (const std::uint8_t byte : open_) count += __builtin_popcount(byte);
    return count;
  }

 private:
  LifSize size_;
  NeuronParams params_;
  cpu::CodeStore codes_;
  Bytes open_;
  std::vector<std::uint16_t> all_codes_;
  cpu::CompactLifState state_;
};

template <class T>
Kept cpu_forward(const Case& c, const NeuronParams& params, const std::vector<T>& input) {
  const LifSize size = size_of(c);
  Kept kept;  // full of ones: what is left unwritten shows
  kept.spikes.assign(static_cast<std::size_t>(c.steps * packed_bytes(size.neurons)), 0xff);
  kept.cpu_state = std::make_shared<CpuState>(size, params);
  const auto counts =
      cpu::compact_lif_forward(size, params, input.data(), kept.spikes.data(), &kept.cpu_state->state());
  kept.state = kept.cpu_state->dense();
  kept.count = counts.spikes;
  EXPECT_EQ(counts.open_windows, kept.cpu_state->open_windows());
  return kept;
}

template <class T>
void compare_with_reference(const Case& c, const NeuronParams& params, const std::vector<float>& currents) {
  const PackedImages images = images_of(c);
  const LifSize size = size_of(c);
  const std::int64_t rows = c.is_static ? 1 : c.steps;
  const auto input = values_of<T>(currents);
  const auto gradient = values_of<T>(test::random_values<float>(c.steps * images.pooled_neurons(), 4));
  const Kept want = reference_forward(c, params, input), got = cpu_forward(c, params, input);
  ASSERT_EQ(got.spikes, want.spikes);
  ASSERT_EQ(got.state, want.state);
  ASSERT_EQ(got.count, want.count);
  Bytes inference(want.spikes.size(), 0xff);
  EXPECT_EQ(cpu::compact_lif_forward(size, params, input.data(), inference.data(), nullptr).spikes,
            want.count);
  EXPECT_EQ(inference, want.spikes);

  const auto poison = values_of<T>({-12345.0f}).front();
  std::vector<T> want_gradient(static_cast<std::size_t>(rows * size.neurons), poison),
      got_gradient = want_gradient;
  reference::compact_lif_backward_range(size, params, images, gradient.data(), want.spikes.data(),
                                        want.state.data(), want_gradient.data(), 0, size.neurons);
  cpu::compact_lif_backward(size, params, images, gradient.data(), got.spikes.data(), got.cpu_state->state(),
                            got_gradient.data());
  // exp of the SIMD library differs in the last places; rounded to bfloat16 that is at most one of its steps.
  const bool exact = params.surrogate != Surrogate::kSigmoid;
  const double tolerance =
      exact ? 0.0 : (sizeof(T) == 2 ? 0.02 : 2e-6) * test::largest(floats_of(want_gradient));
  EXPECT_EQ(test::mismatches(floats_of(got_gradient), floats_of(want_gradient), tolerance), 0);

  if (compact_state(params) == CompactState::kTailCode) {
    LifParameterGradients want_sums, got_sums{1e300, 1e300};
    reference::compact_lif_backward_range(size, params, images, gradient.data(), want.spikes.data(),
                                          want.state.data(), want_gradient.data(), 0, size.neurons, {},
                                          &want_sums);
    auto again = got_gradient;
    cpu::compact_lif_backward(size, params, images, gradient.data(), got.spikes.data(),
                              got.cpu_state->state(), again.data(), &got_sums);
    EXPECT_EQ(std::memcmp(again.data(), got_gradient.data(), again.size() * sizeof(T)), 0);
    double largest_v = 0.0;  // of the decoded potentials, whose codes of 0 stand for 65536 widths
    for (std::size_t i = 0; i < want.state.size(); i += 2) {
      const auto code = static_cast<std::uint16_t>(want.state[i] | want.state[i + 1] << 8);
      largest_v = std::max(largest_v, std::abs(static_cast<double>(VPreCode(params).decode(code, true))));
    }
    const double terms = static_cast<double>(c.steps * size.neurons) * (1.0 + largest_v) *
                         (1.0 + test::largest(floats_of(want_gradient)));
    const double unit = exact ? 1e-14 : 2e-6;  // the order of the sums differs
    EXPECT_NEAR(got_sums.decay, want_sums.decay, unit * terms);
    EXPECT_NEAR(got_sums.v_threshold, want_sums.v_threshold, unit * terms);
  } else {
    LifParameterGradients sums;
    EXPECT_THROW(cpu::compact_lif_backward(size, params, images, gradient.data(), got.spikes.data(),
                                           got.cpu_state->state(), got_gradient.data(), &sums),
                 ShapeError);
  }

  if constexpr (std::is_same_v<T, BFloat16>) {  // what the first layer of a network does
    std::vector<float> want_wide(want_gradient.size()), got_wide(want_gradient.size());
    reference::compact_lif_backward_range(size, params, images, gradient.data(), want.spikes.data(),
                                          want.state.data(), want_wide.data(), 0, size.neurons);
    cpu::compact_lif_backward(size, params, images, gradient.data(), got.spikes.data(),
                              got.cpu_state->state(), got_wide.data());
    EXPECT_EQ(test::mismatches(got_wide, want_wide, exact ? 0.0 : 2e-6 * test::largest(want_wide)), 0);
  }

  std::vector<T> want_values(static_cast<std::size_t>(c.steps * images.pooled_neurons()), poison),
      got_values = want_values;
  reference::unpack_spikes(images, want.spikes.data(), want_values.data());
  cpu::unpack_spikes(images, want.spikes.data(), got_values.data());
  EXPECT_EQ(test::mismatches(floats_of(got_values), floats_of(want_values)), 0);
}

std::string describe(const std::string& level, const Case& c, const NeuronParams& params) {
  return level + ", channels " + std::to_string(c.channels) + ", pool " + std::to_string(c.pool) +
         ", surrogate " + std::to_string(static_cast<int>(params.surrogate)) + ", reset " +
         std::to_string(static_cast<int>(params.reset)) + (params.detach_reset ? ", detached" : "");
}

TEST(CompactLif, EqualsItsReferenceAtEverySimdLevel) {
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const int threads : {1, 3}) {
      const test::ThreadCount count(threads);
      for (const Case& c : cases()) {
        const auto currents =
            test::random_values<float>((c.is_static ? 1 : c.steps) * images_of(c).neurons(), 3);
        for (const auto& params : variants()) {
          if (threads == 1 && (params.learnable || !is_plain(params))) continue;
          SCOPED_TRACE(describe(level, c, params));
          compare_with_reference<float>(c, params, currents);
          compare_with_reference<BFloat16>(c, params, currents);
        }
      }
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

// At the threshold, near it, and as far from it as numbers go; 64 neurons in vectors and those behind them.
TEST(CompactLif, EqualsItsReferenceAtTheEndsOfTheCode) {
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const Case& c : {Case{1, 1, 1, 1, 83, 1, false}, Case{3, 1, 1, 1, 147, 1, true}}) {
      for (auto params : variants()) {
        for (const double width : {1.0, 0.1}) {
          params.surrogate_width = width;
          SCOPED_TRACE(describe(level, c, params) + ", width " + std::to_string(width));
          const auto currents = test::extreme_currents(params, images_of(c).neurons());
          compare_with_reference<float>(c, params, currents);
          compare_with_reference<BFloat16>(c, params, currents);
        }
      }
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

TEST(CompactLif, StateHasABitAByteOrTwoForEachNeuron) {
  NeuronParams params;
  params.detach_reset = true;
  EXPECT_EQ(state_bytes(params, 100), 16);
  params.detach_reset = false;
  EXPECT_EQ(state_bytes(params, 100), 100);
  params.surrogate = Surrogate::kTriangular;
  EXPECT_EQ(state_bytes(params, 100), 100);
  for (const auto surrogate : {Surrogate::kSigmoid, Surrogate::kArctan}) {
    params.surrogate = surrogate;
    EXPECT_EQ(state_bytes(params, 100), 200);
  }
}

TEST(CompactLif, FiresWhereTheFullKernelFires) {
  const Case c{6, 2, 4, 4, 32, 1, false};
  const LifSize size = size_of(c);
  const auto input = test::random_values<float>(c.steps * size.neurons, 5);
  const NeuronParams params;
  std::vector<float> spikes(input.size()), v_pre(input.size());
  const auto count = cpu::lif_forward(size, params, input.data(), v_pre.data(), spikes.data());
  const Kept kept = cpu_forward(c, params, input);
  std::vector<float> unpacked(input.size());
  cpu::unpack_spikes(images_of(c), kept.spikes.data(), unpacked.data());
  EXPECT_EQ(kept.count, count);
  EXPECT_EQ(unpacked, spikes);
}

// What is lost against the kernel that keeps v_pre: nothing where a window bit is enough, else what half a
// step of the code does to the terms that hold v_pre.
TEST(CompactLif, GradientIsThatOfTheFullKernel) {
  const Case c{8, 2, 4, 4, 64, 1, false};
  const LifSize size = size_of(c);
  const auto input = test::random_values<float>(c.steps * size.neurons, 6);
  const auto gradient = test::random_values<float>(c.steps * size.neurons, 7);
  for (const auto& params : variants()) {
    std::vector<float> spikes(input.size()), v_pre(input.size()), want(input.size()), got(input.size());
    cpu::lif_forward(size, params, input.data(), v_pre.data(), spikes.data());
    cpu::lif_backward(size, params, gradient.data(), v_pre.data(), spikes.data(), want.data(), nullptr);
    const Kept kept = cpu_forward(c, params, input);
    cpu::compact_lif_backward(size, params, images_of(c), gradient.data(), kept.spikes.data(),
                              kept.cpu_state->state(), got.data());
    double error = 0.0, norm = 0.0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      error += std::pow(static_cast<double>(got[i]) - want[i], 2);
      norm += std::pow(static_cast<double>(want[i]), 2);
    }
    const double relative = std::sqrt(error / norm);
    SCOPED_TRACE("surrogate " + std::to_string(static_cast<int>(params.surrogate)) + ", reset " +
                 std::to_string(static_cast<int>(params.reset)) + (params.detach_reset ? ", detached" : ""));
    if (compact_state(params) == CompactState::kWindowBit) {
      EXPECT_EQ(relative, 0.0);
    } else {
      EXPECT_LT(relative, params.surrogate == Surrogate::kRectangular  ? 1e-3
                          : params.surrogate == Surrogate::kTriangular ? 6e-3
                                                                       : 3e-5);
    }
  }
}

TEST(CompactLif, CodeStandsForAValueWithinHalfAStep) {
  for (const auto& params : variants()) {
    const VPreCode code(params);
    if (!code.closes) continue;
    for (int i = 1; i < 1000; ++i) {
      const float x = code.half * (static_cast<float>(i) / 500.0f - 1.0f) * 0.999f;  // both signs
      ASSERT_NEAR(code.decode(code.encode(x), x >= 0.0f), x, 0.5001f * code.step);
    }
    for (const float factor : {1.0f, 3.0f, -1.0f, -3.0f}) EXPECT_EQ(code.encode(factor * code.half), 0);
  }
}

// Of a surrogate that is 0 nowhere: however far from the threshold, h(x) and x h(x) are those of a value
// whose |x| + c is within half a code, relatively (|x| + c) / 131072c, and what float rounds.
TEST(CompactLif, CodeOfASurrogateWithTailsHasNoBound) {
  for (const double width : {1.0, 0.25, 0.01}) {
    NeuronParams params;
    params.surrogate = Surrogate::kArctan;
    params.surrogate_width = width;
    const VPreCode code(params);
    ASSERT_FALSE(code.closes);
    const double c = width / 2;
    int before = 65536;
    for (double distance = 1e-6 * width; distance < 1e5 * width; distance *= 1.01) {
      const auto x = static_cast<float>(distance);
      const std::uint16_t kept = code.encode(x);
      ASSERT_EQ(kept, code.encode(-x));
      ASSERT_LE(kept, before);
      before = kept;
      const double decoded = code.decode(kept, true), half_step = (distance + c) / (131072 * c);
      EXPECT_EQ(code.decode(kept, false), -static_cast<float>(decoded));
      const double factor = (decoded + c) / (distance + c);
      if (half_step < 1.0) {
        EXPECT_LT(factor, 1.0 / (1.0 - half_step) + 5e-7) << "|x| " << distance;
      }
      EXPECT_GT(factor, 1.0 / (1.0 + half_step) - 5e-7) << "|x| " << distance;
    }
    EXPECT_EQ(code.encode(0.0f), 65535);
    EXPECT_GT(code.decode(65535, true), 0.0f);
    EXPECT_EQ(code.encode(std::numeric_limits<float>::quiet_NaN()), 65535);
    EXPECT_EQ(code.encode(std::numeric_limits<float>::infinity()), 0);
    EXPECT_EQ(code.encode(-3e38f), 0);
    EXPECT_TRUE(std::isfinite(code.decode(0, true)));
  }
}

// A gradient whose neurons are all far from the threshold, where the tail is all there is.
TEST(CompactLif, GradientFarFromTheThresholdIsKept) {
  const Case c{6, 2, 4, 4, 64, 1, false};
  const LifSize size = size_of(c);
  const auto input = test::random_values<float>(c.steps * size.neurons, 6);
  const auto gradient = test::random_values<float>(c.steps * size.neurons, 7);
  for (const double width : {0.5, 0.1, 0.02}) {
    NeuronParams params;
    params.surrogate = Surrogate::kArctan;
    params.surrogate_width = width;
    params.decay = 0.9;
    std::vector<float> spikes(input.size()), v_pre(input.size()), want(input.size()), got(input.size());
    cpu::lif_forward(size, params, input.data(), v_pre.data(), spikes.data());
    cpu::lif_backward(size, params, gradient.data(), v_pre.data(), spikes.data(), want.data(), nullptr);
    const Kept kept = cpu_forward(c, params, input);
    cpu::compact_lif_backward(size, params, images_of(c), gradient.data(), kept.spikes.data(),
                              kept.cpu_state->state(), got.data());
    double error = 0.0, norm = 0.0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (std::fabs(v_pre[i] - static_cast<float>(params.v_threshold)) < 3.0 * width) continue;
      error += std::pow(static_cast<double>(got[i]) - want[i], 2);
      norm += std::pow(static_cast<double>(want[i]), 2);
    }
    ASSERT_GT(norm, 0.0);
    EXPECT_LT(std::sqrt(error / norm), 5e-5) << width;
  }
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsSpikesExact) {
  for (const float exact : {0.0f, 0.25f, 0.5f, 0.75f, 1.0f, -2.0f})
    EXPECT_EQ(to_float(from_float<BFloat16>(exact)), exact);
  EXPECT_EQ(to_float(from_float<BFloat16>(1.0f + 1.0f / 256)), 1.0f);               // tie: to even
  EXPECT_EQ(to_float(from_float<BFloat16>(1.0f + 3.0f / 256)), 1.0f + 4.0f / 256);  // tie: to even, upward
  EXPECT_TRUE(std::isnan(to_float(from_float<BFloat16>(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace spikeloom::kernels
