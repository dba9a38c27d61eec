#include "spikeloom/train/steps/step_runner.h"

#include "spikeloom/ops/device.h"
#include "spikeloom/train/network/vote_loss.h"

namespace spikeloom::train {

using engine::Type;

class StepRunner::Graph {
 public:
  ops::StepGraph graph;
};

StepRunner::StepRunner(Network& network, const OptimizerSettings& optimizer, const LossSettings& loss,
                       std::uint64_t seed, std::int64_t input_steps, std::int64_t batch_size)
    : network_(network),
      optimizer_(make_optimizer(network.engine(), optimizer)),
      loss_(loss_spec(loss)),
      seed_(seed),
      input_steps_(network.program().spiking ? input_steps : 1),
      batch_size_(batch_size) {
  if (network.engine().backend().captures()) graph_ = std::make_unique<Graph>();
}

StepRunner::~StepRunner() = default;

bool StepRunner::is_captured() const { return graph_ != nullptr && graph_->graph.is_captured(); }

engine::Batch StepRunner::allocate(std::int64_t samples) {
  engine::Memory& memory = network_.engine().backend().memory();
  engine::Batch batch;
  batch.input_steps = input_steps_;
  batch.samples = samples;
  batch.input = memory.allocate(input_steps_ * samples * network_.program().input.size(), Type::kFloat);
  batch.labels = memory.allocate(samples, Type::kInt64);
  return batch;
}

const engine::Batch& StepRunner::buffers(std::int64_t samples) {
  if (samples == batch_size_) {
    if (!full_.input) full_ = allocate(samples);
    return full_;
  }
  rest_ = allocate(samples);
  return rest_;
}

engine::Pass StepRunner::pass_of(std::int64_t iteration) const {
  engine::Pass pass;
  pass.training = true;
  pass.seed = seed_;
  pass.iteration = static_cast<std::uint64_t>(iteration);
  return pass;
}

void StepRunner::run(const engine::Batch& batch, const engine::Pass& pass) {
  network_.engine().step(batch, loss_, pass);
  optimizer_.step();
}

void StepRunner::step(const engine::Batch& batch, std::int64_t iteration, double learning_rate) {
  // Steps that run as they are first: LibTorch chooses convolution algorithms and reserves memory in them.
  constexpr int kEagerSteps = 3;
  optimizer_.prepare(static_cast<std::uint64_t>(iteration), learning_rate);
  const engine::Pass pass = pass_of(iteration);
  if (graph_ == nullptr || batch.samples != batch_size_ || eager_steps_ < kEagerSteps) {
    if (batch.samples == batch_size_) ++eager_steps_;
    return run(batch, pass);
  }
  if (graph_->graph.is_captured()) {
    network_.engine().backend().count(batch.samples);  // what capturing did for the first
  } else {
    graph_->graph.capture([&] { run(batch, pass); });
  }
  graph_->graph.replay();
}

void StepRunner::timed_step(const engine::Batch& batch, std::int64_t iteration, double learning_rate,
                            std::vector<engine::StageCost>& costs, bool densities,
                            engine::Timeline* timeline) {
  optimizer_.prepare(static_cast<std::uint64_t>(iteration), learning_rate);
  engine::Pass pass = pass_of(iteration);
  pass.costs = &costs;
  pass.densities = densities;
  pass.timeline = timeline;
  run(batch, pass);
  if (timeline == nullptr) return;
  network_.engine().backend().wait();
  timeline->lap(engine::Timeline::Kind::kUpdate);
}

}  // namespace spikeloom::train
