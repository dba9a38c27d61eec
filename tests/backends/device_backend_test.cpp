// The device backend against the CPU's and the network under autograd: on the host's queue everywhere, on a
// CUDA device where there is one.
#include "spikeloom/backends/device/device_backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "spikeloom/backends/torch/make_backend.h"
#include "spikeloom/backends/torch/torch_device.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/engine/optimizer.h"
#include "spikeloom/ops/device.h"
#include "tests/backends/engines.h"

namespace spikeloom::backends::test {
namespace {

using engine::Engine;
using kernels::cuda::VotingLossKind;
using model::NetworkSettings;
using model::Precision;
using model::StateMode;
using nn::test::Named;
using nn::test::random_normal;
using nn::test::settings_of;

constexpr std::uint64_t kSeed = 3, kIteration = 7;

std::vector<Named> device_networks() {
  auto all = nn::test::networks();
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
  auto poolings = both;
  poolings.name = "NeuNorm before two poolings";
  poolings.settings.structure = "8C3(Encoding)-AP2-AP2-8C3-12FC-Voting";
  poolings.settings.dropout.rate = 0.0;
  all.push_back(poolings);
  poolings.name = "NeuNorm behind two poolings";
  poolings.settings.neunorm.after_pooling = true;
  all.push_back(poolings);
  return all;
}

at::Tensor input_of(const NetworkSettings& settings, const model::Shape& shape, bool events) {
  const std::int64_t steps = events ? settings.num_steps : 1;
  const at::Tensor x =
      random_normal({steps, 4, shape.channels, shape.height, shape.width}, at::kFloat, 5).to(at::kFloat);
  return events ? x.gt(0.8).to(at::kFloat) : x.abs();
}

at::Tensor labels() { return at::tensor({0, 1, 2, 1}, at::kLong); }

std::unique_ptr<Engine> engine_on(const NetworkSettings& settings, const model::Shape& shape,
                                  std::unique_ptr<engine::Backend> backend) {
  auto program = model::make_program(model::plan_network(settings, shape, 3), settings, 1);
  auto result = std::make_unique<Engine>(std::move(program), std::move(backend));
  engine::initialise(*result, settings, 1);
  for (const model::Slot& slot : result->program().slots) {
    if (slot.role != model::Role::kNeuNorm) continue;
    const at::Tensor u = (random_normal({slot.size}, at::kFloat, 9) * 0.3).to(at::kFloat);
    result->write(result->program().find_slot(slot.name),
                  {u.data_ptr<float>(), static_cast<std::size_t>(slot.size)});
  }
  return result;
}

std::unique_ptr<Engine> on_cpu(NetworkSettings settings, const model::Shape& shape) {
  settings.compute.path = model::Path::kDense;
  return engine_on(settings, shape, make_cpu_backend(settings.compute));
}

std::unique_ptr<Engine> on_device(const NetworkSettings& settings, const model::Shape& shape,
                                  const at::Device& device = at::kCPU) {
  return engine_on(settings, shape, make_device_backend(settings.compute, device));
}

// A batch in the engine's own memory.
engine::Batch batch_for(Engine& engine, const at::Tensor& x) {
  const TestBatch host(x, labels());
  engine::Batch batch = host.batch;
  engine::Memory& memory = engine.backend().memory();
  batch.input = memory.allocate(host.batch.input.count, engine::Type::kFloat);
  batch.labels = memory.allocate(host.batch.labels.count, engine::Type::kInt64);
  memory.from_host(host.batch.input.data, batch.input);
  memory.from_host(host.batch.labels.data, batch.labels);
  return batch;
}

struct Passed {
  double loss = 0.0;
  std::int64_t correct = 0;
  std::vector<std::int64_t> spikes;
  std::vector<at::Tensor> gradients;
};

engine::Pass training_pass() {
  engine::Pass pass;
  pass.training = true;
  pass.seed = kSeed;
  pass.iteration = kIteration;
  return pass;
}

Passed run(Engine& engine, const at::Tensor& x, const engine::LossSpec& loss = {}) {
  engine.backend().prepare(kIteration, 0.0);
  engine.step(batch_for(engine, x), loss, training_pass());
  const auto sums = engine.collect();
  EXPECT_TRUE(sums.finite);
  EXPECT_EQ(sums.samples, 4);
  Passed result{sums.mean_loss(), sums.correct, sums.spikes, {}};
  for (std::size_t slot = 0; slot < engine.program().slots.size(); ++slot) {
    result.gradients.push_back(
        as_tensor(engine.gradient(static_cast<int>(slot)), engine.program().slots[slot].shape));
  }
  return result;
}

// By LibTorch's operators and autograd, everything kept in full.
Passed reference(const NetworkSettings& given, const model::Shape& shape, const at::Tensor& x,
                 const engine::LossSpec& loss) {
  NetworkSettings settings = given;
  settings.compute.state = StateMode::kExact;
  nn::Network network = nn::test::make_network(settings, shape, 3, 1, at::kFloat);
  copy_parameters(*on_cpu(settings, shape), network);
  std::vector<nn::LayerActivity> activity;
  nn::ForwardOptions options;
  options.training = true;
  options.seed = kSeed;
  options.iteration = kIteration;
  options.activity = &activity;
  const at::Tensor votes = network.forward(x, options);
  const at::Tensor value = loss.kind == VotingLossKind::kCrossEntropy
                               ? nn::cross_entropy_loss(votes, labels(), loss.vote_scale)
                               : nn::mse_loss(votes, labels(), nn::Reduction::kSum);
  value.backward();
  Passed result;
  result.loss = value.item().toDouble();
  result.correct = nn::count_correct(votes, labels());
  for (const auto& layer : activity) result.spikes.push_back(layer.spike_count.item().toLong());
  result.gradients = nn::test::gradients_of(network);
  return result;
}

at::Tensor device_votes(Engine& engine, const at::Tensor& x) {
  const engine::Buffer votes = engine.infer(batch_for(engine, x));
  at::Tensor result = at::empty({x.size(1), 3}, at::kFloat);
  engine.backend().memory().to_host(votes, result.data_ptr());
  return result;
}

// Each parameter a multiple of 1/4: with spikes averaged over 2 x 2 pixels every current is exact, in
// bfloat16 too.
void put_on_the_grid(Engine& engine, bool biases = false) {
  for (const model::Slot& slot : engine.program().slots) {
    const int index = engine.program().find_slot(slot.name);
    std::vector<float> values = engine.read(index);
    if (slot.is_bias && biases) {
      const at::Tensor random = (random_normal({slot.size}, at::kFloat, 4) * 0.3).to(at::kFloat);
      std::memcpy(values.data(), random.data_ptr(), values.size() * sizeof(float));
    }
    for (float& value : values) value = std::round(4.0f * value) / 4.0f;
    engine.write(index, {values.data(), values.size()});
  }
}

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
      const Passed exact = reference(settings, shape, x, loss);
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
  for (const auto& rule : {sgd, clipped, adam}) {
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

// Products read rounded copies: an update writes them, and whoever writes weights makes them out of date.
TEST(DeviceBackend, RoundedWeightsFollowUpdatesAndWrites) {
  auto settings = settings_of("16C3(Encoding)-AP2-24C3-20FC-Voting", 4);
  settings.compute.precision = Precision::kBf16;
  const model::Shape shape{2, 13, 12};
  const at::Tensor x = input_of(settings, shape, true);
  const auto trained = on_device(settings, shape), other = on_device(settings, shape);
  const auto copy = [](Engine& from, Engine& to) {
    for (std::size_t slot = 0; slot < from.program().slots.size(); ++slot) {
      const auto values = from.read(static_cast<int>(slot));
      to.write(static_cast<int>(slot), {values.data(), values.size()});
    }
  };
  const at::Tensor first = device_votes(*trained, x);
  EXPECT_TRUE(at::equal(device_votes(*other, x), first));
  std::vector<engine::SlotUpdate> slots;
  for (std::size_t slot = 0; slot < trained->program().slots.size(); ++slot) {
    slots.push_back({static_cast<int>(slot)});
  }
  engine::Optimizer optimizer(*trained, {}, slots);
  for (int step = 0; step < 3; ++step) {
    optimizer.prepare(static_cast<std::uint64_t>(step), 0.2);
    trained->step(batch_for(*trained, x), {}, training_pass());
    optimizer.step();
  }
  const at::Tensor learnt = device_votes(*trained, x);
  EXPECT_FALSE(at::equal(learnt, first));
  copy(*trained, *other);
  EXPECT_TRUE(at::equal(device_votes(*other, x), learnt)) << "an update and a write differ";
  const auto fresh = on_device(settings, shape);
  copy(*fresh, *trained);
  EXPECT_TRUE(at::equal(device_votes(*trained, x), first)) << "a write behind an update is not seen";
}

// What a captured step relies on.
TEST(DeviceBackend, MasksFollowThePreparedIteration) {
  auto settings = settings_of("16C3(Encoding)-24C3-20FC-Voting", 4);
  settings.dropout.rate = 0.4;
  settings.bias = false;
  const model::Shape shape{2, 13, 12};
  const at::Tensor x = input_of(settings, shape, true);
  const auto device = on_device(settings, shape);
  std::vector<std::vector<std::int64_t>> spikes;
  engine::Pass pass = training_pass();
  for (const std::uint64_t iteration : {1u, 2u, 1u}) {
    device->backend().prepare(iteration, 0.0);
    device->step(batch_for(*device, x), {}, pass);
    spikes.push_back(device->collect().spikes);
    const auto cpu = on_cpu(settings, shape);
    pass.iteration = iteration;
    cpu->step(batch_for(*cpu, x), {}, pass);
    EXPECT_EQ(spikes.back(), cpu->collect().spikes);
    pass.iteration = kIteration;
  }
  EXPECT_NE(spikes[0], spikes[1]);
  EXPECT_EQ(spikes[0], spikes[2]);
}

// Counts what would stop a capture.
class WatchedMemory : public engine::Memory {
 public:
  engine::Buffer allocate(std::int64_t count, engine::Type type) override {
    return memory_.allocate(count, type);
  }
  void to_host(const engine::Buffer& from, void* to) override {
    ++copies;
    memory_.to_host(from, to);
  }
  void from_host(const void* from, const engine::Buffer& to) override {
    ++copies;
    memory_.from_host(from, to);
  }
  void fill_zero(const engine::Buffer& buffer) override { memory_.fill_zero(buffer); }
  int copies = 0;

 private:
  TorchMemory memory_{at::kCPU};
};

class WatchedDevice : public Device {
 public:
  std::string name() const override { return "watched"; }
  engine::Memory& memory() override { return watched; }
  kernels::cuda::Queue queue() const override { return {}; }
  void wait() override { ++waits; }
  WatchedMemory watched;
  int waits = 0;
};

TEST(DeviceBackend, AStepCopiesNothingAndWaitsForNothing) {
  for (const auto& [name, settings, tolerance] : device_networks()) {
    static_cast<void>(tolerance);
    SCOPED_TRACE(name);
    NetworkSettings chosen = settings;
    chosen.compute.precision = Precision::kBf16;
    const model::Shape shape{2, 13, 12};
    auto own = std::make_unique<WatchedDevice>();
    WatchedDevice& device = *own;
    const auto engine = engine_on(
        chosen, shape,
        std::make_unique<DeviceBackend>(chosen.compute, std::move(own), std::make_unique<TorchProducts>()));
    engine::UpdateRule rule;
    rule.kind = engine::UpdateRule::kAdam;
    rule.max_gradient_norm = 1.0;
    engine::Optimizer optimizer(*engine, rule, {{0}, {1}});
    const engine::Batch batch = batch_for(*engine, input_of(chosen, shape, true));
    optimizer.prepare(1, 0.1);
    device.watched.copies = device.waits = 0;
    engine->step(batch, {}, training_pass());
    optimizer.step();
    EXPECT_EQ(device.watched.copies, 0);
    EXPECT_EQ(device.waits, 0);
    optimizer.prepare(2, 0.1);
    EXPECT_GT(device.watched.copies, 0);
    engine->collect();
    EXPECT_EQ(device.waits, 1);
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
  settings = plain;
  settings.kind = model::NetworkKind::kAnn;
  EXPECT_EQ(refusal_of(settings), "an artificial network cannot run on a device yet");
  says(refusal_of(plain, [](model::Program& p) { p.stages[1].inputs.push_back(p.stages[1].inputs[0]); }),
       "several");
  says(refusal_of(plain, [](model::Program& p) { p.stages[1].inputs[0].pool.kind = model::Pool::kMax; }),
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

TEST(TorchMemory, GivesBackWhatItGot) {
  for (const bool cuda : {false, true}) {
    if (cuda && kernels::cuda::device_count() == 0) continue;
    TorchMemory memory(cuda ? at::Device(at::kCUDA) : at::Device(at::kCPU));
    for (const auto type : {engine::Type::kFloat, engine::Type::kBFloat16, engine::Type::kByte,
                            engine::Type::kInt64, engine::Type::kDouble}) {
      for (const std::int64_t count : {0, 1, 2, 4, 100}) {
        const engine::Buffer buffer = memory.allocate(count, type);
        EXPECT_EQ(buffer.count, count);
        EXPECT_EQ(buffer.type, type);
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(buffer.bytes()));
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(255 - i);
        memory.from_host(bytes.data(), buffer);
        std::vector<std::uint8_t> back(bytes.size());
        memory.to_host(buffer, back.data());
        EXPECT_EQ(back, bytes);
        memory.fill_zero(buffer);
        memory.to_host(buffer, back.data());
        EXPECT_EQ(back, std::vector<std::uint8_t>(bytes.size()));
      }
    }
  }
}

TEST(CudaDevice, EngineHasTheCpusLossSpikesAndGradients) {
  if (kernels::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device";
  const at::Device device = ops::device_of("cuda");
  ops::prepare_arithmetic(device, false);
  for (const auto& [name, settings, tolerance] : device_networks()) {
    static_cast<void>(tolerance);
    SCOPED_TRACE(name);
    const model::Shape shape{2, 13, 12};
    // Exact currents: cuDNN adds up in another order than the CPU.
    const at::Tensor x = input_of(settings, shape, true);
    const auto cpu = on_cpu(settings, shape), gpu = on_device(settings, shape, device);
    put_on_the_grid(*cpu);
    put_on_the_grid(*gpu);
    const Passed want = run(*cpu, x), got = run(*gpu, x);
    EXPECT_NEAR(got.loss, want.loss, 1e-3 * want.loss);
    if (settings.dropout.rate > 0.0 || settings.neunorm.enabled) continue;  // their currents are not exact
    EXPECT_EQ(got.spikes, want.spikes);
    EXPECT_LT(relative_error(got.gradients, want.gradients), 1e-5);
  }
}

// A captured step draws new masks and takes new rates each time it is replayed.
TEST(CudaDevice, AReplayedStepIsAStep) {
  if (kernels::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device";
  const at::Device device = ops::device_of("cuda");
  auto settings = settings_of("16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting", 4);
  settings.dropout.rate = 0.3;
  settings.compute.precision = Precision::kBf16;
  ops::prepare_arithmetic(device, true);
  const model::Shape shape{2, 13, 12};
  const at::Tensor x = input_of(settings, shape, true);
  engine::UpdateRule rule;
  rule.kind = engine::UpdateRule::kAdam;
  std::vector<std::vector<std::int64_t>> spikes;
  for (const bool captured : {false, true}) {
    const ops::StreamScope scope(device, ops::StreamScope::Order::kAlone);
    const auto engine = on_device(settings, shape, device);
    std::vector<engine::SlotUpdate> slots;
    for (std::size_t slot = 0; slot < engine->program().slots.size(); ++slot) {
      slots.push_back({static_cast<int>(slot)});
    }
    engine::Optimizer optimizer(*engine, rule, slots);
    const engine::Batch batch = batch_for(*engine, x);
    ops::StepGraph graph;
    const auto step = [&] {
      engine->step(batch, {}, training_pass());
      optimizer.step();
    };
    for (std::uint64_t iteration = 0; iteration < 8; ++iteration) {
      optimizer.prepare(iteration, 1e-3);
      if (!captured || iteration < 3) {
        step();
        continue;
      }
      if (!graph.is_captured()) graph.capture(step);
      graph.replay();
    }
    spikes.push_back(engine->collect().spikes);
  }
  EXPECT_EQ(spikes[1], spikes[0]);
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
}  // namespace spikeloom::backends::test
