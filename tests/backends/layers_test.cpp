// Layers beyond convolution, average pooling and the paper's neuron, on every backend that runs them, against
// the reference under autograd: spikes, loss, gradients, running statistics and inference.
#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "tests/backends/device_engines.h"

namespace spikeloom::backends::test {
namespace {

using kernels::Reset;
using model::NetworkSettings;
using model::NormKind;
using model::StateMode;

struct Layer {
  std::string name;
  NetworkSettings settings;
  double tolerance;  ///< of the gradients with compact state
  bool on_device;
};

std::vector<Layer> layers() {
  std::vector<Layer> all;
  const auto add = [&](const std::string& name, const std::string& structure, double tolerance,
                       const std::function<void(NetworkSettings&)>& change = {}, bool on_device = false) {
    NetworkSettings settings = reference::test::settings_of(structure, 4);
    settings.neuron.detach_reset = true;  // bits say all that the gradient needs
    if (change) change(settings);
    all.push_back({name, settings, tolerance, on_device});
  };
  const char* plain = "16C3(Encoding)-AP2-24C3-20FC-Voting";
  add("max pooling", "16C3(Encoding)-MP2-24C3-MP3-20FC-Voting", 1e-5, {}, true);
  add(
      "max pooling with dropout", "16C3(Encoding)-MP2-24C3-MP2-20FC-Voting", 1e-5,
      [](NetworkSettings& s) { s.dropout.rate = 0.3; }, true);
  for (const bool after : {false, true}) {
    add(after ? "NeuNorm after max pooling" : "NeuNorm before max pooling",
        "16C3(Encoding)-MP2-24C3-MP2-24C3-20FC-Voting", 1e-5, [=](auto& s) {
          s.neunorm.enabled = true;
          s.neunorm.after_pooling = after;
          s.neunorm.u_init = 0.4;
        });
  }
  add("stride", "16C3(Encoding)-24C3S2-20FC-Voting", 1e-5, {}, true);
  add("global average pooling", "16C3(Encoding)-24C3S2-GAP-Voting", 1e-5, {}, true);
  for (const auto kind : {NormKind::kTdbn, NormKind::kTebn}) {
    const std::string norm = kind == NormKind::kTdbn ? "tdBN" : "TEBN";
    add(norm, plain, 1e-4, [&](NetworkSettings& s) { s.norm.kind = kind; });
    add(norm + " in SEW blocks", "16C3(Encoding)-{16C3-16C3}-{24C3S2-24C3}-GAP-Voting", 1e-4,
        [&](NetworkSettings& s) { s.norm.kind = kind; });
    add(norm + " in MS blocks", "16C3(Encoding)-[16C3-16C3]-[24C3S2-24C3]-AP2-20FC-Voting", 1e-4,
        [&](NetworkSettings& s) { s.norm.kind = kind; });
  }
  add("SEW blocks", "16C3(Encoding)-{16C3-16C3}*2-MP2-{24C3-24C3}-20FC-Voting", 1e-5);
  add("MS blocks", "16C3(Encoding)-[16C3-16C3]*2-[24C3S2-24C3]-20FC-Voting", 1e-5);
  add("readout", "16C3(Encoding)-AP2-24C3-20FC-Readout", 1e-5);
  add("recurrent", "30RFC-20RFC-Readout", 1e-5);
  add("recurrent, by subtraction", "30RFC-Voting", 1e-5, [](NetworkSettings& s) {
    s.neuron.reset = Reset::kSubtract;
    s.neuron.detach_reset = false;
  });
  add(
      "integrate and fire", plain, 1e-5, [](NetworkSettings& s) { s.neuron.decay = 1.0; }, true);
  add(
      "current-based", plain, 1e-5, [](NetworkSettings& s) { s.neuron.current_decay = 0.5; }, true);
  add(
      "reset to v_reset", plain, 1e-5, [](NetworkSettings& s) { s.neuron.v_reset = -0.2; }, true);
  add(
      "no reset", plain, 1e-5, [](NetworkSettings& s) { s.neuron.reset = Reset::kNone; }, true);
  add("learnable neurons", plain, 2e-3,
      [](NetworkSettings& s) { s.learn_decay = s.learn_v_threshold = true; });
  add("learnable, current-based, recurrent", "30RFC-Readout", 1e-5, [](NetworkSettings& s) {
    s.neuron.current_decay = 0.5;
    s.learn_decay = s.learn_v_threshold = true;
  });
  return all;
}

constexpr model::Shape kShape{2, 12, 12};

// One training pass of both, from the same values.
void compare(engine::Engine& engine, const at::Tensor& x, double tolerance) {
  reference::Network network(engine.program(), at::kFloat);
  copy_parameters(engine, network);
  std::vector<reference::StageActivity> activity;
  reference::ForwardOptions options;
  options.training = true;
  options.seed = kSeed;
  options.iteration = kIteration;
  options.activity = &activity;
  const at::Tensor votes = network.forward(x, options);
  const at::Tensor loss = reference::mse_loss(votes, labels(), reference::Reduction::kSum);
  loss.backward();

  engine::LossSpec spec;
  spec.kind = kernels::cuda::VotingLossKind::kSumOfSquares;
  engine.backend().prepare(kIteration, 0.0);
  engine.step(batch_for(engine, x), spec, training_pass());
  const auto sums = engine.collect();
  EXPECT_NEAR(sums.mean_loss(), loss.item().toDouble(), 1e-5 * std::abs(loss.item().toDouble()));
  for (std::size_t stage = 0; stage < sums.spikes.size(); ++stage) {
    EXPECT_EQ(sums.spikes[stage], activity[stage].spike_count.item().toLong()) << activity[stage].name;
  }
  std::vector<at::Tensor> got, want;
  for (std::size_t slot = 0; slot < network.parameters().size(); ++slot) {
    const auto& parameter = network.parameters()[slot];
    const int index = static_cast<int>(slot);
    if (parameter.trained) {
      got.push_back(as_tensor(engine.gradient(index), parameter.value.sizes()));
      want.push_back(parameter.value.grad());
      EXPECT_GT(want.back().abs().max().item().toDouble(), 0.0) << parameter.name;
      EXPECT_LT(relative_error({got.back()}, {want.back()}), 20 * tolerance) << parameter.name;
    } else {
      const at::Tensor running = as_tensor(engine.read(index), parameter.value.sizes());
      EXPECT_LT(relative_error({running}, {parameter.value}), 1e-5) << parameter.name;
    }
  }
  EXPECT_LT(relative_error(got, want), tolerance);

  // With the running statistics that this pass has moved.
  const at::NoGradGuard no_grad;
  const at::Tensor expected = network.forward(x, {});
  const at::Tensor inferred = device_votes(engine, x);
  EXPECT_LT((inferred - expected).abs().max().item().toDouble(), 0.051) << "at most a spike differs";
  EXPECT_LT((inferred - expected).abs().mean().item().toDouble(), 0.01);
}

class Layers : public ::testing::TestWithParam<Layer> {};

TEST_P(Layers, OnTheCpuAreThoseOfTheReference) {
  for (const bool events : {false, true}) {
    for (const auto state : {StateMode::kExact, StateMode::kCompact}) {
      SCOPED_TRACE(std::string(events ? "events" : "still") +
                   (state == StateMode::kExact ? ", exact state" : ", compact state"));
      NetworkSettings settings = GetParam().settings;
      settings.compute.state = state;
      const auto engine = on_cpu(settings, kShape);
      compare(*engine, input_of(settings, kShape, events),
              state == StateMode::kExact ? std::max(1e-5, GetParam().tolerance / 10) : GetParam().tolerance);
    }
  }
}

TEST_P(Layers, OnADeviceAreThoseOfTheReferenceOrRefused) {
  NetworkSettings settings = GetParam().settings;
  if (GetParam().on_device) {
    compare(*on_device(settings, kShape), input_of(settings, kShape, true), GetParam().tolerance);
    return;
  }
  try {
    on_device(settings, kShape);
    FAIL() << "runs now: say so in the table";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("cannot run on"), std::string::npos) << error.what();
  }
}

// bfloat16 rounds currents, which moves single spikes: the loss falls as it should, and every layer fires.
TEST_P(Layers, LearnInBfloat16) {
  NetworkSettings settings = GetParam().settings;
  settings.compute.precision = model::Precision::kBf16;
  settings.neuron.surrogate = kernels::Surrogate::kArctan;  // nowhere 0: no layer gets stuck
  const auto engine = engine_on(settings, kShape, make_cpu_backend(settings.compute));
  const engine::Batch batch = batch_for(*engine, input_of(settings, kShape, true));
  engine::UpdateRule rule;
  rule.kind = engine::UpdateRule::kAdam;
  std::vector<engine::SlotUpdate> slots;
  for (std::size_t slot = 0; slot < engine->program().slots.size(); ++slot) {
    if (engine->program().slots[slot].trained) slots.push_back({static_cast<int>(slot), 1.0, 0.0});
  }
  engine::LossSpec spec;
  spec.kind = kernels::cuda::VotingLossKind::kCrossEntropy;
  spec.vote_scale = 5.0;
  engine::Moments moments;
  const auto zeros = [&] {
    const engine::Buffer buffer =
        engine->backend().memory().allocate(engine->program().flat_size, engine::Type::kFloat);
    engine->backend().memory().fill_zero(buffer);
    return buffer;
  };
  moments.first = zeros();
  moments.second = zeros();
  moments.step_count = engine->backend().memory().allocate(1, engine::Type::kInt64);
  constexpr std::int64_t kSteps = 60;
  double first = 0.0, last = 0.0;
  for (std::int64_t step = 1; step <= kSteps; ++step) {
    engine->backend().memory().from_host(&step, moments.step_count);
    engine->backend().prepare(static_cast<std::uint64_t>(step), 1e-3);
    engine->step(batch, spec, training_pass());
    engine->update(rule, slots, moments);
    const auto sums = engine->collect();
    (step == 1 ? first : last) = sums.mean_loss();
    if (step < kSteps) continue;
    for (const model::Stage& stage : engine->program().stages) {
      if (!stage.neuron.fires()) continue;
      EXPECT_GT(sums.spikes[static_cast<std::size_t>(stage.number)], 0) << stage.name;
    }
  }
  EXPECT_LT(last, 0.8 * first);
}

INSTANTIATE_TEST_SUITE_P(All, Layers, ::testing::ValuesIn(layers()), [](const auto& layer) {
  std::string name = layer.param.name;
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return name;
});

// In inference the normalisation lies in the weights: the same currents to rounding.
TEST(Norm, IsFoldedIntoTheWeightsForInference) {
  NetworkSettings settings = reference::test::settings_of("16C3(Encoding)-24C3-20FC-Readout", 4);
  settings.norm.kind = NormKind::kTdbn;
  const auto engine = on_cpu(settings, kShape);
  const at::Tensor x = input_of(settings, kShape, false);
  for (int pass = 0; pass < 3; ++pass) {
    engine->step(batch_for(*engine, x), {}, training_pass());  // moves the running statistics
  }
  engine->collect();
  reference::Network network(engine->program(), at::kFloat);
  copy_parameters(*engine, network);
  const at::NoGradGuard no_grad;
  const at::Tensor want = network.forward(x, {});
  EXPECT_TRUE(
      reference::test::close_to(device_votes(*engine, x), want, 1e-5 * reference::test::largest(want)));
}

}  // namespace
}  // namespace spikeloom::backends::test
