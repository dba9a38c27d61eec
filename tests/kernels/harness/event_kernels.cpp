// The event-driven layer: fixed-point weights, currents, and the gradients of weights and inputs, by lists of
// spikes and by products of integers.
#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/window_gradient.h"
#include "spikeloom/kernels/reference/compact_lif.h"
#include "spikeloom/kernels/reference/event_layer.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_event {
namespace {

using test::floats_of;
using test::random_spikes;
using test::values_of;

const std::vector<EventLayer>& layers() {
  static const std::vector<EventLayer> all = {
      {{1, 1, 1, 1, 1, 1}, 1, 0, 1},      // the smallest
      {{2, 3, 5, 4, 8, 1}, 3, 1, 32},     // whole bytes, one vector of filters
      {{3, 2, 6, 7, 64, 1}, 3, 1, 100},   // whole words, filters that fill no vector
      {{2, 2, 4, 4, 13, 1}, 3, 1, 7},     // channels that begin within a byte
      {{2, 2, 8, 8, 16, 2}, 3, 1, 40},    // behind average pooling
      {{1, 2, 7, 9, 24, 3}, 3, 2, 5},     // pooling with a rest, a frame as wide as the kernel allows
      {{2, 1, 5, 5, 16, 1}, 5, 2, 300},   // more filters than a block has
      {{2, 1, 6, 6, 8, 1}, 5, 0, 3},      // no padding
      {{4, 9, 1, 1, 300, 1}, 1, 0, 65},   // fully connected
      {{1, 2, 3, 3, 1200, 1}, 3, 1, 33},  // lists in several parts, sums longer than 16 bits hold
      {{1, 2, 37, 29, 40, 1}, 3, 1, 70},  // images in several pieces
      {{3, 3, 6, 5, 9, 1}, 5, 2, 65},     // several images a piece, a kernel of five
      {{1, 1, 8, 8, 530, 4}, 2, 1, 32},   // pooling by four, an even kernel, channels in parts
      {{2, 1, 43, 39, 72, 2}, 3, 1, 96},  // behind pooling: several blocks of pixels, a block of 32 filters
      {{1, 2, 9, 7, 13, 2}, 3, 1, 64},    // pooled channels that begin within a byte
      {{1, 2, 7, 8, 392, 3}, 3, 1, 130},  // pooling by three, channels in parts
      {{1, 1, 40, 40, 3, 20}, 1, 0, 32},  // counts of nine digits
  };
  return all;
}

std::string describe(std::size_t number, double rate) {
  return "layer " + std::to_string(number) + ", rate " + std::to_string(rate);
}

std::vector<std::uint8_t> spikes_of(const PackedImages& images, double rate) {
  return test::packed(images.num_steps, images.neurons(),
                      random_spikes<float>(images.num_steps * images.neurons(), 5, rate));
}

template <class T>
void run_layer(Run& run, const EventLayer& layer, double rate) {
  const auto* spikes = run.input(spikes_of(layer.images, rate), true);
  auto weight_values = random_values<float>(layer.weight_rows() * layer.filters, 6);
  if (layer.filters > 2) {  // a filter of nothing
    for (std::int64_t row = 0; row < layer.weight_rows(); ++row)
      weight_values[static_cast<std::size_t>(row * layer.filters + 1)] = 0.0f;
  }
  const float* weights = run.input(weight_values);
  const float* bias = run.input(random_values<float>(layer.filters, 7));
  const T* gradient = run.input(values_of<T>(random_values<float>(layer.output_pixels() * layer.filters, 8)));
  auto &output = run.output<T>(layer.output_pixels() * layer.filters),
       &without = run.output<T>(layer.output_pixels() * layer.filters);
  auto& grad_weights = run.output<float>(layer.weight_rows() * layer.filters);
  FixedPointWeights fixed;
  const bool some = rate > 0.0 && rate < 1.0;
  if (run.on(Backend::kReference)) {
    fixed = reference::fixed_point_weights(layer, weights);
    reference::event_forward(layer, spikes, fixed, bias, output.data());
    if (some) reference::event_forward(layer, spikes, fixed, nullptr, without.data());
    reference::event_weight_gradient(layer, spikes, gradient, grad_weights.data());
  } else {
    fixed = cpu::fixed_point_weights(layer, weights, row_strides(layer));
    cpu::event_forward(layer, spikes, fixed, bias, output.data());
    if (some) cpu::event_forward(layer, spikes, fixed, nullptr, without.data());
    cpu::event_weight_gradient(layer, spikes, gradient, grad_weights.data(), row_strides(layer));
  }
  run.gives("fixed-point weights", std::vector<std::int16_t>(fixed.values.begin(), fixed.values.end()));
  run.gives("scales", fixed.scale);
  run.gives("output", output);
  if (some) run.gives("output without bias", without);
  const std::int64_t pool = layer.images.pool;
  const bool exact = pool == 1 || (pool == 2 && sizeof(T) == 2);
  run.gives("grad_weights", grad_weights, {0.0, exact ? 0.0 : 1e-5});
}

template <class T>
std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::size_t i = 0; i < layers().size(); ++i) {
    for (const double rate : {0.0, 0.15, 1.0})
      all.push_back({describe(i, rate), [=](Run& run) { run_layer<T>(run, layers()[i], rate); }});
  }
  return all;
}

