// An artificial network's stages on the CPU and on the device's kernels against autograd.
#include <gtest/gtest.h>

#include "tests/backends/device_engines.h"

namespace spikeloom::backends::test {
namespace {

using kernels::cuda::VotingLossKind;

std::unique_ptr<engine::Engine> engine_of(const model::NetworkSettings& settings, const model::Shape& shape,
                                          bool device) {
  auto result = device ? on_device(settings, shape) : on_cpu(settings, shape);
  for (const model::Slot& slot : result->program().slots) {  // biases are 0 at the start
    if (!slot.is_bias) continue;
    const at::Tensor bias = (reference::test::random_normal({slot.size}, at::kFloat, 4) * 0.3).to(at::kFloat);
    result->write(result->program().find_slot(slot.name),
                  {bias.data_ptr<float>(), static_cast<std::size_t>(slot.size)});
  }
  return result;
}

at::Tensor loss_of(const at::Tensor& votes, const engine::LossSpec& spec) {
  if (spec.kind == VotingLossKind::kCrossEntropy) {
    return reference::cross_entropy_loss(votes, labels(), spec.vote_scale);
  }
  return reference::mse_loss(
      votes, labels(),
      spec.kind == VotingLossKind::kMeanSquares ? reference::Reduction::kMean : reference::Reduction::kSum);
}

TEST(ArtificialNetwork, HasTheVotesLossAndGradientsOfAutograd) {
  for (const char* structure : {"16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting",
                                "8C3(Encoding)-AP2-AP2-6C3-Voting", "30FC-20FC-Voting"}) {
    for (const auto kind :
         {VotingLossKind::kSumOfSquares, VotingLossKind::kMeanSquares, VotingLossKind::kCrossEntropy}) {
      for (const bool device : {false, true}) {
        SCOPED_TRACE(std::string(structure) + (device ? " on the device's kernels" : " on the CPU"));
        auto settings = reference::test::settings_of(structure);
        settings.kind = model::NetworkKind::kAnn;
        settings.dropout.rate = kind == VotingLossKind::kMeanSquares ? 0.3 : 0.0;
        settings.compute.precision = model::Precision::kBf16;  // says nothing about values
        const model::Shape shape{3, 13, 12};
        const at::Tensor x = input_of(settings, shape, false);
        const auto engine = engine_of(settings, shape, device);
        reference::Network network = reference::test::make_network(settings, shape, 3, 1, at::kFloat);
        copy_parameters(*engine, network);
        reference::ForwardOptions options;
        options.training = true;
        options.seed = kSeed;
        options.iteration = kIteration;
        engine::LossSpec spec;
        spec.kind = kind;
        spec.vote_scale = 3.0;
        const at::Tensor votes = network.forward(x, options), loss = loss_of(votes, spec);
        loss.backward();

        const Passed got = run(*engine, x, spec);
        EXPECT_NEAR(got.loss, loss.item().toDouble(), 1e-5 * loss.item().toDouble());
        EXPECT_EQ(got.correct, reference::count_correct(votes, labels()));
        EXPECT_LT(relative_error(got.gradients, reference::test::gradients_of(network)), 2e-6);
        const at::NoGradGuard no_grad;
        const at::Tensor want = network.forward(x, {});
        EXPECT_TRUE(
            reference::test::close_to(device_votes(*engine, x), want, 2e-6 * reference::test::largest(want)));
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::backends::test
