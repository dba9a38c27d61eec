#pragma once
// Engines for tests, and the same network as operators of LibTorch under autograd: the reference.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/backends/cpu/cpu_backend.h"
#include "spikeloom/backends/torch/torch_products.h"
#include "spikeloom/engine/engine.h"
#include "spikeloom/engine/initialise.h"
#include "spikeloom/model/plan.h"
#include "tests/reference/loss.h"
#include "tests/reference/named_networks.h"
#include "tests/reference/networks.h"

namespace spikeloom::backends::test {

inline std::unique_ptr<engine::Engine> make_engine(const model::NetworkSettings& settings, model::Shape input,
                                                   int classes = 3, std::uint64_t seed = 1) {
  auto program = model::make_program(model::plan_network(settings, input, classes), settings, seed);
  auto result = std::make_unique<engine::Engine>(
      std::move(program), std::make_unique<CpuBackend>(settings.compute, std::make_unique<TorchProducts>()));
  engine::initialise(*result, settings, seed);
  return result;
}

/// A tensor [T, N, C, H, W] and its labels as an engine takes them; it keeps both alive.
struct TestBatch {
  TestBatch(const at::Tensor& input, const at::Tensor& label_values)
      : values(input.to(at::kFloat).permute({0, 1, 3, 4, 2}).contiguous()),
        labels(label_values.to(at::kLong).contiguous()) {
    batch.input = engine::view_of(values.data_ptr<float>(), values.numel(), engine::Type::kFloat);
    batch.input_steps = input.size(0);
    batch.samples = input.size(1);
    batch.labels = engine::view_of(labels.data_ptr<std::int64_t>(), labels.numel(), engine::Type::kInt64);
  }
  at::Tensor values, labels;
  engine::Batch batch;
};

inline at::Tensor as_tensor(const std::vector<float>& values, at::IntArrayRef sizes) {
  at::Tensor result = at::empty(sizes, at::kFloat);
  std::memcpy(result.data_ptr(), values.data(), values.size() * sizeof(float));
  return result;
}

/// Every parameter and buffer of the network takes the engine's values.
inline void copy_parameters(const engine::Engine& from, reference::Network& to) {
  to.assign([&](const std::string& name) { return from.read(from.program().find_slot(name)); });
}

inline at::Tensor votes_of(engine::Engine& engine, const TestBatch& batch, const engine::Pass& pass = {}) {
  const engine::Buffer votes = engine.infer(batch.batch, pass);
  at::Tensor result = at::empty({batch.batch.samples, engine.program().num_classes}, at::kFloat);
  engine.backend().memory().to_host(votes, result.data_ptr());
  return result;
}

/// |a - b| / |b|, 2-norms over all tensors together.
inline double relative_error(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& want) {
  double error = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const at::Tensor exact = want[i].to(at::kDouble);
    error += (got[i].to(at::kDouble) - exact).square().sum().item().toDouble();
    norm += exact.square().sum().item().toDouble();
  }
  return std::sqrt(error / norm);
}

}  // namespace spikeloom::backends::test
