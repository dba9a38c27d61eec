// The device's layers against the CPU's: on the host queue everywhere, on a CUDA device where there is one.
#include "spikeloom/nn/device_chain.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/nn/ann_forward.h"
#include "spikeloom/nn/loss.h"
#include "spikeloom/ops/device.h"
#include "tests/nn/named_networks.h"
#include "tests/nn/networks.h"

namespace spikeloom::nn::test {
namespace {

using kernels::cuda::VotingLossKind;

constexpr std::uint64_t kSeed = 3, kIteration = 7;

struct Passed {
  at::Tensor votes, spikes;
  double loss = 0.0;
  std::int64_t correct = 0;
  std::vector<at::Tensor> gradients;
};

at::Tensor input_of(const model::NetworkSettings& settings, const model::Shape& shape, bool events) {
  const std::int64_t steps = events ? settings.num_steps : 1;
  const at::Tensor x =
      random_normal({steps, 4, shape.channels, shape.height, shape.width}, at::kFloat, 5).to(at::kFloat);
  return events ? x.gt(0.8).to(at::kFloat) : x.abs();
}

at::Tensor labels() { return at::tensor({0, 1, 2, 1}, at::kLong); }

void set_neunorm(const Network& network) {
  for (const auto& parameter : network.parameters()) {
    if (parameter.role != ParameterRole::kNeuNorm) continue;
    assign(network, parameter.name, random_normal(parameter.value.sizes(), at::kFloat, 9) * 0.3);
  }
}

at::Tensor loss_of(const at::Tensor& votes, const kernels::cuda::VotingLossParams& loss) {
  switch (loss.kind) {
    case VotingLossKind::kMeanSquares:
      return mse_loss(votes, labels(), Reduction::kMean);
    case VotingLossKind::kSumOfSquares:
      return mse_loss(votes, labels(), Reduction::kSum);
    case VotingLossKind::kCrossEntropy:
      break;
  }
  return cross_entropy_loss(votes, labels(), loss.vote_scale);
}

Passed on_cpu(Network& network, const at::Tensor& x, const kernels::cuda::VotingLossParams& loss) {
  std::vector<LayerActivity> activity;
  ForwardOptions options;
  options.training = true;
  options.seed = kSeed;
  options.iteration = kIteration;
  options.activity = &activity;
  Passed result;
  result.votes = network.forward(x, options);
  const at::Tensor value = loss_of(result.votes, loss);
  value.backward();
  result.loss = value.item().toDouble();
  result.correct = count_correct(result.votes, labels());
  result.gradients = gradients_of(network);
  std::vector<at::Tensor> counts;
  for (const auto& layer : activity) counts.push_back(layer.spike_count);
  result.spikes = at::stack(counts);
  return result;
}

Passed on_device(DeviceChain& chain, const at::Tensor& x, const kernels::cuda::VotingLossParams& loss) {
  const at::Device device = chain.device();
  DeviceSums sums(chain.layer_names().size(), device);
  const at::Tensor iteration =
      at::full({}, static_cast<std::int64_t>(kIteration), at::TensorOptions(at::kLong).device(device));
  chain.train(x.to(device), labels().to(device), loss, kSeed, iteration, sums, nullptr);
  Passed result;
  for (const at::Tensor& gradient : chain.gradients()) result.gradients.push_back(gradient.to(at::kCPU));
  EXPECT_EQ(sums.not_finite.item().toInt(), 0);
  result.loss = sums.loss.item().toDouble() / 4;
  result.correct = sums.correct.item().toLong();
  result.spikes = sums.spikes.to(at::kCPU);
  return result;
}

double relative_error(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& want) {
  double error = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].sizes(), want[i].sizes());
    EXPECT_EQ(got[i].strides(), want[i].strides());
    error += (got[i].to(at::kFloat) - want[i]).to(at::kDouble).square().sum().item().toDouble();
    norm += want[i].to(at::kDouble).square().sum().item().toDouble();
  }
  EXPECT_GT(norm, 0.0);
  return std::sqrt(error / norm);
}

