// The LIF layer: sizes that are walked or written another way, and values that are written out. The harness
// compares with the reference.
#include <gtest/gtest.h>

#include "spikeloom/base/threads.h"
#include "tests/kernels/backends.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace spikeloom::kernels::test {
namespace {

template <class T>
struct KernelRun {
  KernelRun(const Backend& backend, const LifSize& size, const NeuronParams& params,
            const std::vector<T>& input_values, const std::vector<T>& grad_values)
      : input(input_values),
        v_pre(size.num_steps * size.neurons),
        spikes(size.num_steps * size.neurons),
        grad_spikes(grad_values),
        grad_input((size.static_input ? 1 : size.num_steps) * size.neurons) {
    count = backend.lif_forward<T>(size, params, input.data(), v_pre.data(), spikes.data());
    gradients = {1e300, 1e300};
    backend.lif_backward<T>(size, params, grad_spikes.data(), v_pre.data(), spikes.data(), grad_input.data(),
                            &gradients);
  }
  bool guards_intact() const {
    return input.guards_intact() && v_pre.guards_intact() && spikes.guards_intact() &&
           grad_spikes.guards_intact() && grad_input.guards_intact();
  }
  Buffer<T> input, v_pre, spikes, grad_spikes, grad_input;
  std::int64_t count = -1;
  LifParameterGradients gradients;
};

template <class T>
class LifMatchTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(LifMatchTest, Types);

// Blocks grow once there are more than kMaxBlocks units of 1024 neurons, here to more than the 4096 walked at
// a time; sums must not depend on the number of threads.
TYPED_TEST(LifMatchTest, ManyNeuronsAndAnyNumberOfThreads) {
  using T = TypeParam;
  const LifSize size{2, 1310001, false};
  NeuronParams params;
  params.surrogate = Surrogate::kTriangular;
  const auto input = random_values<T>(size.num_steps * size.neurons, 7);
  const auto grad = random_values<T>(size.num_steps * size.neurons, 8);
  const KernelRun<T> want(Backend{"reference"}, size, params, input, grad);
  for (const Backend& backend : cpu_backends()) {
    LifParameterGradients first;
    for (const int count : {1, 2, 5}) {
      const ThreadCount threads(count);
      const KernelRun<T> got(backend, size, params, input, grad);
      ASSERT_TRUE(got.guards_intact());
      EXPECT_EQ(mismatches(got.v_pre.values(), want.v_pre.values()), 0) << backend.name;
      EXPECT_EQ(mismatches(got.spikes.values(), want.spikes.values()), 0) << backend.name;
      EXPECT_EQ(mismatches(got.grad_input.values(), want.grad_input.values()), 0) << backend.name;
      EXPECT_EQ(got.count, want.count);
      if (count == 1) first = got.gradients;
      EXPECT_EQ(got.gradients.decay, first.decay) << backend.name << " threads " << count;
      EXPECT_EQ(got.gradients.v_threshold, first.v_threshold) << backend.name << " threads " << count;
    }
  }
}

// Large aligned outputs are written past the caches.
TYPED_TEST(LifMatchTest, StreamedOutput) {
  using T = TypeParam;
  const LifSize size{3, 3 << 20, false};
  const auto input = random_values<T>(size.num_steps * size.neurons, 9);
  const auto count = static_cast<std::size_t>(size.num_steps * size.neurons);
  constexpr std::size_t kSlack = 64 / sizeof(T);
  const auto aligned = [](std::vector<T>& values) {
    return values.data() + (64 - reinterpret_cast<std::uintptr_t>(values.data()) % 64) % 64 / sizeof(T);
  };
  const ThreadCount threads(2);
  for (const Reset reset : {Reset::kZero, Reset::kSubtract}) {
    NeuronParams params;
    params.reset = reset;
    std::vector<T> want_v(count), want(count);
    const std::int64_t fired =
        Backend{"reference"}.lif_forward<T>(size, params, input.data(), want_v.data(), want.data());
    for (const Backend& backend : cpu_backends()) {
      std::vector<T> v_pre(count + kSlack, T(-1)), spikes(count + kSlack, T(-1));
      EXPECT_EQ(backend.lif_forward<T>(size, params, input.data(), aligned(v_pre), aligned(spikes)), fired);
      EXPECT_EQ(std::memcmp(aligned(v_pre), want_v.data(), count * sizeof(T)), 0) << backend.name;
      EXPECT_EQ(std::memcmp(aligned(spikes), want.data(), count * sizeof(T)), 0) << backend.name;
      std::fill(spikes.begin(), spikes.end(), T(-1));
      EXPECT_EQ(backend.lif_forward<T>(size, params, input.data(), nullptr, aligned(spikes)), fired);
      EXPECT_EQ(std::memcmp(aligned(spikes), want.data(), count * sizeof(T)), 0) << backend.name;
    }
  }
}

#if defined(__SSE2__)
// Workers treat denormals as the calling thread does, or a value would depend on who computes it.
TYPED_TEST(LifMatchTest, WorkersFlushDenormalsWithTheCaller) {
  using T = TypeParam;
  const LifSize size{4, 50000, false};
  const std::vector<T> input(200000, std::numeric_limits<T>::min() / T(8));
  const ThreadCount threads(3);
  for (const Backend& backend : cpu_backends()) {
    Buffer<T> v_pre(200000), spikes(200000);
    backend.lif_forward<T>(size, {}, input.data(), v_pre.data(), spikes.data());
    EXPECT_EQ(mismatches(v_pre.values(), std::vector<T>(200000, T(0))), 200000)
        << "denormals are there by default";
    const unsigned mode = _mm_getcsr();
    flush_denormals();
    backend.lif_forward<T>(size, {}, input.data(), v_pre.data(), spikes.data());
    _mm_setcsr(mode);
    EXPECT_EQ(mismatches(v_pre.values(), std::vector<T>(200000, T(0))), 0) << backend.name;
  }
}
#endif

TYPED_TEST(LifMatchTest, FiresAtTheThresholdAndCountsSpikes) {
  using T = TypeParam;
  NeuronParams params;
  params.decay = 0.5;
  params.v_threshold = 0.75;
  const LifSize size{2, 3, false};
  const std::vector<T> input{T(0.75), T(0.74), T(1), T(0.74), T(0.38), T(0.76)};
  for (const Backend& backend : all_backends()) {
    for (const Reset reset : {Reset::kZero, Reset::kSubtract}) {
      params.reset = reset;
      std::vector<T> v_pre(6), spikes(6);
      EXPECT_EQ(backend.lif_forward<T>(size, params, input.data(), v_pre.data(), spikes.data()), 4)
          << backend.name;
      EXPECT_EQ(spikes, (std::vector<T>{1, 0, 1, 0, 1, 1})) << backend.name;
      EXPECT_EQ(v_pre[5], reset == Reset::kZero ? T(0.76) : T(0.5) * T(0.25) + T(0.76)) << backend.name;
    }
  }
}

// Constant input, written out.
TYPED_TEST(LifMatchTest, IntegratesAndFires) {
  using T = TypeParam;
  NeuronParams params;
  params.decay = 1.0;
  params.v_threshold = 1.0;
  const LifSize size{6, 1, true};
  const T input = T(0.375);
  for (const Backend& backend : all_backends()) {
    for (const Reset reset : {Reset::kZero, Reset::kSubtract, Reset::kNone}) {
      params.reset = reset;
      std::vector<T> v_pre(6), spikes(6), want{T(0.375), T(0.75), T(1.125)};
      if (reset == Reset::kZero) want.insert(want.end(), {T(0.375), T(0.75), T(1.125)});
      if (reset == Reset::kSubtract) want.insert(want.end(), {T(0.5), T(0.875), T(1.25)});
      if (reset == Reset::kNone) want.insert(want.end(), {T(1.5), T(1.875), T(2.25)});
      backend.lif_forward<T>(size, params, &input, v_pre.data(), spikes.data());
      EXPECT_EQ(v_pre, want) << backend.name;
      EXPECT_EQ(spikes[3], reset == Reset::kNone ? T(1) : T(0)) << backend.name;
    }
  }
}

TYPED_TEST(LifMatchTest, ResetsToAValueAndHasACurrent) {
  using T = TypeParam;
  NeuronParams params;
  params.decay = 0.5;
  params.v_threshold = 1.0;
  params.v_reset = -0.25;
  params.current_decay = 0.5;
  const LifSize size{4, 1, false};
  const std::vector<T> input{1, 0, T(0.5), 0};  // currents 1, 0.5, 0.75, 0.375
  for (const Backend& backend : all_backends()) {
    std::vector<T> v_pre(4), spikes(4);
    backend.lif_forward<T>(size, params, input.data(), v_pre.data(), spikes.data());
    EXPECT_EQ(v_pre, (std::vector<T>{1, T(0.375), T(0.9375), T(0.84375)})) << backend.name;
    EXPECT_EQ(spikes, (std::vector<T>{1, 0, 0, 0})) << backend.name;
  }
}

}  // namespace
}  // namespace spikeloom::kernels::test
