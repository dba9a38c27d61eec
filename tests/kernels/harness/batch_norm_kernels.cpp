// Batch normalisation, its gradients, and moments of slices.
#include "spikeloom/kernels/cpu/batch_norm.h"
#include "spikeloom/kernels/cuda/batch_norm.h"
#include "spikeloom/kernels/reference/batch_norm.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_batch_norm {
namespace {

using test::values_of;

// None, one row, one step, odd numbers of channels, and enough for several blocks.
const BatchNormSize kSizes[] = {{0, 3, 4},   {2, 0, 5},  {3, 2, 0},   {1, 1, 1},    {4, 1, 3},
                                {1, 50, 16}, {4, 7, 19}, {3, 64, 33}, {5, 300, 64}, {2, 1500, 8}};

struct Inputs {
  BatchNormSize size;
  BatchNormParams params;
  std::vector<float> x, gradient, scale, shift, step_scale;
};

Inputs inputs(const BatchNormSize& size, bool with_step_scale) {
  const auto channels = static_cast<std::size_t>(size.channels);
  Inputs in{size,
            {},
            random_values<float>(size.rows() * size.channels, 1, 2.0),
            random_values<float>(size.rows() * size.channels, 2),
            random_values<float>(size.channels, 3),
            random_values<float>(size.channels, 4),
            {}};
  for (std::size_t i = 0; i < in.x.size(); ++i) in.x[i] += static_cast<float>(i % channels) - 3.0f;
  if (with_step_scale) in.step_scale = random_values<float>(size.groups, 5);
  in.params.factor = 0.8;
  in.params.epsilon = 1e-3;
  return in;
}

// The same call on each backend.
struct Calls {
  Run& run;
  const BatchNormSize& size;
  void* workspace;