// As they are read behind pooling: input gradients do not know of it.
EventLayer without_pooling(EventLayer layer) {
  PackedImages& images = layer.images;
  images = {images.num_steps,      images.batch,    images.pooled_height(),
            images.pooled_width(), images.channels, 1};
  return layer;
}

// Gradients with closed windows and some far above the others, as a network has them.
std::vector<float> uneven_gradient(const EventLayer& layer) {
  auto gradient = random_values<float>(layer.output_pixels() * layer.filters, 8);
  for (std::size_t i = 0; i < gradient.size(); ++i)
    gradient[i] *= i % 3 == 0 ? 0.0f : i % 37 == 0 ? 8.0f : 1.0f;
  return gradient;
}

template <class T>
void run_integers(Run& run, const EventLayer& layer, double rate) {
  const auto* spikes = run.input(spikes_of(layer.images, rate), true);
  const float* weights = run.input(random_values<float>(layer.weight_rows() * layer.filters, 6));
  const float* bias = run.input(random_values<float>(layer.filters, 7));
  const T* gradient = run.input(values_of<T>(uneven_gradient(layer)));
  auto &output = run.output<T>(layer.output_pixels() * layer.filters),
       &without = run.output<T>(layer.output_pixels() * layer.filters);
  auto& grad_weights = run.output<float>(layer.weight_rows() * layer.filters);
  const EventLayer pooled = without_pooling(layer);
  auto& grad_inputs = run.output<T>(pooled.images.num_steps * pooled.images.neurons());
  if (run.on(Backend::kReference)) {
    const auto fixed = reference::fixed_point_weights(layer, weights);
    reference::event_forward(layer, spikes, fixed, bias, output.data());
    reference::event_forward(layer, spikes, fixed, nullptr, without.data());
    reference::event_weight_gradient(layer, spikes, gradient, grad_weights.data());
    const auto all = std::vector<std::uint8_t>(
        static_cast<std::size_t>(pooled.images.num_steps * packed_bytes(pooled.images.neurons())), 0xff);
    const auto rounded = values_of<T>(random_values<float>(layer.weight_rows() * layer.filters, 6));
    reference::window_gradient(pooled, all.data(), gradient, rounded.data(), grad_inputs.data());
  } else if (cpu::can_multiply_integers(layer)) {
    const auto fixed = cpu::fixed_point_weights(layer, weights, row_strides(layer));
    cpu::integer_forward(layer, spikes, fixed, bias, output.data());
    cpu::integer_forward<T>(layer, spikes, fixed, nullptr, without.data());
    cpu::integer_weight_gradient(layer, spikes, gradient, grad_weights.data(), row_strides(layer));
    cpu::integer_input_gradient(layer, gradient, weights, row_strides(layer), grad_inputs.data());
  } else {
    return run.lacks("no products of 16-bit integers here");
  }
  run.gives("output", output);
  run.gives("output without bias", without);
  // Each gradient is rounded by at most the largest of its piece / 65534.
  run.gives("grad_weights", grad_weights, {0.0, 0.0, 5e-4});
  // The reference's weights are rounded to T, and so are both results.
  run.gives("grad_inputs", grad_inputs, {0.0, 0.0, sizeof(T) == 2 ? 6e-3 : 3e-3});
}

