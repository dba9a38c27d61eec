// Kernels on plain arrays: rectified linear units, rounding, packing, column sums, what a layer reads (spikes
// through NeuNorm, pooling and dropout in one pass), and the fully connected product of inference.
#include "spikeloom/kernels/cpu/linear.h"
#include "spikeloom/kernels/cuda/bias_gradient.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/cuda/relu.h"
#include "spikeloom/kernels/cuda/round_values.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "spikeloom/kernels/reference/linear.h"
#include "spikeloom/kernels/reference/relu.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_value {
namespace {

using test::random_spikes;
using test::values_of;

constexpr std::int64_t kCounts[] = {0, 1, 7, 8, 9, 64, 1003, 100000};

void run_relu(Run& run, const std::vector<float>& start, const std::vector<float>& gradient) {
  const auto count = static_cast<std::int64_t>(start.size());
  auto &values = run.in_out(start), &in_place = run.in_out(gradient);
  auto& grad_input = run.output<float>(count);
  const float* grad_output = run.input(gradient);
  if (run.on(Backend::kReference)) {
    reference::relu_forward(count, values.data());
    reference::relu_backward(count, values.data(), grad_output, grad_input.data());
    reference::relu_backward(count, values.data(), in_place.data(), in_place.data());
  } else {
    cuda::relu_forward(run.queue(), count, values.data());
    cuda::relu_backward(run.queue(), count, values.data(), grad_output, grad_input.data());
    cuda::relu_backward(run.queue(), count, values.data(), in_place.data(), in_place.data());
  }
  run.gives("values", values);
  run.gives("grad_input", grad_input);
  run.gives("grad_input in place", in_place);
}

std::vector<Case> relu_cases() {
  std::vector<Case> all;
  for (const std::int64_t count : kCounts) {
    all.push_back({std::to_string(count), [count](Run& run) {
                     auto values = random_values<float>(count, 1);
                     if (count > 2) values[2] = 0.0f;
                     if (count > 4) values[4] = -0.0f;
                     run_relu(run, values, random_values<float>(count, 2));
                   }});
  }
  return all;
}

std::vector<Case> relu_gradients() {
  const std::vector<float> start{-2.0f, -0.5f, 0.25f, 1.0f, 3.0f, -1.0f, 0.5f, 2.0f, -4.0f};
  const auto gradient = random_values<float>(9, 2);
  return {{"", [=](Run& run) { run_relu(run, start, gradient); },
           [=]() -> Outputs {
             std::vector<double> slope, values;
             for (std::size_t i = 0; i < start.size(); ++i) {
               slope.push_back(start[i] > 0.0f ? gradient[i] : 0.0);
               values.push_back(std::max(start[i], 0.0f));
             }
             return {{"values", values, {}}, {"grad_input", slope, {}}, {"grad_input in place", slope, {}}};
           }}};
}

std::vector<Case> round_cases() {
  std::vector<Case> all;
  for (const std::int64_t count : kCounts) {
    all.push_back({std::to_string(count), [count](Run& run) {
                     auto values = random_values<float>(count, 3);
                     if (count > 3) values[3] = 1.00390625f;  // half way: to the even one
                     auto& rounded = run.output<BFloat16>(count);
                     const float* from = run.input(values);
                     if (run.on(Backend::kReference)) {
                       const auto all_rounded = values_of<BFloat16>(values);
                       std::copy(all_rounded.begin(), all_rounded.end(), rounded.data());
                     } else {
                       cuda::round_values(run.queue(), count, from, rounded.data());
                     }
                     run.gives("rounded", rounded);
                   }});
  }
  return all;
}

template <class T>
std::vector<T> as(const std::vector<float>& values) {
  return values_of<T>(values);
}
template <>
std::vector<std::uint8_t> as<std::uint8_t>(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

template <class T>
std::vector<Case> pack_cases() {
  std::vector<Case> all;
  for (const std::int64_t steps : {1, 3}) {
    for (const std::int64_t neurons : {0, 1, 7, 8, 63, 64, 65, 200}) {
      all.push_back({std::to_string(neurons), [=](Run& run) {
                       const auto fired = random_spikes<float>(steps * neurons, 9);
                       auto& bits = run.output<std::uint8_t>(steps * packed_bytes(neurons), true);
                       const T* from = run.input(as<T>(fired));
                       if (run.on(Backend::kReference)) {
                         const auto want = test::packed(steps, neurons, fired);
                         std::copy(want.begin(), want.end(), bits.data());
                       } else {
                         cuda::pack_spikes(run.queue(), steps, neurons, from, bits.data());
                       }
                       run.gives("spikes", bits);
                     }});
    }
  }
  return all;
}

template <class T>
void run_columns(Run& run, std::int64_t rows, std::int64_t channels) {
  const auto values = values_of<T>(random_values<float>(rows * channels, 1));
  std::vector<double> want(static_cast<std::size_t>(channels)), magnitude(want.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto c = i % static_cast<std::size_t>(channels);
    want[c] += widen(values[i]);
    magnitude[c] += std::abs(widen(values[i]));
  }
  if (run.on(Backend::kReference)) {
    run.gives("sums per magnitude", std::vector<double>(want.size(), 0.0));
    return;
  }
  auto& sums = run.output<float>(channels);
  cuda::bias_gradient(run.queue(), rows, channels, run.input(values), sums.data(),
                      run.workspace(cuda::bias_gradient_workspace(rows, channels)));
  std::vector<double> error = want;  // of each column, in units of its sum of magnitudes
  const auto got = sums.values();
  for (std::size_t c = 0; c < error.size(); ++c)
    error[c] = (got[c] - want[c]) / std::max(magnitude[c], 1e-25);
  run.gives("sums per magnitude", error, {1e-5});
}

template <class T>
std::vector<Case> column_cases() {
  std::vector<Case> all;
  const auto add = [&](std::int64_t rows, std::int64_t channels) {
    all.push_back({std::to_string(rows) + " x " + std::to_string(channels),
                   [=](Run& run) { run_columns<T>(run, rows, channels); }});
  };
  for (const std::int64_t channels : {1, 3, 5, 8, 33, 96, 100, 128}) {
    for (const std::int64_t rows : {0, 1, 15, 16, 17, 1000, 4099}) add(rows, channels);
  }
  add(70001, 128);  // more rows a thread, and no multiple of what it loads at a time
  return all;
}

const PackedImages kImages[] = {{1, 1, 1, 1, 1, 1},  {3, 2, 3, 5, 3, 1},  {3, 2, 4, 6, 16, 2},
                                {2, 1, 5, 7, 24, 2}, {4, 0, 4, 4, 8, 2},  {0, 2, 4, 4, 8, 2},
                                {3, 2, 5, 5, 33, 2}, {2, 1, 7, 5, 96, 2}, {3, 2, 1, 1, 128, 1},
                                {2, 3, 6, 7, 8, 3},  {2, 1, 9, 8, 5, 4},  {2, 2, 1, 1, 100, 1}};
constexpr std::uint64_t kLayer = 5, kIteration = 0x123456789abcu, kKey = 0xfedcba9876543210u;

enum class NeuNormPlace { kNone, kShared, kEach, kSharedBehind, kEachBehind };

struct LayerInput {
  PackedImages images;
  NeuNormPlace where;
  double rate;
  bool same_mask;
};

// The reference's steps one after the other.
std::vector<float> in_turn(const LayerInput& p, std::int64_t positions, const std::vector<float>& spikes,
                           const std::vector<float>& x, const std::vector<float>& u) {
  const bool shared = p.where == NeuNormPlace::kShared || p.where == NeuNormPlace::kSharedBehind;
  const bool behind = p.where == NeuNormPlace::kSharedBehind || p.where == NeuNormPlace::kEachBehind;
  const bool none = p.where == NeuNormPlace::kNone;
  const auto subtract = [&](std::vector<float> values) {
    const auto channels = static_cast<std::size_t>(p.images.channels),
               maps = static_cast<std::size_t>(positions);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t map = i / channels;
      values[i] -= u[shared ? map % maps : map % maps * channels + i % channels] * x[map];
    }
    return values;
  };
  const PackedImages& images = p.images;
  std::vector<float> want(static_cast<std::size_t>(images.num_steps * images.pooled_neurons()));
  reference::avg_pool_forward(
      {images.num_steps * images.batch, images.height, images.width, images.channels, images.pool},
      (none || behind ? spikes : subtract(spikes)).data(), want.data());
  if (behind) want = subtract(want);
  if (p.rate > 0.0) {
    reference::dropout_apply({images.num_steps, images.pooled_neurons(), p.same_mask}, p.rate,
                             {kKey, kLayer << kDropoutIterationBits | kIteration}, want.data(), want.data());
  }
  return want;
}

template <class T>
void run_layer_input(Run& run, const LayerInput& p) {
  const PackedImages& images = p.images;
  const bool shared = p.where == NeuNormPlace::kShared || p.where == NeuNormPlace::kSharedBehind;
  const bool behind = p.where == NeuNormPlace::kSharedBehind || p.where == NeuNormPlace::kEachBehind;
  const std::int64_t positions =
      behind ? images.pooled_height() * images.pooled_width() : images.height * images.width;
  const auto spikes = random_spikes<float>(images.num_steps * images.neurons(), 1);
  const auto x = random_values<float>(images.num_steps * images.batch * positions, 2);
  const auto u = random_values<float>(positions * (shared ? 1 : images.channels), 3);
  auto& values = run.output<T>(images.num_steps * images.pooled_neurons());
  if (run.on(Backend::kReference)) {
    const auto want = values_of<T>(in_turn(p, positions, spikes, x, u));
    std::copy(want.begin(), want.end(), values.data());
  } else {
    cuda::DropoutDraw draw;
    draw.iteration = run.input(std::vector<std::uint64_t>{kIteration}, true);
    draw.layer = kLayer;
    draw.key = kKey;
    draw.rate = p.rate;
    draw.same_mask_each_step = p.same_mask;
    const cuda::NeuNormInput neunorm{run.input(x, true), run.input(u), shared, behind};
    cuda::layer_input(
        run.queue(), images, run.input(test::packed(images.num_steps, images.neurons(), spikes), true),
        p.where == NeuNormPlace::kNone ? nullptr : &neunorm, p.rate > 0.0 ? &draw : nullptr, values.data());
  }
  run.gives("values", values);
}

template <class T>
std::vector<Case> layer_input_cases() {
  std::vector<Case> all;
  for (const PackedImages& images : kImages) {
    for (const auto where : {NeuNormPlace::kNone, NeuNormPlace::kShared, NeuNormPlace::kEach,
                             NeuNormPlace::kSharedBehind, NeuNormPlace::kEachBehind}) {
      for (const double rate : {0.0, 0.3}) {
        for (const bool same_mask : {false, true}) {
          all.push_back({"channels " + std::to_string(images.channels) + " pool " +
                             std::to_string(images.pool) + " neunorm " +
                             std::to_string(static_cast<int>(where)) + " rate " + std::to_string(rate) +
                             (same_mask ? " same mask" : ""),
                         [=](Run& run) {
                           run_layer_input<T>(run, {images, where, rate, same_mask});
                         }});
        }
      }
    }
  }
  return all;
}

std::vector<Case> linear_cases() {
  std::vector<Case> all;
  for (const LinearSize& size : {LinearSize{0, 3, 2},
                                 {1, 1, 1},
                                 {2, 0, 3},
                                 {3, 8, 4},
                                 {5, 7, 9},
                                 {64, 343, 9},
                                 {35, 1024, 37},
                                 {10, 2500, 130}}) {
    for (const bool has_bias : {false, true}) {
      all.push_back({"rows " + std::to_string(size.rows) + " inputs " + std::to_string(size.inputs) +
                         " filters " + std::to_string(size.filters) + (has_bias ? " bias" : ""),
                     [=](Run& run) {
                       const float *x = run.input(random_values<float>(size.rows * size.inputs, 1)),
                                   *weight = run.input(random_values<float>(size.filters * size.inputs, 2)),
                                   *bias = run.input(random_values<float>(size.filters, 3));
                       auto& y = run.output<float>(size.rows * size.filters);
                       const auto linear =
                           run.on(Backend::kReference) ? reference::linear_forward : cpu::linear_forward;
                       linear(size, x, weight, has_bias ? bias : nullptr, y.data());
                       run.gives("y", y, {0.0, 1e-6});
                     }});
    }
  }
  return all;
}

}  // namespace
}  // namespace of_value

std::vector<Kernel> value_kernels() {
  using namespace of_value;
  const std::vector<Backend::Kind> queues{Backend::kQueue};
  const char *own = "the CPU has the host queue's", *none = "has none",
             *parts = "its parts' own: dropout, neunorm, average pooling";
  return {
      {"relu float", queues, own, relu_cases, relu_gradients},
      {"rounding", queues, own, round_cases, {}, none},
      {"packing float", queues, own, pack_cases<float>, {}, none},
      {"packing bfloat16", queues, own, pack_cases<BFloat16>, {}, none},
      {"packing bytes", queues, own, pack_cases<std::uint8_t>, {}, none},
      {"bias gradient float", queues, own, column_cases<float>, {}, "is one: a sum"},
      {"bias gradient bfloat16", queues, own, column_cases<BFloat16>, {}, "is one: a sum"},
      {"layer input float", queues, "the CPU goes step by step", layer_input_cases<float>, {}, parts},
      {"layer input bfloat16", queues, "the CPU goes step by step", layer_input_cases<BFloat16>, {}, parts},
      {"linear", {Backend::kCpu}, "a device has its own BLAS", linear_cases, {}, "of inference alone"}};
}

}  // namespace spikeloom::kernels::harness
