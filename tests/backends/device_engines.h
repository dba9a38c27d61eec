#pragma once
// Engines on the device backend and what they are compared with.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "spikeloom/backends/torch/make_backend.h"
#include "tests/backends/engines.h"

namespace spikeloom::backends::test {

constexpr std::uint64_t kSeed = 3, kIteration = 7;

inline std::vector<reference::test::Named> device_networks() {
  auto all = reference::test::networks();
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

inline at::Tensor input_of(const model::NetworkSettings& settings, const model::Shape& shape, bool events) {
  const std::int64_t steps = events ? settings.num_steps : 1;
  const at::Tensor x =
      reference::test::random_normal({steps, 4, shape.channels, shape.height, shape.width}, at::kFloat, 5)
          .to(at::kFloat);
  return events ? x.gt(0.8).to(at::kFloat) : x.abs();
}

inline at::Tensor labels() { return at::tensor({0, 1, 2, 1}, at::kLong); }

inline std::unique_ptr<engine::Engine> engine_on(const model::NetworkSettings& settings,
                                                 const model::Shape& shape,
                                                 std::unique_ptr<engine::Backend> backend) {
  auto program = model::make_program(model::plan_network(settings, shape, 3), settings, 1);
  auto result = std::make_unique<engine::Engine>(std::move(program), std::move(backend));
  engine::initialise(*result, settings, 1);
  for (const model::Slot& slot : result->program().slots) {
    if (slot.role != model::Role::kNeuNorm) continue;
    const at::Tensor u = (reference::test::random_normal({slot.size}, at::kFloat, 9) * 0.3).to(at::kFloat);
    result->write(result->program().find_slot(slot.name),
                  {u.data_ptr<float>(), static_cast<std::size_t>(slot.size)});
  }
  return result;
}

inline std::unique_ptr<engine::Engine> on_cpu(model::NetworkSettings settings, const model::Shape& shape) {
  settings.compute.path = model::Path::kDense;
  return engine_on(settings, shape, make_cpu_backend(settings.compute));
}

inline std::unique_ptr<engine::Engine> on_device(const model::NetworkSettings& settings,
                                                 const model::Shape& shape,
                                                 const at::Device& device = at::kCPU) {
  return engine_on(settings, shape, make_device_backend(settings.compute, device));
}

// A batch in the engine's own memory.
inline engine::Batch batch_for(engine::Engine& engine, const at::Tensor& x) {
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

inline engine::Pass training_pass() {
  engine::Pass pass;
  pass.training = true;
  pass.seed = kSeed;
  pass.iteration = kIteration;
  return pass;
}

inline Passed run(engine::Engine& engine, const at::Tensor& x, const engine::LossSpec& loss = {}) {
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
inline Passed by_autograd(const model::NetworkSettings& settings, const model::Shape& shape,
                          const at::Tensor& x, const engine::LossSpec& loss) {
  reference::Network network = reference::test::make_network(settings, shape, 3, 1, at::kFloat);
  copy_parameters(*on_cpu(settings, shape), network);
  std::vector<reference::StageActivity> activity;
  reference::ForwardOptions options;
  options.training = true;
  options.seed = kSeed;
  options.iteration = kIteration;
  options.activity = &activity;
  const at::Tensor votes = network.forward(x, options);
  const at::Tensor value = loss.kind == kernels::cuda::VotingLossKind::kCrossEntropy
                               ? reference::cross_entropy_loss(votes, labels(), loss.vote_scale)
                               : reference::mse_loss(votes, labels(), reference::Reduction::kSum);
  value.backward();
  Passed result;
  result.loss = value.item().toDouble();
  result.correct = reference::count_correct(votes, labels());
  for (const auto& stage : activity) result.spikes.push_back(stage.spike_count.item().toLong());
  result.gradients = reference::test::gradients_of(network);
  return result;
}

inline at::Tensor device_votes(engine::Engine& engine, const at::Tensor& x) {
  const engine::Buffer votes = engine.infer(batch_for(engine, x));
  at::Tensor result = at::empty({x.size(1), 3}, at::kFloat);
  engine.backend().memory().to_host(votes, result.data_ptr());
  return result;
}

// Each parameter a multiple of 1/4: with spikes averaged over 2 x 2 pixels every current is exact, in
// bfloat16 too.
inline void put_on_the_grid(engine::Engine& engine, bool biases = false) {
  for (const model::Slot& slot : engine.program().slots) {
    const int index = engine.program().find_slot(slot.name);
    std::vector<float> values = engine.read(index);
    if (slot.is_bias && biases) {
      const at::Tensor random =
          (reference::test::random_normal({slot.size}, at::kFloat, 4) * 0.3).to(at::kFloat);
      std::memcpy(values.data(), random.data_ptr(), values.size() * sizeof(float));
    }
    for (float& value : values) value = std::round(4.0f * value) / 4.0f;
    engine.write(index, {values.data(), values.size()});
  }
}

}  // namespace spikeloom::backends::test
