#include "spikeloom/train/steps/step_runner.h"

#include <algorithm>
#include <utility>

#include "spikeloom/ops/device.h"
#include "spikeloom/train/network/vote_loss.h"

namespace spikeloom::train {

using engine::Type;

class StepRunner::Graph {
 public:
  ops::StepGraph graph;
};

class StepRunner::Statistics : public engine::StatisticsExchange {
 public:
  explicit Statistics(parallel::Group& group) : group_(group) {}
  std::vector<double> gather(Span<const double> own) override {
    std::vector<double> all(own.size() * static_cast<std::size_t>(group_.size()));
    group_.control().all_gather(own.data(), static_cast<std::int64_t>(own.size() * sizeof(double)),
                                all.data(), "statistics of a batch");
    return all;
  }

 private:
  parallel::Group& group_;
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

void StepRunner::divide_steps(const Ranks& ranks, parallel::GradientFormat format, int accumulate,
                              int cuda_device) {
  accumulate_ = accumulate;
  if (ranks.alone()) return;
  graph_.reset();  // the host takes part in every step
  parallel::Group& group = *ranks.group();
  statistics_ = std::make_unique<Statistics>(group);
  if (cuda_device >= 0) {
    exchange_ = std::make_unique<parallel::DeviceGradientExchange>(group.device_gradients(cuda_device),
                                                                   group.gradients());
  } else {
    exchange_ = std::make_unique<parallel::GradientExchange>(group.gradients(), format);
  }
  // Known after the forward pass, so that they travel while the backward pass runs.
  exchange_->set_step_sums([this] {
    const engine::Sums own = own_sums();
    std::vector<double> sums{own.loss,
                             static_cast<double>(own.correct),
                             static_cast<double>(own.samples),
                             own.finite ? 0.0 : 1.0,
                             wishes_.stop ? 1.0 : 0.0,
                             wishes_.checkpoint ? 1.0 : 0.0};
    for (const std::int64_t spikes : own.spikes) sums.push_back(static_cast<double>(spikes));
    return sums;
  });
}

engine::Sums StepRunner::own_sums() {
  engine::Sums own = network_.engine().collect();
  if (!spare_) return own;
  own.correct = own.samples = 0;  // counted by another process
  own.loss = 0.0;
  std::fill(own.spikes.begin(), own.spikes.end(), 0);
  return own;
}

void StepRunner::take_sums(const std::vector<double>& sums) {
  constexpr std::size_t kSpikes = 6;
  sums_.loss += sums[0];
  sums_.correct += static_cast<std::int64_t>(sums[1]);
  sums_.samples += static_cast<std::int64_t>(sums[2]);
  sums_.finite = sums_.finite && sums[3] == 0.0;
  agreed_ = {sums[4] > 0.0, sums[5] > 0.0};
  sums_.spikes.resize(sums.size() - kSpikes);
  for (std::size_t i = kSpikes; i < sums.size(); ++i) {
    sums_.spikes[i - kSpikes] += static_cast<std::int64_t>(sums[i]);
  }
}

engine::Sums StepRunner::collect() {
  if (exchange_ == nullptr) return network_.engine().collect();
  return std::exchange(sums_, engine::Sums());
}

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
  if (exchange_ == nullptr && accumulate_ == 1) {
    network_.engine().step(batch, loss_, pass);
  } else {
    run_pieces(batch, pass);
  }
  optimizer_.step();
}

// Pieces of a batch, or of a process's part of it, one after the other.
void StepRunner::run_pieces(const engine::Batch& batch, engine::Pass pass) {
  engine::Engine& engine = network_.engine();
  pass.statistics = statistics_.get();
  spare_ = batch.spare;
  const std::int64_t pieces = std::min<std::int64_t>(accumulate_, batch.samples);
  for (std::int64_t i = 0; i < pieces; ++i) {
    engine::Batch piece = batch;
    const std::int64_t first = batch.samples * i / pieces;
    piece.samples = batch.samples * (i + 1) / pieces - first;
    if (pieces > 1) {
      engine::Backend& backend = engine.backend();
      piece.input = backend.slice(batch.input, batch.input_steps, batch.samples, first, piece.samples);
      piece.labels = backend.slice(batch.labels, 1, batch.samples, first, piece.samples);
      piece.first = batch.first + first;
      piece.whole = batch.whole != 0 ? batch.whole : batch.samples;
    }
    pass.accumulate = i > 0;
    engine.step(piece, loss_, pass, i + 1 == pieces ? exchange_.get() : nullptr);
  }
  if (exchange_ != nullptr) {
    take_sums(exchange_->sums());
  } else {
    agreed_ = wishes_;
  }
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
