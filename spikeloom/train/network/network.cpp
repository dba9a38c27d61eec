#include "spikeloom/train/network/network.h"

#include "spikeloom/backends/torch/make_backend.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/engine/initialise.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/network/stage_paths.h"

namespace spikeloom::train {

using engine::Buffer;
using engine::Type;

Network::Network(model::NetworkPlan plan, model::NetworkSettings settings, std::uint64_t seed)
    : plan_(std::move(plan)), settings_(std::move(settings)) {
  settings_.compute.precision = settled_precision(settings_, "cpu");
  engine_ = make_engine(model::make_program(plan_, settings_, seed), "cpu", false);
  engine::initialise(*engine_, settings_, seed);
}

std::unique_ptr<engine::Engine> Network::make_engine(model::Program program, const std::string& device,
                                                     bool device_path_on_host) const {
  const at::Device place = ops::device_of(device);
  if (place.is_cpu() && !device_path_on_host) {
    return std::make_unique<engine::Engine>(std::move(program),
                                            backends::make_cpu_backend(settings_.compute));
  }
  ops::prepare_arithmetic(place, settings_.compute.precision == model::Precision::kBf16);
  return std::make_unique<engine::Engine>(std::move(program),
                                          backends::make_device_backend(settings_.compute, place));
}

void Network::check_device(const std::string& device, bool device_path_on_host) const {
  make_engine(program(), device, device_path_on_host);
}

void Network::to(const std::string& device, bool device_path_on_host) {
  replace_engine(make_engine(program(), device, device_path_on_host));
  device_ = device;
  device_path_on_host_ = device_path_on_host;
}

void Network::set_num_steps(int num_steps) {
  if (num_steps == settings_.num_steps) return;
  if (!program().spiking) throw ConfigError("an artificial network has no steps", "", 0, "network.num_steps");
  if (const std::string key = settings_.fixes_num_steps(); !key.empty()) {
    throw ConfigError(key + " has a parameter for each step: their number cannot change", "", 0,
                      "network.num_steps");
  }
  model::Program changed = program();
  changed.num_steps = num_steps;
  replace_engine(make_engine(std::move(changed), device_, device_path_on_host_));
  settings_.num_steps = num_steps;
}

void Network::replace_engine(std::unique_ptr<engine::Engine> replacement) {
  for (std::size_t slot = 0; slot < replacement->program().slots.size(); ++slot) {
    const std::vector<float> values = engine_->read(static_cast<int>(slot));
    replacement->write(static_cast<int>(slot), {values.data(), values.size()});
  }
  engine_ = std::move(replacement);
}

engine::Batch Network::batch_of(const float* inputs, std::int64_t steps, std::int64_t samples,
                                const std::int64_t* labels) {
  engine::Batch batch;
  const std::int64_t step = samples * program().input.size();
  engine::Memory& memory = engine_->backend().memory();
  const auto place = [&](const void* from, std::int64_t count, Type type, bool copy) {
    Buffer view{nullptr, const_cast<void*>(from), count, type};
    if (!copy && cpu() != nullptr) return view;
    Buffer buffer = memory.allocate(count, type);
    memory.from_host(from, buffer);
    return buffer;
  };
  batch.samples = samples;
  batch.input_steps = steps;
  if (!program().spiking && steps > 1) {
    std::vector<float> mean(static_cast<std::size_t>(step), 0.0f);
    for (std::int64_t t = 0; t < steps; ++t) {
      for (std::int64_t i = 0; i < step; ++i) mean[static_cast<std::size_t>(i)] += inputs[t * step + i];
    }
    for (float& value : mean) value /= static_cast<float>(steps);
    batch.input_steps = 1;
    batch.input = place(mean.data(), step, Type::kFloat, true);
  } else {
    batch.input = place(inputs, steps * step, Type::kFloat, false);
  }
  if (labels != nullptr) batch.labels = place(labels, samples, Type::kInt64, false);
  return batch;
}

std::vector<float> Network::votes(const engine::Batch& batch) {
  const Buffer votes = engine_->infer(batch);
  std::vector<float> values(static_cast<std::size_t>(votes.count));
  engine_->backend().memory().to_host(votes, values.data());
  return values;
}

std::vector<std::int64_t> Network::neuron_steps() const {
  std::vector<std::int64_t> result;
  for (const model::Stage& stage : program().stages) {
    result.push_back(stage.neuron.fires() ? program().num_steps * stage.product.output.size() : 0);
  }
  return result;
}

std::unique_ptr<Network> make_network(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                                      std::uint64_t seed) {
  return std::make_unique<Network>(plan, settings, seed);
}

}  // namespace spikeloom::train
