// What a step on a device has to keep to so that it can be captured and replayed, and a CUDA device where
// there is one.
#include <gtest/gtest.h>

#include "spikeloom/backends/torch/torch_device.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/engine/optimizer.h"
#include "spikeloom/ops/device.h"
#include "tests/backends/device_engines.h"

namespace spikeloom::backends::test {
namespace {

using engine::Engine;
using model::NetworkSettings;
using model::Precision;
using reference::test::settings_of;

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