  template <class T>
  void moments(const T* x, ChannelMoments* to) const {
    if (run.on(Backend::kReference)) return reference::batch_norm_moments(size, x, to);
    if (run.on(Backend::kCpu)) return cpu::batch_norm_moments(size, x, to);
    cuda::batch_norm_moments(run.queue(), size, x, to, workspace);
  }
  void combine(std::int64_t slices, const ChannelMoments* of, float* mean, float* variance) const {
    if (run.on(Backend::kReference))
      return reference::batch_norm_combine(slices, size.channels, of, mean, variance);
    if (run.on(Backend::kCpu)) return cpu::batch_norm_combine(slices, size.channels, of, mean, variance);
    cuda::batch_norm_combine(run.queue(), slices, size.channels, of, mean, variance);
  }
  void update_running(const BatchNormStatistics<float>& batch, float* mean, float* variance) const {
    constexpr double kMomentum = 0.1;
    if (run.on(Backend::kReference)) {
      return reference::batch_norm_update_running(size.channels, size.rows(), kMomentum, batch, mean,
                                                  variance);
    }
    if (run.on(Backend::kCpu))
      return cpu::batch_norm_update_running(size.channels, size.rows(), kMomentum, batch, mean, variance);
    cuda::batch_norm_update_running(run.queue(), size.channels, size.rows(), kMomentum, batch, mean,
                                    variance);
  }
  template <class T>
  void normalise(const BatchNormParams& params, const BatchNormStatistics<float>& statistics,
                 const BatchNormAffine<float>& affine, const T* x, T* y) const {
    if (run.on(Backend::kReference))
      return reference::batch_norm_normalise(size, params, statistics, affine, x, y);
    if (run.on(Backend::kCpu)) return cpu::batch_norm_normalise(size, params, statistics, affine, x, y);
    cuda::batch_norm_normalise(run.queue(), size, params, statistics, affine, x, y, workspace);
  }
  template <class T>
  void backward_sums(const BatchNormParams& params, const BatchNormStatistics<float>& statistics,
                     const T* grad_y, const T* x, double* sums) const {
    if (run.on(Backend::kReference))
      return reference::batch_norm_backward_sums(size, params, statistics, grad_y, x, sums);
    if (run.on(Backend::kCpu))
      return cpu::batch_norm_backward_sums(size, params, statistics, grad_y, x, sums);
    cuda::batch_norm_backward_sums(run.queue(), size, params, statistics, grad_y, x, sums, workspace);
  }
  void parameter_gradients(const BatchNormParams& params, const BatchNormAffine<float>& affine,
                           const double* sums, const BatchNormGradients<float>& to, double* totals) const {
    if (run.on(Backend::kReference))
      return reference::batch_norm_parameter_gradients(size, params, affine, sums, to, totals);
    if (run.on(Backend::kCpu))
      return cpu::batch_norm_parameter_gradients(size, params, affine, sums, to, totals);
    cuda::batch_norm_parameter_gradients(run.queue(), size, params, affine, sums, to, totals);
  }
  template <class T>
  void backward(const BatchNormParams& params, const BatchNormStatistics<float>& statistics,
                const BatchNormAffine<float>& affine, const double* totals, const T* grad_y, const T* x,
                T* grad_x) const {
    const std::int64_t rows = size.rows();
    if (run.on(Backend::kReference)) {
      return reference::batch_norm_backward(size, params, statistics, affine, rows, totals, grad_y, x,
                                            grad_x);
    }
    if (run.on(Backend::kCpu))
      return cpu::batch_norm_backward(size, params, statistics, affine, rows, totals, grad_y, x, grad_x);
    cuda::batch_norm_backward(run.queue(), size, params, statistics, affine, rows, totals, grad_y, x, grad_x,
                              workspace);
  }
};

// What each kernel gets of those before it is the reference's, so that equal bits can be asked for.
template <class T>
void run_kernels(Run& run, const Inputs& in) {
  const BatchNormSize& size = in.size;
  const std::int64_t count = size.rows() * size.channels, c = size.channels;
  const auto channels = static_cast<std::size_t>(c);
  const auto x_values = values_of<T>(in.x), gradient_values = values_of<T>(in.gradient);
  std::vector<ChannelMoments> exact_moments(channels);
  std::vector<float> exact_mean(channels), exact_variance(channels);
  std::vector<double> exact_sums(static_cast<std::size_t>(size.groups * 2 * c));
  reference::batch_norm_moments(size, x_values.data(), exact_moments.data());
  reference::batch_norm_combine(1, c, exact_moments.data(), exact_mean.data(), exact_variance.data());
  reference::batch_norm_backward_sums<T, float>(size, in.params, {exact_mean.data(), exact_variance.data()},
                                                gradient_values.data(), x_values.data(), exact_sums.data());

  const Calls calls{run, size, run.workspace(cuda::batch_norm_workspace(size))};
  const T *x = run.input(x_values), *gradient = run.input(gradient_values);
  const BatchNormStatistics<float> statistics{run.input(exact_mean), run.input(exact_variance)};
  const BatchNormAffine<float> affine{run.input(in.scale), run.input(in.shift),
                                      in.step_scale.empty() ? nullptr : run.input(in.step_scale)};

  auto& moments = run.output<ChannelMoments>(c, true);
  auto &mean = run.output<float>(c), &variance = run.output<float>(c);
  calls.moments(x, moments.data());
  calls.combine(1, moments.data(), mean.data(), variance.data());
  std::vector<double> rows, means, squares;
  for (const ChannelMoments& of : moments.values()) {
    rows.push_back(of.rows);
    means.push_back(of.mean);
    squares.push_back(of.squares);
  }
  run.gives("rows", rows);
  run.gives("moments' mean", means, {1e-13, 1e-13});
  run.gives("moments' squares", squares, {1e-12, 1e-12});
  run.gives("mean", mean, {0.0, 1.2e-7});
  run.gives("variance", variance, {1e-12, 1e-6});
  const std::vector<float> before(channels, 0.75f);
  auto &running_mean = run.in_out(before), &running_variance = run.in_out(before);
  calls.update_running(statistics, running_mean.data(), running_variance.data());
  run.gives("running mean", running_mean);
  run.gives("running variance", running_variance);

  auto &y = run.output<T>(count), &y_in_place = run.in_out(x_values);
  calls.normalise(in.params, statistics, affine, x, y.data());
  calls.normalise(in.params, statistics, affine, y_in_place.data(), y_in_place.data());
  run.gives("y", y);
  run.gives("y in place", y_in_place);

  auto &sums = run.output<double>(size.groups * 2 * c), &totals = run.output<double>(2 * c);
  calls.backward_sums(in.params, statistics, gradient, x, sums.data());
  run.gives("sums", sums, {1e-11, 1e-11});
  const double* sums_in = run.input(exact_sums);
  auto &grad_scale = run.output<float>(c), &grad_shift = run.output<float>(c),
       &grad_step = run.output<float>(static_cast<std::int64_t>(in.step_scale.size()));
  calls.parameter_gradients(
      in.params, affine, sums_in,
      {grad_scale.data(), grad_shift.data(), in.step_scale.empty() ? nullptr : grad_step.data()},
      totals.data());
  run.gives("totals", totals);
  run.gives("grad_scale", grad_scale);
  run.gives("grad_shift", grad_shift);
  // Queues add it up in a tree.
  run.gives("grad_step_scale", grad_step, run.on(Backend::kQueue) ? Tolerance{1e-6, 1e-6} : Tolerance{});
  auto &grad_x = run.output<T>(count), &grad_in_place = run.in_out(gradient_values);
  calls.backward(in.params, statistics, affine, totals.data(), gradient, x, grad_x.data());
  calls.backward(in.params, statistics, affine, totals.data(), grad_in_place.data(), x, grad_in_place.data());
  run.gives("grad_x", grad_x);
  run.gives("grad_x in place", grad_in_place);
}

std::string describe(const BatchNormSize& size) {
  return std::to_string(size.groups) + " groups of " + std::to_string(size.group_rows) + " rows, C " +
         std::to_string(size.channels);
}

template <class T>
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const BatchNormSize& size : kSizes) {
    for (const bool steps : {false, true}) {
      all.push_back({describe(size) + (steps ? " steps scaled" : ""),
                     [=](Run& run) { run_kernels<T>(run, inputs(size, steps)); }});
    }
  }
  return all;
}

