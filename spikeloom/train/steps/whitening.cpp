#include "spikeloom/train/steps/whitening.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/data/loader.h"
#include "spikeloom/engine/initialise.h"

namespace spikeloom::train {
namespace {

constexpr std::int64_t kSamples = 512;
constexpr std::int64_t kBatch = 64;
constexpr double kLeastVariance = 5e-4;                        // share of the mean one
constexpr std::uint64_t kDirections = std::uint64_t{1} << 21;  // initialise() has the streams of the stages

/// Patches without their places: [values, patches], values in the order (h, w, c), which is a weight's in
/// memory.
at::Tensor patches_of(const data::Batch& batch, const data::SampleShape& shape,
                      const model::Product& product) {
  const auto kernel = static_cast<std::int64_t>(product.kernel);
  const std::vector<std::int64_t> sizes = {shape.num_steps * batch.size, shape.height, shape.width,
                                           shape.channels};
  // from_blob does not write.
  at::Tensor images = at::from_blob(const_cast<float*>(batch.inputs), sizes, at::kFloat);
  at::Tensor patches = images.unfold(1, kernel, 1).unfold(2, kernel, 1);  // [images, y, x, C, k, k]
  return patches.permute({4, 5, 3, 0, 1, 2}).reshape({kernel * kernel * shape.channels, -1}).to(at::kDouble);
}

at::Tensor covariance_of_patches(const std::shared_ptr<const data::Dataset>& training,
                                 const model::Product& product, std::uint64_t seed) {
  data::LoaderSettings loading;
  loading.batch_size = std::min(kBatch, training->size());
  loading.shuffle = true;
  loading.seed = seed;
  loading.workers = 0;
  data::Loader loader(training, loading);
  at::Tensor sums, products;
  double patches = 0.0;
  for (std::int64_t samples = 0; samples < kSamples;) {
    const data::Batch* batch = loader.next();
    if (batch == nullptr) break;
    const at::Tensor values = patches_of(*batch, training->shape(), product);
    const at::Tensor sum = values.sum(1), square = values.matmul(values.t());
    sums = sums.defined() ? sums + sum : sum;
    products = products.defined() ? products + square : square;
    patches += static_cast<double>(values.size(1));
    samples += batch->size;
  }
  const at::Tensor mean = sums / patches;
  return products / patches - at::outer(mean, mean);
}

}  // namespace

void whiten_first_layer(Network& network, const model::NetworkSettings& settings,
                        const std::shared_ptr<const data::Dataset>& training, std::uint64_t seed) {
  const model::Program& program = network.program();
  const model::Stage& first = program.stages.front();
  const model::Product& product = first.product;
  const data::SampleShape shape = training->shape();
  if (!product.is_convolution()) {
    throw ConfigError(
        "the first layer, " + first.name + ", is no convolution: only the patches of one can be whitened", "",
        0, "init.encoding");
  }
  if (product.kernel > shape.height || product.kernel > shape.width) {
    throw ConfigError("no patch of " + first.name + " lies inside of the image: it cannot be whitened", "", 0,
                      "init.encoding");
  }
  const at::NoGradGuard no_gradient;
  const at::Tensor covariance = covariance_of_patches(training, product, seed);
  auto [variances, vectors] = at::linalg_eigh(covariance);  // smallest first; vectors are columns
  variances = variances.flip(0).clamp_min(0.0);
  vectors = vectors.flip(1).t().contiguous();  // rows
  const double mean_variance = variances.mean().item<double>();
  if (!(mean_variance > 0.0)) {
    throw ConfigError("the training data are the same at every place: they cannot be whitened", "", 0,
                      "init.encoding");
  }
  // The sign of an eigenvector is the library's choice; here the largest component is positive.
  const at::Tensor largest = vectors.gather(1, vectors.abs().argmax(1, true));
  vectors = vectors * largest.sign() / (variances + kLeastVariance * mean_variance).sqrt().unsqueeze(1);

  const std::int64_t values = covariance.size(0);
  const std::int64_t filters = product.output.channels;
  const double threshold = program.spiking ? first.neuron.params.v_threshold : engine::kReferenceThreshold;
  const double deviation = engine::initial_standard_deviation(settings.init.gain, threshold, 1);
  std::vector<float> weights(static_cast<std::size_t>(filters * values));
  for (std::int64_t filter = 0; filter < filters; ++filter) {
    at::Tensor row;
    if (filter < 2 * values) {
      row = vectors[filter / 2] * (filter % 2 == 0 ? 1.0 : -1.0);
    } else {
      RandomStream stream(seed, RandomPurpose::kInit, kDirections, static_cast<std::uint64_t>(filter));
      at::Tensor direction = at::empty({1, values}, at::kDouble);
      for (std::int64_t i = 0; i < values; ++i) direction[0][i] = stream.normal();
      row = (direction / direction.norm()).matmul(vectors)[0];
    }
    const at::Tensor scaled = (row * deviation).to(at::kFloat).contiguous();
    std::copy_n(scaled.data_ptr<float>(), values, weights.data() + filter * values);
  }
  network.engine().write_in_memory_order(product.weight, {weights.data(), weights.size()});
}

}  // namespace spikeloom::train