std::vector<Named> device_networks() {
  auto all = networks();
  auto dropout = all.front();
  dropout.name = "dropout, the same mask at each step";
  dropout.settings.dropout.rate = 0.4;
  dropout.settings.dropout.same_mask_each_step = true;
  all.push_back(dropout);
  auto both = dropout;
  both.name = "dropout and NeuNorm, U a channel";
  both.settings.neunorm.enabled = true;
  both.settings.neunorm.per_channel_u = true;
  all.push_back(both);
  return all;
}

// Biases are 0 at the start, so that it does not matter that the device adds them behind the products.
TEST(DeviceChain, HasTheCpusLossSpikesAndGradients) {
  for (const auto& [name, settings, tolerance] : device_networks()) {
    static_cast<void>(tolerance);
    for (const bool events : {false, true}) {
      SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
      const model::Shape shape{events ? 2 : 1, 13, 12};
      const at::Tensor x = input_of(settings, shape, events);
      kernels::cuda::VotingLossParams loss;
      loss.kind = events ? VotingLossKind::kSumOfSquares : VotingLossKind::kCrossEntropy;
      loss.vote_scale = 3.0;
      Network network = make_network(settings, shape, 3, 1, at::kFloat);
      set_neunorm(network);
      const auto want = on_cpu(network, x, loss);
      const auto chain = network.make_device_chain();
      const auto got = on_device(*chain, x, loss);
      EXPECT_TRUE(at::equal(got.spikes, want.spikes)) << got.spikes << want.spikes;
      EXPECT_NEAR(got.loss, want.loss, 1e-6 * std::abs(want.loss));
      EXPECT_EQ(got.correct, want.correct);
      EXPECT_LT(relative_error(got.gradients, want.gradients), 2e-6);
      DeviceSums sums(chain->layer_names().size(), at::kCPU);
      EXPECT_TRUE(at::equal(chain->infer(x, &sums), network.forward(x)));
      EXPECT_GT(sums.spikes.sum().item().toLong(), 0);
    }
  }
}

// Weights, biases and inputs that are multiples of 1/4: currents are exact in float and, behind the first
// layer, in bfloat16.
TEST(DeviceChain, TakesBiasesAndBfloat16) {
  for (const auto precision : {model::Precision::kFp32, model::Precision::kBf16}) {
    auto settings = settings_of("16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting", 4);
    settings.neuron.decay = 0.25;
    const model::Shape shape{1, 13, 12};
    const at::Tensor x = (input_of(settings, shape, false) * 4).round() / 4;
    std::vector<Passed> passed;
    for (const bool device : {false, true}) {
      settings.compute.precision = device ? precision : model::Precision::kFp32;
      Network network = make_network(settings, shape, 3, 1, at::kFloat);
      for (const auto& parameter : network.parameters()) {
        const bool bias = parameter.value.dim() == 1;
        const at::Tensor value =
            bias ? random_normal(parameter.value.sizes(), at::kFloat, 4) * 0.3 : parameter.value.detach();
        assign(network, parameter.name, (value * 4).round() / 4);
      }
      passed.push_back(device ? on_device(*network.make_device_chain(), x, {}) : on_cpu(network, x, {}));
    }
    EXPECT_TRUE(at::equal(passed[1].spikes, passed[0].spikes));
    EXPECT_NEAR(passed[1].loss, passed[0].loss, 1e-6);
    const bool fp32 = precision == model::Precision::kFp32;
    EXPECT_LT(relative_error(passed[1].gradients, passed[0].gradients), fp32 ? 2e-6 : 1e-2);
  }
}

TEST(DeviceChain, RefusesWhatItCannotRun) {
  const auto refused = [](const model::NetworkSettings& settings, at::ScalarType dtype = at::kFloat) {
    Network network = make_network(settings, {1, 8, 8}, 3, 1, dtype);
    EXPECT_THROW(network.make_device_chain(), ConfigError);
  };
  const auto plain = settings_of("4C3-AP2-Voting");
  refused(plain, at::kDouble);
  auto settings = plain;
  settings.compute.state = model::StateMode::kExact;
  refused(settings);
  settings = plain;
  settings.learn_decay = true;
  refused(settings);
  settings = plain;
  settings.learn_v_threshold = true;
  refused(settings);
  settings = plain;
  settings.neuron.smooth = true;
  refused(settings);
  settings = plain;
  settings.kind = model::NetworkKind::kAnn;
  refused(settings);
  settings = settings_of("4C3-AP2-AP2-4C3-Voting");
  settings.neunorm.enabled = true;
  refused(settings);
}

