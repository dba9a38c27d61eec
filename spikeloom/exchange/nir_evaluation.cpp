#include "spikeloom/exchange/nir_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::exchange {
namespace {

/// The sum of an output: of one that does not fire, and so has any value, within 10^15.
std::int64_t whole_sum(double sum) {
  constexpr double kMost = 1e15;
  return std::llround(std::clamp(sum, -kMost, kMost));
}

/// Steps up to the last that is not all zeros.
std::int64_t used_steps(const std::vector<float>& sample, const data::SampleShape& shape) {
  const auto last = std::find_if(sample.rbegin(), sample.rend(), [](float value) { return value != 0.0F; });
  return (static_cast<std::int64_t>(sample.rend() - last) + shape.step_size() - 1) / shape.step_size();
}

}  // namespace

void check_fit(const NirSimulator& graph, const data::Dataset& samples) {
  const data::SampleShape shape = samples.shape();
  const formats::NirShape image{shape.channels, shape.height, shape.width}, flat{shape.step_size()};
  const formats::NirShape row{shape.channels, shape.width};  // what a Conv1d takes
  const bool is_row = shape.height == 1 && graph.input_shape() == row;
  if (graph.input_shape() != image && graph.input_shape() != flat && !is_row) {
    throw ShapeError(fmt::format("the graph takes {}, samples of {} are {}",
                                 formats::nir_shape_text(graph.input_shape()), samples.name(),
                                 formats::nir_shape_text(image)));
  }
  std::int64_t outputs = 1;
  for (const std::int64_t extent : graph.output_shape()) outputs *= extent;
  if (outputs != static_cast<std::int64_t>(samples.class_names().size())) {
    throw ShapeError(fmt::format("the graph has {} outputs, {} has {} classes", outputs, samples.name(),
                                 samples.class_names().size()));
  }
}

std::vector<double> run_sample(NirSimulator& graph, const std::vector<float>& sample,
                               const data::SampleShape& shape, const NirSamples& which) {
  graph.reset();
  const std::int64_t pixels = shape.height * shape.width;
  std::vector<double> input(static_cast<std::size_t>(shape.step_size())), sums;
  const std::int64_t steps = shape.is_static    ? which.image_steps
                             : which.every_step ? shape.num_steps
                                                : used_steps(sample, shape);
  for (std::int64_t t = 0; t < steps; ++t) {
    const float* frame = sample.data() + (shape.is_static ? 0 : t * shape.step_size());
    for (std::int64_t p = 0; p < pixels; ++p) {
      for (std::int64_t c = 0; c < shape.channels; ++c)
        input[static_cast<std::size_t>(c * pixels + p)] = frame[p * shape.channels + c];
    }
    const auto output = graph.step(input);
    sums.resize(output.size(), 0.0);
    for (std::size_t i = 0; i < output.size(); ++i) sums[i] += output[i];
  }
  return sums;
}

std::vector<double> run_steps(NirSimulator& graph, Span<const float> values, std::int64_t image_steps) {
  std::size_t size = 1;
  for (const std::int64_t extent : graph.input_shape()) size *= static_cast<std::size_t>(extent);
  if (size == 0 || values.empty() || values.size() % size != 0) {
    throw ShapeError(fmt::format("{} values are no whole steps of {}", values.size(),
                                 formats::nir_shape_text(graph.input_shape())));
  }
  graph.reset();
  const auto given = static_cast<std::int64_t>(values.size() / size);
  std::vector<double> input(size), sums;
  for (std::int64_t t = 0; t < (given == 1 ? image_steps : given); ++t) {
    const auto step = values.subspan(given == 1 ? 0 : static_cast<std::size_t>(t) * size, size);
    std::copy(step.begin(), step.end(), input.begin());
    const auto output = graph.step(input);
    sums.resize(output.size(), 0.0);
    for (std::size_t i = 0; i < output.size(); ++i) sums[i] += output[i];
  }
  return sums;
}

NirEvaluation evaluate_nir(const NirSimulator& graph, const data::Dataset& samples, const NirSamples& which,
                           const std::function<void(std::int64_t, std::int64_t)>& progress) {
  check_fit(graph, samples);
  const std::int64_t total = which.limit > 0 ? std::min(which.limit, samples.size()) : samples.size();
  const std::size_t classes = samples.class_names().size();
  NirEvaluation result;
  result.samples = total;
  result.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
  result.spikes = graph.spike_counts();
  for (auto& entry : result.spikes) entry.second = 0;
  std::exception_ptr failure;
  std::int64_t done = 0;
#pragma omp parallel
  {
    NirSimulator own(graph);
    std::vector<float> sample(static_cast<std::size_t>(samples.shape().sample_size()));
#pragma omp for schedule(dynamic)
    for (std::int64_t i = 0; i < total; ++i) {
      try {
        samples.read(i, nullptr, sample.data());
        const auto sums = run_sample(own, sample, samples.shape(), which);
        const auto guess = sums.empty() ? 0 : std::max_element(sums.begin(), sums.end()) - sums.begin();
        const auto label = static_cast<std::size_t>(samples.label(i));
        const auto counts = own.spike_counts();
#pragma omp critical(spikeloom_nir_evaluation)
        {
          ++result.confusion[label][static_cast<std::size_t>(guess)];
          if (static_cast<std::size_t>(guess) == label) ++result.correct;
          for (const double sum : sums) result.output_spikes += whole_sum(sum);
          for (std::size_t n = 0; n < counts.size(); ++n) result.spikes[n].second += counts[n].second;
          if (progress && ++done % 16 == 0) progress(done, total);
        }
      } catch (...) {
#pragma omp critical(spikeloom_nir_evaluation)
        if (!failure) failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
  if (progress) progress(total, total);
  return result;
}

}  // namespace spikeloom::exchange
