#pragma once
// A network as train has it: an engine on a device, and what it was made of. Internal to train.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/backends/cpu/cpu_backend.h"
#include "spikeloom/data/dataset.h"
#include "spikeloom/data/loader.h"
#include "spikeloom/engine/engine.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::train {

class Network {
 public:
  /// On the CPU, initialised from `seed`. Throws ConfigError for what the CPU does not run, ShapeError.
  Network(model::NetworkPlan plan, model::NetworkSettings settings, std::uint64_t seed);

  /// Moves it to "cpu", "cuda" or "cuda:N", with its parameters and thresholds. device_path_on_host: the
  /// kernels of a device on their host queue, for tests where there is no device. Throws ConfigError for what
  /// cannot run there, DeviceError; the network then stays where it is.
  void to(const std::string& device, bool device_path_on_host = false);
  /// Makes it one of T = num_steps, where it is, with its parameters. Throws ConfigError where one of them
  /// belongs to a step. A CPU's crossovers are to be set again.
  void set_num_steps(int num_steps);
  /// What to() would refuse, without moving anything.
  void check_device(const std::string& device, bool device_path_on_host = false) const;

  engine::Engine& engine() { return *engine_; }
  const engine::Engine& engine() const { return *engine_; }
  const model::Program& program() const { return engine_->program(); }
  const model::NetworkPlan& plan() const { return plan_; }
  const model::NetworkSettings& settings() const { return settings_; }
  /// nullptr where another backend runs it.
  backends::CpuBackend* cpu() { return dynamic_cast<backends::CpuBackend*>(&engine_->backend()); }
  const backends::CpuBackend* cpu() const {
    return dynamic_cast<const backends::CpuBackend*>(&engine_->backend());
  }

  /// inputs [steps, samples, H, W, C] of the host as a batch in the backend's memory: on the CPU the same
  /// memory, as long as it lives. An artificial network gets the mean over the steps.
  engine::Batch batch_of(const float* inputs, std::int64_t steps, std::int64_t samples,
                         const std::int64_t* labels = nullptr);
  engine::Batch batch_of(const data::Batch& batch, const data::SampleShape& shape) {
    engine::Batch result = batch_of(batch.inputs, shape.num_steps, batch.size, batch.labels);
    result.first = batch.first;
    result.whole = batch.whole;
    result.spare = batch.spare;
    return result;
  }
  /// [samples, classes] on the host.
  std::vector<float> votes(const engine::Batch& batch);
  /// Neurons x steps of a sample, of each stage; 0 of those that do not fire.
  std::vector<std::int64_t> neuron_steps() const;

 private:
  std::unique_ptr<engine::Engine> make_engine(model::Program program, const std::string& device,
                                              bool device_path_on_host) const;

  /// The parameters become the replacement's.
  void replace_engine(std::unique_ptr<engine::Engine> replacement);

  model::NetworkPlan plan_;
  model::NetworkSettings settings_;
  std::string device_ = "cpu";
  bool device_path_on_host_ = false;
  std::unique_ptr<engine::Engine> engine_;
};

/// A network of the settings for samples of this shape.
std::unique_ptr<Network> make_network(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                                      std::uint64_t seed);

}  // namespace spikeloom::train
