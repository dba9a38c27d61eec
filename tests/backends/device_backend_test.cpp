// The device backend on the host's queue against the CPU's and the network under autograd.
#include "spikeloom/backends/device/device_backend.h"

#include <gtest/gtest.h>

#include <functional>

#include "spikeloom/base/errors.h"
#include "spikeloom/engine/optimizer.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "tests/backends/device_engines.h"

namespace spikeloom::backends::test {
namespace {

using engine::Engine;
using kernels::cuda::VotingLossKind;
using model::NetworkSettings;
using model::Precision;
using model::StateMode;
using reference::test::settings_of;

// Biases are 0 at the start, so that it does not matter that the device adds them behind the products.
TEST(DeviceBackend, HasLossSpikesAndGradientsOfCpuAndReference) {
  for (const auto& [name, settings, tolerance] : device_networks()) {
    for (const bool events : {false, true}) {
      SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
      const model::Shape shape{events ? 2 : 1, 13, 12};
      const at::Tensor x = input_of(settings, shape, events);
      engine::LossSpec loss;
      loss.kind = events ? VotingLossKind::kSumOfSquares : VotingLossKind::kCrossEntropy;
      loss.vote_scale = 3.0;
      const auto cpu = on_cpu(settings, shape), device = on_device(settings, shape);
      const Passed want = run(*cpu, x, loss), got = run(*device, x, loss);
      EXPECT_EQ(got.spikes, want.spikes);
      EXPECT_NEAR(got.loss, want.loss, 1e-6 * std::abs(want.loss));
      EXPECT_EQ(got.correct, want.correct);
      EXPECT_LT(relative_error(got.gradients, want.gradients), 2e-6);
      const Passed exact = by_autograd(settings, shape, x, loss);
      EXPECT_EQ(got.spikes, exact.spikes);
      EXPECT_EQ(got.correct, exact.correct);
      EXPECT_LT(relative_error(got.gradients, exact.gradients), tolerance);
      EXPECT_TRUE(at::equal(device_votes(*device, x), device_votes(*cpu, x)));
      EXPECT_GT(device->collect().spikes.back(), 0);
    }
  }
}

TEST(DeviceBackend, TakesBiasesAndBfloat16) {
  auto settings = settings_of("16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting", 4);
  settings.neuron.decay = 0.25;
  const model::Shape shape{1, 13, 12};
  const at::Tensor x = (input_of(settings, shape, false) * 4).round() / 4;
  for (const auto precision : {Precision::kFp32, Precision::kBf16}) {
    const auto cpu = on_cpu(settings, shape);
    put_on_the_grid(*cpu, true);
    const Passed want = run(*cpu, x);
    NetworkSettings chosen = settings;
    chosen.compute.precision = precision;
    const auto device = on_device(chosen, shape);
    put_on_the_grid(*device, true);
    const Passed got = run(*device, x);
    EXPECT_EQ(got.spikes, want.spikes);
    EXPECT_NEAR(got.loss, want.loss, 1e-6);
    const bool fp32 = precision == Precision::kFp32;
    EXPECT_LT(relative_error(got.gradients, want.gradients), fp32 ? 2e-6 : 1e-2);
    EXPECT_TRUE(at::equal(device_votes(*device, x), device_votes(*cpu, x)));
    EXPECT_EQ(device->backend().path(device->program(), device->program().stages[1]),
              fp32 ? "compact state, fp32 products" : "compact state, bf16 products");
    EXPECT_EQ(device->backend().path(device->program(), device->program().stages[0]),
              "compact state, fp32 products");
  }
}

// Both round the same values at the same places, but for NeuNorm with dropout behind it, where the CPU rounds
// in between as well. Gradients on the way have 8 bits.
TEST(DeviceBackend, HasTheCpusSpikesInBfloat16) {
  for (const auto& [name, settings, tolerance] : device_networks()) {
    static_cast<void>(tolerance);
    if (settings.neunorm.enabled && settings.dropout.rate > 0.0) continue;
    for (const bool events : {false, true}) {
      SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
      const model::Shape shape{events ? 2 : 1, 13, 12};
      const at::Tensor x = input_of(settings, shape, events);
      NetworkSettings chosen = settings;
      chosen.compute.precision = Precision::kBf16;
      const auto cpu = on_cpu(chosen, shape), device = on_device(chosen, shape);
      const Passed want = run(*cpu, x), got = run(*device, x);
      EXPECT_EQ(got.spikes, want.spikes);
      EXPECT_EQ(got.correct, want.correct);
      EXPECT_NEAR(got.loss, want.loss, 1e-6 * want.loss);
      EXPECT_LT(relative_error(got.gradients, want.gradients), 1e-2);
      EXPECT_TRUE(at::equal(device_votes(*device, x), device_votes(*cpu, x)));
    }
  }
}

// Without biases both have the same bits: weights of several steps do not drift apart.
TEST(DeviceBackend, LearnsAsTheCpuDoes) {
  engine::UpdateRule sgd, clipped, adam;
  clipped.momentum = 0.0;
  clipped.max_gradient_norm = 0.1;
  adam.kind = engine::UpdateRule::kAdam;
  auto settings = settings_of("16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting", 4);
  settings.bias = false;
  settings.dropout.rate = 0.3;
  const model::Shape shape{2, 13, 12};
  const at::Tensor x = input_of(settings, shape, true);
  for (const auto& [rule, precision] : {std::pair{sgd, Precision::kFp32},
                                        {clipped, Precision::kFp32},
                                        {adam, Precision::kFp32},
                                        {sgd, Precision::kBf16},
                                        {adam, Precision::kBf16}}) {
    settings.compute.precision = precision;
    const double rate = rule.kind == engine::UpdateRule::kAdam ? 1e-3 : rule.momentum == 0.0 ? 0.2 : 0.05;
    std::vector<std::vector<at::Tensor>> weights;
    std::vector<std::vector<std::int64_t>> spikes;
    double moved = 0.0;
    for (const bool device : {false, true}) {
      const auto engine = device ? on_device(settings, shape) : on_cpu(settings, shape);
      std::vector<engine::SlotUpdate> slots;
      std::vector<at::Tensor> before, behind;
      const auto read = [&](std::vector<at::Tensor>& into) {
        for (std::size_t slot = 0; slot < engine->program().slots.size(); ++slot) {
          into.push_back(
              as_tensor(engine->read(static_cast<int>(slot)), engine->program().slots[slot].shape));
        }
      };
      read(before);
      for (std::size_t slot = 0; slot < before.size(); ++slot) {
        slots.push_back({static_cast<int>(slot), slot == 0 ? 0.5 : 1.0, 1e-3});
      }
      engine::Optimizer optimizer(*engine, rule, slots);
      const engine::Batch batch = batch_for(*engine, x);
      engine::Pass pass = training_pass();
      for (pass.iteration = 0; pass.iteration < 5; ++pass.iteration) {
        optimizer.prepare(pass.iteration, rate);
        engine->step(batch, {}, pass);
        optimizer.step();
        EXPECT_TRUE(engine->gradient(0).empty()) << "dropped by the update";
      }
      EXPECT_EQ(optimizer.steps(), 5);
      spikes.push_back(engine->collect().spikes);
      read(behind);
      moved = relative_error(behind, before);
      weights.push_back(behind);
    }
    EXPECT_GT(moved, 1e-3);
    EXPECT_EQ(spikes[1], spikes[0]);
    EXPECT_LT(relative_error(weights[1], weights[0]), 1e-6);
  }
}

std::string refusal_of(const NetworkSettings& settings,
                       const std::function<void(model::Program&)>& change = nullptr) {
  auto program = model::make_program(model::plan_network(settings, {1, 8, 8}, 3), settings, 1);
  if (change) change(program);
  const auto backend = make_device_backend(settings.compute, at::kCPU);
  std::string text;
  for (const model::Stage& stage : program.stages) {
    const std::string refusal = backend->refusal(program, stage);
    if (text.empty()) text = refusal;
  }
  return text;
}

TEST(DeviceBackend, RefusesInWordsWhatItCannotRun) {
  const auto plain = settings_of("4C3-AP2-4C3-Voting");
  const auto says = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' says nothing of " << part;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  };
  EXPECT_EQ(refusal_of(plain), "");
  auto settings = plain;
  settings.compute.state = StateMode::kExact;
  says(refusal_of(settings), "compute.state = \"exact\"");
  EXPECT_THROW(on_device(settings, {1, 8, 8}), ConfigError);
  settings = plain;
  settings.learn_decay = true;
  says(refusal_of(settings), "neuron.decay");
  settings = plain;
  settings.learn_v_threshold = true;
  says(refusal_of(settings), "neuron.v_threshold");
  settings = plain;
  settings.neuron.smooth = true;
  says(refusal_of(settings), "smooth");
  says(refusal_of(plain, [](model::Program& p) { p.stages[1].inputs.push_back(p.stages[1].inputs[0]); }),
       "several");
  says(refusal_of(plain,
                  [](model::Program& p) {
                    p.stages[1].inputs[0].pool.kind = model::Pool::kMax;
                    p.stages[1].inputs[0].neunorm_u = p.stages[1].product.weight;
                  }),
       "max pooling");
  says(refusal_of(plain, [](model::Program& p) { p.stages[2].inputs[0].stage = 0; }), "several layers read");
  says(refusal_of(plain, [](model::Program& p) { p.stages[1].neuron.kind = model::Neuron::kRelu; }),
       "without spikes");
}

TEST(DeviceBackend, KeepsWhatItSaysItKeeps) {
  auto settings = settings_of("4C3-AP2-8C3-Voting", 5);
  settings.neunorm.enabled = true;
  const auto kept = [&] {
    const auto engine = on_device(settings, {1, 8, 8});
    std::vector<engine::StageCost> costs;
    engine::Pass pass = training_pass();
    pass.costs = &costs;
    pass.densities = true;
    engine::Batch batch = batch_for(*engine, input_of(settings, {1, 8, 8}, false));
    engine->step(batch, {}, pass);
    std::vector<std::int64_t> bytes;
    for (const auto& cost : costs) {
      bytes.push_back(cost.saved_bytes);
      EXPECT_EQ(engine::describe_path(cost), "dense fp32");
      EXPECT_GT(cost.input_density, 0.0);
      EXPECT_LE(cost.input_density, 1.0);
      EXPECT_GT(cost.backward_ms, 0.0);
    }
    return bytes;
  };
  // Of the first stage 4 x 8 x 8 neurons with a code and a bit, and x of NeuNorm; of the second 8 x 4 x 4; 6
  // voting neurons. Four samples, bits in words of 64.
  const std::int64_t first = 4 * 256 + 4 * 256 / 8 + 4 * 64 * 4, second = 4 * 128 + 4 * 128 / 8,
                     votes = 24 + 8;
  EXPECT_EQ(kept(), (std::vector<std::int64_t>{5 * first, 5 * second, 5 * votes}));
  settings.neuron.surrogate = kernels::Surrogate::kSigmoid;  // codes of two bytes
  EXPECT_EQ(kept(),
            (std::vector<std::int64_t>{5 * (first + 4 * 256), 5 * (second + 4 * 128), 5 * (votes + 24)}));
}

TEST(DeviceBackend, CalibratesWeightsAndThresholds) {
  for (const auto target : {Engine::CalibrationTarget::kWeights, Engine::CalibrationTarget::kThresholds}) {
    const auto settings = settings_of("16C3(Encoding)-AP2-24C3-20FC-Voting", 4);
    const model::Shape shape{2, 13, 12};
    const auto engine = on_device(settings, shape);
    const engine::Batch batch = batch_for(*engine, input_of(settings, shape, true));
    for (const double rate : engine->calibrate(batch, 0.2, target)) EXPECT_NEAR(rate, 0.2, 0.02);
    engine->infer(batch);
    const auto spikes = engine->collect().spikes;
    EXPECT_NEAR(static_cast<double>(spikes[0]) / (4.0 * 4 * 16 * 13 * 12), 0.2, 0.02);
    EXPECT_NEAR(static_cast<double>(spikes[1]) / (4.0 * 4 * 24 * 6 * 6), 0.2, 0.02);
  }
}

}  // namespace
}  // namespace spikeloom::backends::test
