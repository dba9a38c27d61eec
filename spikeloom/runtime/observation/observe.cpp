#include "spikeloom/runtime/observation/observe.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <numeric>
#include <thread>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/observation/picture.h"
#include "spikeloom/runtime/observation/sample_observer.h"

namespace spikeloom::runtime {
namespace {

using report::Decision;

std::shared_ptr<const data::Dataset> open_part(const Model& model, const ObservationRequest& request) {
  const auto& recipe = model.info.recipe;
  const bool test = request.split == "test";
  const auto splits = data::open_dataset(recipe.data, recipe.network.num_steps, request.data_dir,
                                         test ? data::Parts::kTest : data::Parts::kAll);
  auto part = test ? splits.require_test() : request.split == "train" ? splits.train : splits.validation;
  if (part == nullptr) throw DataError("there is no validation part (data.validation_samples = 0)");
  const data::SampleShape shape = part->shape();
  if (!(model::Shape{shape.channels, shape.height, shape.width} == model.info.input)) {
    throw DataError("the model takes samples of " + to_string(model.info.input) + ", the data set '" +
                    recipe.data.dataset + "' has others");
  }
  if (part->class_names() != model.info.class_names) {
    throw DataError("the data set '" + recipe.data.dataset +
                    "' has other classes than the model was trained on");
  }
  return part;
}

std::vector<std::int64_t> evenly_spaced(std::int64_t count, std::int64_t wanted) {
  const std::int64_t taken = wanted <= 0 ? count : std::min(count, wanted);
  std::vector<std::int64_t> list(static_cast<std::size_t>(taken));
  for (std::int64_t i = 0; i < taken; ++i) list[static_cast<std::size_t>(i)] = i * count / taken;
  return list;
}

/// Calls work(worker, i) for i in 0 .. count - 1; rethrows the first thing thrown.
template <class Work>
void in_parallel(int threads, std::size_t count, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(threads));
  const auto run = [&](int worker) {
    try {
      for (std::size_t i = next++; i < count; i = next++) work(worker, i);
    } catch (...) {
      failures[static_cast<std::size_t>(worker)] = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> others;
  for (int worker = 1; worker < threads; ++worker) others.emplace_back(run, worker);
  run(0);
  for (std::thread& one : others) one.join();
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

void count_decisions(const std::vector<Decision>& decisions, report::Observations& result) {
  constexpr int kBins = 10;
  const std::size_t classes = result.classes.size();
  result.confusion.assign(classes, std::vector<std::int64_t>(classes));
  result.calibration.resize(kBins);
  for (const Decision& one : decisions) {
    const bool right = one.label == one.prediction;
    result.correct += right ? 1 : 0;
    ++result.confusion[static_cast<std::size_t>(one.label)][static_cast<std::size_t>(one.prediction)];
    // Votes of weights that have diverged may be no numbers.
    const double confidence = std::isfinite(one.confidence) ? one.confidence : 0.0;
    const int bin = std::clamp(static_cast<int>(confidence * kBins), 0, kBins - 1);
    auto& in = result.calibration[static_cast<std::size_t>(bin)];
    ++in.samples;
    in.correct += right ? 1 : 0;
    in.confidence += confidence;
  }
  double error = 0.0;
  for (auto& bin : result.calibration) {
    error += std::fabs(bin.confidence - static_cast<double>(bin.correct));
    if (bin.samples > 0) bin.confidence /= static_cast<double>(bin.samples);
  }
  if (!decisions.empty()) result.calibration_error = error / static_cast<double>(decisions.size());
}

/// Samples whose spikes are shown where none are named: one of each class, as they come.
std::vector<std::int64_t> choose_rasters(const std::vector<Decision>& decisions, int count) {
  std::vector<std::int64_t> chosen;
  std::vector<int> labels;
  for (const Decision& one : decisions) {
    if (static_cast<int>(chosen.size()) == count) break;
    if (std::find(labels.begin(), labels.end(), one.label) != labels.end()) continue;
    labels.push_back(one.label);
    chosen.push_back(one.index);
  }
  return chosen;
}

}  // namespace

report::Observations observe(const ObservationRequest& request) {
  const Model model = load_model(request.model);
  const auto part = open_part(model, request);
  const data::SampleShape shape = part->shape();
  report::Observations result;
  result.model = model.path;
  result.dataset = model.info.recipe.data.dataset;
  result.split = request.split;
  result.classes = model.info.class_names;
  result.part_size = part->size();
  result.spiking = model.network->spiking;
  const Confidence confidence = confidence_of(model.info.recipe);
  result.confidence = confidence.words;
  for (const std::int64_t index : request.rasters) {
    if (index >= 0 && index < part->size()) continue;
    throw ConfigError("--sample " + std::to_string(index) + ": the " + request.split + " part of " +
                      part->name() + " has the samples 0 .. " + std::to_string(part->size() - 1));
  }
  const std::vector<std::int64_t> indices = evenly_spaced(part->size(), request.samples);
  result.samples = static_cast<std::int64_t>(indices.size());

  const int threads = static_cast<int>(
      std::clamp<std::int64_t>(request.threads, 1, std::max<std::int64_t>(1, result.samples)));
  std::vector<std::unique_ptr<SampleObserver>> observers;
  for (int i = 0; i < threads; ++i) {
    observers.push_back(std::make_unique<SampleObserver>(model.network, shape.is_static, confidence));
  }
  std::vector<Decision> decisions(indices.size());
  std::vector<std::vector<float>> samples(static_cast<std::size_t>(threads),
                                          std::vector<float>(static_cast<std::size_t>(shape.sample_size())));
  in_parallel(threads, indices.size(), [&](int worker, std::size_t i) {
    if (request.stop != nullptr && *request.stop) throw DataError("stopped before all samples were run");
    auto& sample = samples[static_cast<std::size_t>(worker)];
    part->read(indices[i], nullptr, sample.data());
    decisions[i] = observers[static_cast<std::size_t>(worker)]->run({sample.data(), sample.size()},
                                                                    part->label(indices[i]));
    decisions[i].index = indices[i];
  });
  for (int i = 1; i < threads; ++i) observers[0]->add(*observers[static_cast<std::size_t>(i)]);
  result.layers = observers[0]->layers();
  count_decisions(decisions, result);

  std::vector<Decision> hardest = decisions;
  std::stable_sort(hardest.begin(), hardest.end(), [](const Decision& a, const Decision& b) {
    return a.label_confidence < b.label_confidence;
  });
  hardest.resize(std::min(hardest.size(), static_cast<std::size_t>(std::max(0, request.num_hardest))));
  auto& sample = samples[0];
  for (const Decision& one : hardest) {
    part->read(one.index, nullptr, sample.data());
    result.hardest.push_back({one, picture_of(shape, sample.data())});
  }
  const auto rasters =
      request.rasters.empty() ? choose_rasters(decisions, request.num_rasters) : request.rasters;
  for (const std::int64_t index : rasters) {
    part->read(index, nullptr, sample.data());
    auto raster =
        observers[0]->raster({sample.data(), sample.size()}, part->label(index), request.raster_neurons);
    raster.decision.index = index;
    raster.picture = picture_of(shape, sample.data());
    result.rasters.push_back(std::move(raster));
  }
  return result;
}

}  // namespace spikeloom::runtime