// A batch in slices, one of them empty, has the moments of the whole; and values whose mean is far larger
// than their spread, where sums of squares in float would be lost.
std::vector<Case> moments_of_slices() {
  std::vector<Case> all;
  for (const float origin : {0.0f, 4096.0f}) {
    all.push_back({"mean " + std::to_string(origin), [=](Run& run) {
                     auto x = random_values<float>(500, 1);
                     for (float& value : x) value = origin + std::round(value * 64.0f) / 64.0f;
                     const std::vector<std::int64_t> lengths = run.on(Backend::kReference)
                                                                   ? std::vector<std::int64_t>{100}
                                                                   : std::vector<std::int64_t>{1, 0, 40, 59};
                     std::vector<ChannelMoments> parts;
                     std::int64_t first = 0;
                     for (const std::int64_t rows : lengths) {
                       const BatchNormSize size{1, rows, 5};
                       const Calls calls{run, size, run.workspace(cuda::batch_norm_workspace(size))};
                       auto& part = run.output<ChannelMoments>(5, true);
                       calls.moments(run.input(std::vector<float>(x.begin() + first * 5,
                                                                  x.begin() + (first + rows) * 5)),
                                     part.data());
                       const auto values = part.values();
                       parts.insert(parts.end(), values.begin(), values.end());
                       first += rows;
                     }
                     const BatchNormSize whole{1, 100, 5};
                     auto &mean = run.output<float>(5), &variance = run.output<float>(5);
                     Calls{run, whole, nullptr}.combine(static_cast<std::int64_t>(lengths.size()),
                                                        run.input(parts, true), mean.data(), variance.data());
                     run.gives("mean", mean, {0.0, 1.2e-7});
                     run.gives("variance", variance, {0.0, 2.4e-7});
                   }});
  }
  return all;
}