TEST(DeviceChain, KeepsWhatItSaysItKeeps) {
  auto settings = settings_of("4C3-AP2-8C3-Voting", 5);
  settings.neunorm.enabled = true;
  Network network = make_network(settings, {1, 8, 8}, 3, 1, at::kFloat);
  // Behind the first layer 4 x 8 x 8 neurons with a code and a bit, and x of NeuNorm; behind the second 8 x 4
  // x 4; 6 voting neurons. Two samples, bits in words of 64.
  const std::int64_t first = 2 * 256 + 2 * 256 / 8 + 2 * 64 * 4, second = 2 * 128 + 2 * 128 / 8,
                     votes = 12 + 8;
  EXPECT_EQ(network.make_device_chain()->saved_bytes(2), 5 * (first + second + votes));
  settings.neuron.surrogate = kernels::Surrogate::kSigmoid;  // codes of two bytes
  Network tails = make_network(settings, {1, 8, 8}, 3, 1, at::kFloat);
  EXPECT_EQ(tails.make_device_chain()->saved_bytes(2), 5 * (first + second + votes + 2 * 256 + 2 * 128 + 12));
}

TEST(AnnForward, EqualsTheBlocks) {
  auto settings = settings_of("16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting");
  settings.kind = model::NetworkKind::kAnn;
  settings.dropout.rate = 0.3;
  const model::Shape shape{3, 13, 12};
  const at::Tensor x = input_of(settings, shape, false);
  ForwardOptions options;
  options.training = true;
  options.seed = kSeed;
  options.iteration = kIteration;
  Network network = make_network(settings, shape, 3, 1, at::kFloat);
  const at::Tensor want = network.forward(x, options);
  loss_of(want, {}).backward();
  const auto want_gradients = gradients_of(network);
  clear_gradients(network);
  const at::Tensor got = network.ann_votes(x, options);
  loss_of(got, {}).backward();
  EXPECT_TRUE(close_to(got, want, 1e-5 * largest(want)));
  EXPECT_LT(relative_error(gradients_of(network), want_gradients), 1e-5);
}

TEST(CudaDevice, NetworkHasTheCpusLossSpikesAndGradients) {
  if (kernels::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device";
  const at::Device device = ops::device_of("cuda");
  ops::prepare_arithmetic(device, false);
  for (const auto& [name, settings, tolerance] : device_networks()) {
    static_cast<void>(tolerance);
    SCOPED_TRACE(name);
    const model::Shape shape{2, 13, 12};
    // Exact currents: cuDNN adds up in another order than the CPU.
    const at::Tensor x = input_of(settings, shape, true);
    std::vector<Passed> passed;
    for (const bool on_gpu : {false, true}) {
      Network network = make_network(settings, shape, 3, 1, at::kFloat);
      for (const auto& parameter : network.parameters()) {
        assign(network, parameter.name, (parameter.value * 4).round() / 4);
      }
      if (on_gpu) network.to(device);
      passed.push_back(on_gpu ? on_device(*network.device_chain(), x, {}) : on_cpu(network, x, {}));
    }
    EXPECT_NEAR(passed[1].loss, passed[0].loss, 1e-3 * passed[0].loss);
    if (settings.dropout.rate > 0.0 || settings.neunorm.enabled) continue;  // their currents are not exact
    EXPECT_TRUE(at::equal(passed[1].spikes, passed[0].spikes));
    EXPECT_LT(relative_error(passed[1].gradients, passed[0].gradients), 1e-5);
  }
}

TEST(CudaDevice, IsNamed) {
  EXPECT_TRUE(ops::device_of("cpu").is_cpu());
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:99999", "cpu:0", "CUDA"}) {
    EXPECT_THROW(ops::device_of(name), DeviceError) << name;
  }
  if (kernels::cuda::device_count() == 0) {
    EXPECT_THROW(ops::device_of("cuda"), DeviceError);
  } else {
    EXPECT_TRUE(ops::device_of("cuda:0").is_cuda());
    EXPECT_THROW(ops::device_of("cuda:77"), DeviceError);
  }
}

}  // namespace
}  // namespace spikeloom::nn::test
