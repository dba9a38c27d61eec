// An artificial network's stages on the device backend, on the host's queue, against autograd. Votes and loss
// are plain loops of this test.
#include <gtest/gtest.h>

#include "spikeloom/backends/torch/torch_device.h"
#include "tests/backends/device_engines.h"

namespace spikeloom::backends::test {
namespace {

using engine::Buffer;

// Runs what the backend refuses as long as there are no votes of values.
class ValuesBackend : public DeviceBackend {
 public:
  explicit ValuesBackend(const model::ComputeSettings& compute)
      : DeviceBackend(compute, std::make_unique<TorchDevice>(at::kCPU), std::make_unique<TorchProducts>()) {}

  std::string refusal(const model::Program&, const model::Stage&) const override { return ""; }

  Buffer votes(const engine::Activation& last) override {
    const std::int64_t classes = program_->num_classes,
                       neurons = static_cast<std::int64_t>(program_->class_of.size());
    const Buffer votes = allocate(last.images.batch * classes, engine::Type::kFloat);
    memory().fill_zero(votes);
    for (std::int64_t i = 0; i < last.values.count; ++i) {
      votes.floats()[i / neurons * classes + class_of(i % neurons)] +=
          last.values.floats()[i] * static_cast<float>(classes) / static_cast<float>(neurons);
    }
    return votes;
  }

  // Sum of squares over the classes, mean over the batch.
  engine::OutputGradient loss(const engine::Activation& last, const Buffer& labels,
                              const engine::LossSpec&) override {
    const Buffer given = votes(last);
    const std::int64_t classes = program_->num_classes,
                       neurons = static_cast<std::int64_t>(program_->class_of.size());
    engine::OutputGradient gradient;
    gradient.stage = static_cast<int>(program_->stages.size()) - 1;
    gradient.values = allocate(last.values.count, engine::Type::kFloat);
    for (std::int64_t i = 0; i < last.values.count; ++i) {
      const std::int64_t sample = i / neurons, k = class_of(i % neurons);
      const float wanted = static_cast<std::int64_t*>(labels.data)[sample] == k ? 1.0f : 0.0f;
      gradient.values.floats()[i] = 2.0f * (given.floats()[sample * classes + k] - wanted) *
                                    static_cast<float>(classes) /
                                    static_cast<float>(neurons * last.images.batch);
    }
    return gradient;
  }

 private:
  std::int64_t class_of(std::int64_t neuron) const {
    return program_->class_of[static_cast<std::size_t>(neuron)];
  }
};

TEST(DeviceValues, AnArtificialNetworkHasTheVotesAndGradientsOfAutograd) {
  for (const char* structure : {"16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting",
                                "8C3(Encoding)-AP2-AP2-6C3-Voting", "30FC-20FC-Voting"}) {
    for (const double dropout : {0.0, 0.3}) {
      SCOPED_TRACE(structure);
      auto settings = nn::test::settings_of(structure);
      settings.kind = model::NetworkKind::kAnn;
      settings.dropout.rate = dropout;
      settings.compute.precision = model::Precision::kBf16;  // says nothing about values
      const model::Shape shape{3, 13, 12};
      const at::Tensor x = input_of(settings, shape, false);
      const auto engine = engine_on(settings, shape, std::make_unique<ValuesBackend>(settings.compute));
      for (const model::Slot& slot : engine->program().slots) {  // biases are 0 at the start
        if (!slot.is_bias) continue;
        const at::Tensor bias = (nn::test::random_normal({slot.size}, at::kFloat, 4) * 0.3).to(at::kFloat);
        engine->write(engine->program().find_slot(slot.name),
                      {bias.data_ptr<float>(), static_cast<std::size_t>(slot.size)});
      }
      nn::Network network = nn::test::make_network(settings, shape, 3, 1, at::kFloat);
      copy_parameters(*engine, network);
      nn::ForwardOptions options;
      options.training = true;
      options.seed = kSeed;
      options.iteration = kIteration;
      nn::mse_loss(network.forward(x, options), labels(), nn::Reduction::kSum).backward();
      const auto want = nn::test::gradients_of(network);

      engine->backend().prepare(kIteration, 0.0);
      engine->step(batch_for(*engine, x), {}, training_pass());
      std::vector<at::Tensor> got;
      for (std::size_t slot = 0; slot < engine->program().slots.size(); ++slot) {
        got.push_back(
            as_tensor(engine->gradient(static_cast<int>(slot)), engine->program().slots[slot].shape));
      }
      EXPECT_LT(relative_error(got, want), 1e-6);
      const at::NoGradGuard no_grad;
      const at::Tensor votes = network.forward(x, {});
      EXPECT_TRUE(nn::test::close_to(device_votes(*engine, x), votes, 1e-6 * nn::test::largest(votes)));
    }
  }
}

}  // namespace
}  // namespace spikeloom::backends::test