template <class T>
std::vector<Case> integer_cases() {
  static const std::vector<EventLayer> all = {
      {{1, 1, 1, 1, 1, 1}, 1, 0, 1},      // the smallest
      {{2, 3, 5, 4, 8, 1}, 3, 1, 32},     // an odd width
      {{3, 2, 6, 7, 64, 1}, 3, 1, 100},   // two blocks of filters, the second not filled
      {{2, 2, 8, 8, 16, 2}, 3, 1, 40},    // behind average pooling
      {{1, 2, 7, 9, 24, 3}, 3, 2, 5},     // pooling with a rest, a frame as wide as the kernel allows
      {{2, 1, 5, 5, 16, 1}, 5, 2, 130},   // filters in groups for the input's gradient
      {{2, 1, 6, 6, 8, 1}, 5, 0, 3},      // no padding
      {{1, 2, 9, 7, 13, 2}, 3, 1, 20},    // an odd number of channels that begin within a byte
      {{3, 5, 7, 7, 12, 2}, 3, 0, 20},    // fully connected behind pooling with a rest
      {{1, 131, 4, 4, 5, 2}, 2, 0, 70},   // the same, two pieces, odd numbers
      {{1, 130, 1, 1, 33, 1}, 1, 0, 70},  // fully connected
      {{1, 1, 70, 20, 5, 1}, 3, 1, 16},   // pieces of some rows
  };
  std::vector<Case> cases;
  for (std::size_t i = 0; i < all.size(); ++i)
    cases.push_back({describe(i, 0.15), [=](Run& run) { run_integers<T>(run, all[i], 0.15); }});
  for (const double rate : {0.0, 1.0})
    cases.push_back({describe(3, rate), [=](Run& run) { run_integers<T>(run, all[3], rate); }});
  return cases;
}

// Plain convolution of values [images, H, W, C] with weights [rows, filters], times a gradient: the loss
// whose derivatives the kernels must give.
double convolved(const EventLayer& layer, const std::vector<double>& values,
                 const std::vector<double>& weights, const std::vector<double>& gradient) {
  const std::int64_t in_h = layer.images.pooled_height(), in_w = layer.images.pooled_width(),
                     channels = layer.images.channels, w = layer.output_width();
  double loss = 0.0;
  for (std::int64_t pixel = 0; pixel < layer.output_pixels(); ++pixel) {
    const std::int64_t image = pixel / (layer.output_height() * w), y = pixel / w % layer.output_height(),
                       x = pixel % w;
    for (std::int64_t tap = 0; tap < layer.kernel * layer.kernel; ++tap) {
      const std::int64_t iy = y + tap / layer.kernel - layer.padding,
                         ix = x + tap % layer.kernel - layer.padding;
      if (iy < 0 || iy >= in_h || ix < 0 || ix >= in_w) continue;
      for (std::int64_t c = 0; c < channels; ++c) {
        const double value =
            values[static_cast<std::size_t>(((image * in_h + iy) * in_w + ix) * channels + c)];
        for (std::int64_t f = 0; f < layer.filters; ++f) {
          loss += value * weights[static_cast<std::size_t>((tap * channels + c) * layer.filters + f)] *
                  gradient[static_cast<std::size_t>(pixel * layer.filters + f)];
        }
      }
    }
  }
  return loss;
}

std::vector<double> doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

const EventLayer kSmall[] = {
    {{2, 2, 4, 3, 5, 1}, 3, 1, 7}, {{1, 2, 5, 4, 3, 2}, 2, 1, 4}, {{2, 1, 5, 5, 2, 1}, 3, 0, 3}};

std::vector<Case> weight_gradients() {
  std::vector<Case> all;
  for (const EventLayer& layer : kSmall) {
    all.push_back(
        {"kernel " + std::to_string(layer.kernel) + " pool " + std::to_string(layer.images.pool),
         [=](Run& run) {
           const auto* spikes = run.input(spikes_of(layer.images, 0.3), true);
           const float* gradient = run.input(random_values<float>(layer.output_pixels() * layer.filters, 8));
           auto& grad = run.output<float>(layer.weight_rows() * layer.filters);
           if (run.on(Backend::kReference)) {
             reference::event_weight_gradient(layer, spikes, gradient, grad.data());
           } else {
             cpu::event_weight_gradient(layer, spikes, gradient, grad.data(), row_strides(layer));
           }
           run.gives("grad_weights", grad, {0.0, 1e-6});
         },
         [=]() -> Outputs {
           std::vector<float> values(
               static_cast<std::size_t>(layer.images.num_steps * layer.images.pooled_neurons()));
           reference::unpack_spikes(layer.images, spikes_of(layer.images, 0.3).data(), values.data());
           auto at = doubles(random_values<float>(layer.weight_rows() * layer.filters, 6));
           const auto in = doubles(values),
                      gradient = doubles(random_values<float>(layer.output_pixels() * layer.filters, 8));
           const auto loss = [&] { return convolved(layer, in, at, gradient); };
           return {{"grad_weights", slopes(loss, at, 1e-1), {}}};  // linear
         }});
  }
  return all;
}