// The whole layer, as an engine runs it, against differences of the reference in double.
std::vector<Case> gradients() {
  std::vector<Case> all;
  for (const bool steps : {false, true}) {
    const BatchNormSize size{3, 4, 5};
    const Inputs in = inputs(size, steps);
    const auto run_layer = [=](Run& run) {
      const Calls calls{run, size, run.workspace(cuda::batch_norm_workspace(size))};
      const float *x = run.input(in.x), *gradient = run.input(in.gradient);
      const BatchNormAffine<float> affine{run.input(in.scale), run.input(in.shift),
                                          steps ? run.input(in.step_scale) : nullptr};
      auto& moments = run.output<ChannelMoments>(5, true);
      auto &mean = run.output<float>(5), &variance = run.output<float>(5), &grad_scale = run.output<float>(5),
           &grad_shift = run.output<float>(5), &grad_step = run.output<float>(3),
           &grad_x = run.output<float>(60);
      auto &sums = run.output<double>(30), &totals = run.output<double>(10);
      calls.moments(x, moments.data());
      calls.combine(1, moments.data(), mean.data(), variance.data());
      const BatchNormStatistics<float> statistics{mean.data(), variance.data()};
      calls.backward_sums(in.params, statistics, gradient, x, sums.data());
      calls.parameter_gradients(in.params, affine, sums.data(),
                                {grad_scale.data(), grad_shift.data(), steps ? grad_step.data() : nullptr},
                                totals.data());
      calls.backward(in.params, statistics, affine, totals.data(), gradient, x, grad_x.data());
      run.gives("grad_x", grad_x, {0.0, 3e-6});
      run.gives("grad_scale", grad_scale, {0.0, 3e-6});
      run.gives("grad_shift", grad_shift, {0.0, 3e-6});
      if (steps) run.gives("grad_step_scale", grad_step, {0.0, 3e-6});
    };
    const auto differences = [=]() -> Outputs {
      const auto doubles = [](const std::vector<float>& of) {
        return std::vector<double>(of.begin(), of.end());
      };
      auto x = doubles(in.x), scale = doubles(in.scale), shift = doubles(in.shift),
           step = doubles(in.step_scale);
      const auto weights = doubles(in.gradient);
      const auto loss = [&] {
        std::vector<double> mean(5), variance(5), y(60);
        std::vector<ChannelMoments> moments(5);
        reference::batch_norm_moments(size, x.data(), moments.data());
        reference::batch_norm_combine(1, 5, moments.data(), mean.data(), variance.data());
        reference::batch_norm_normalise<double, double>(
            size, in.params, {mean.data(), variance.data()},
            {scale.data(), shift.data(), steps ? step.data() : nullptr}, x.data(), y.data());
        double sum = 0.0;
        for (std::size_t i = 0; i < y.size(); ++i) sum += weights[i] * y[i];
        return sum;
      };
      constexpr double kStep = 1e-5;
      return {{"grad_x", slopes(loss, x, kStep), {}},
              {"grad_scale", slopes(loss, scale, kStep), {}},
              {"grad_shift", slopes(loss, shift, kStep), {}},
              {"grad_step_scale", slopes(loss, step, kStep), {}}};
    };
    all.push_back({steps ? "steps scaled" : "plain", run_layer, differences});
  }
  return all;
}

}  // namespace
}  // namespace of_batch_norm

std::vector<Kernel> batch_norm_kernels() {
  using namespace of_batch_norm;
  const std::vector<Backend::Kind> everywhere{Backend::kCpu, Backend::kQueue};
  return {{"batch norm float", everywhere, "", cases<float>, gradients},
          {"batch norm bfloat16", everywhere, "", cases<BFloat16>, {}, "that of float, rounded"},
          {"batch norm of slices", everywhere, "", moments_of_slices, {}, "has none"}};
}

}  // namespace spikeloom::kernels::harness