void run_windows(Run& run, const EventLayer& layer, double rate) {
  const auto open_bits = spikes_of(layer.images, rate);
  const auto* open = run.input(open_bits, true);
  const auto* gradient =
      run.input(values_of<BFloat16>(random_values<float>(layer.output_pixels() * layer.filters, 8)));
  const auto* weights =
      run.input(values_of<BFloat16>(random_values<float>(layer.weight_rows() * layer.filters, 6)));
  auto& grad = run.output<BFloat16>(layer.images.num_steps * layer.images.neurons());
  if (run.on(Backend::kReference)) {
    reference::window_gradient(layer, open, gradient, weights, grad.data());
  } else if (cpu::can_skip_closed_windows(layer)) {
    cpu::window_gradient(layer, open, gradient, weights, row_strides(layer), grad.data());
  } else {
    return run.lacks("no products of pairs of bfloat16 here");
  }
  const auto values = floats_of(grad.values());
  std::vector<float> closed;
  const std::int64_t neurons = layer.images.neurons();
  for (std::int64_t i = 0; i < layer.images.num_steps * neurons; ++i) {
    if (!get_bit(open_bits.data() + i / neurons * packed_bytes(neurons), i % neurons))
      closed.push_back(values[static_cast<std::size_t>(i)]);
  }
  run.gives("grad where closed", closed);
  // The order of the sum differs, and the result has 8 bits.
  run.gives("grad", values, {0.0, 1e-5, 0.0, 1.0 / 128});
}

std::vector<Case> window_cases() {
  std::vector<Case> all;
  for (std::size_t i = 0; i < layers().size(); ++i) {
    if (layers()[i].images.pool != 1) continue;
    for (const double rate : {0.0, 0.3, 1.0})
      all.push_back({describe(i, rate), [=](Run& run) { run_windows(run, layers()[i], rate); }});
  }
  return all;
}

std::vector<Case> window_gradients() {
  std::vector<Case> all;
  for (const EventLayer& layer : kSmall) {
    if (layer.images.pool != 1) continue;
    all.push_back(
        {"padding " + std::to_string(layer.padding), [=](Run& run) { run_windows(run, layer, 0.5); },
         [=]() -> Outputs {
           const auto rounded = [](std::int64_t count, unsigned seed) {
             return doubles(floats_of(values_of<BFloat16>(random_values<float>(count, seed))));
           };
           const std::int64_t neurons = layer.images.neurons();
           const auto gradient = rounded(layer.output_pixels() * layer.filters, 8),
                      weights = rounded(layer.weight_rows() * layer.filters, 6);
           std::vector<double> at(static_cast<std::size_t>(layer.images.num_steps * neurons), 0.0), closed;
           const auto loss = [&] { return convolved(layer, at, weights, gradient); };
           auto grad = slopes(loss, at, 1e-1);  // linear
           const auto open = spikes_of(layer.images, 0.5);
           for (std::int64_t i = 0; i < layer.images.num_steps * neurons; ++i) {
             if (get_bit(open.data() + i / neurons * packed_bytes(neurons), i % neurons)) continue;
             grad[static_cast<std::size_t>(i)] = 0.0;
             closed.push_back(0.0);
           }
           return {{"grad", grad, {}}, {"grad where closed", closed, {}}};
         }});
  }
  return all;
}

}  // namespace
}  // namespace of_event

std::vector<Kernel> event_kernels() {
  using namespace of_event;
  const char* none = "queues have no event-driven layers";
  return {{"event layer float", {Backend::kCpu}, none, cases<float>, weight_gradients},
          {"event layer bfloat16", {Backend::kCpu}, none, cases<BFloat16>, {}, "that of float, rounded"},
          {"integer layer float", {Backend::kCpu}, none, integer_cases<float>, {}, "that of the event layer"},
          {"integer layer bfloat16",
           {Backend::kCpu},
           none,
           integer_cases<BFloat16>,
           {},
           "that of the event layer"}};
}

std::vector<Kernel> window_kernels() {
  using namespace of_event;
  const char* none = "queues have no event-driven layers";
  return {{"window gradient bfloat16", {Backend::kCpu}, none, window_cases, window_gradients}};
}

}  // namespace spikeloom::kernels::harness
