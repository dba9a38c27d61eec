// A training loop of one's own: the order of things is yours, the network, its gradients and its update are
// Spikeloom's.
//   training_loop DATASET STRUCTURE NUM_STEPS EPOCHS MODEL
//   training_loop fashion-mnist '16C3(Encoding)-AP2-32C3-AP2-128FC-Voting' 2 1 mine.safetensors
// `spikeloom eval MODEL` reads what it saves.
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/loader.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/engine/engine.h"
#include "spikeloom/engine/optimizer.h"
#include "spikeloom/train/evaluation/trained_network.h"
#include "spikeloom/train/machine/arithmetic_scope.h"

using namespace spikeloom;

namespace {

/// What the network is and was trained on: saved with it, so that others can evaluate it.
train::ModelInfo describe(const std::string& dataset, const std::string& structure, int num_steps) {
  train::ModelInfo info;
  info.recipe.name = "training-loop";
  info.recipe.data.dataset = dataset;
  info.recipe.network.structure = structure;
  info.recipe.network.num_steps = num_steps;
  info.recipe.loss.kind = train::LossSettings::kCrossEntropy;
  return info;
}

/// The loader's batch as an engine takes it, not copied: it lies in the processor's memory, as the engine's
/// do.
engine::Batch batch_of(const data::Batch& from, const data::SampleShape& shape) {
  engine::Batch batch;
  batch.input = engine::view_of(from.inputs, from.size * shape.sample_size(), engine::Type::kFloat);
  batch.input_steps = shape.num_steps;
  batch.samples = from.size;
  batch.labels = engine::view_of(from.labels, from.size, engine::Type::kInt64);
  return batch;
}

double accuracy(train::TrainedNetwork& trained, const std::shared_ptr<const data::Dataset>& dataset) {
  data::LoaderSettings settings;
  settings.batch_size = 100;
  data::Loader loader(dataset, settings);
  std::int64_t correct = 0;
  while (const data::Batch* batch = loader.next()) {
    const auto values = static_cast<std::size_t>(batch->size * dataset->shape().sample_size());
    const train::Votes votes = trained.forward({batch->inputs, values}, batch->size);
    for (std::int64_t n = 0; n < batch->size; ++n) correct += votes.best(n) == batch->labels[n] ? 1 : 0;
  }
  return static_cast<double>(correct) / static_cast<double>(dataset->size());
}

void run(const std::string& dataset, const std::string& structure, int num_steps, int epochs,
         const std::string& path) {
  train::ModelInfo info = describe(dataset, structure, num_steps);
  const data::DataSplits splits = data::open_dataset(info.recipe.data, num_steps, "");
  const data::SampleShape shape = splits.train->shape();
  info.input = {shape.channels, shape.height, shape.width};
  info.class_names = splits.train->class_names();

  const train::ArithmeticScope scope;  // threads, denormals: the same bits as in any other program
  train::TrainedNetwork trained = train::TrainedNetwork::initialised(info);
  engine::Engine& engine = trained.engine();
  engine::UpdateRule rule;
  rule.kind = engine::UpdateRule::kAdam;
  std::vector<engine::SlotUpdate> slots;
  for (int slot = 0; slot < static_cast<int>(engine.program().slots.size()); ++slot) {
    if (engine.program().slot(slot).trained) slots.push_back({slot});
  }
  engine::Optimizer optimizer(engine, rule, slots);
  engine::LossSpec loss;
  loss.kind = kernels::VotingLossKind::kCrossEntropy;
  loss.vote_scale = 10.0;

  engine::Pass pass;
  pass.training = true;
  pass.seed = info.recipe.seed;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    data::LoaderSettings settings;
    settings.batch_size = 50;
    settings.shuffle = true;
    settings.seed = info.recipe.seed;
    settings.epoch = epoch;
    data::Loader loader(splits.train, settings);
    while (const data::Batch* batch = loader.next()) {
      optimizer.prepare(pass.iteration, 2e-3);           // the learning rate
      engine.step(batch_of(*batch, shape), loss, pass);  // forward, loss, backward
      optimizer.step();                                  // decays and thresholds stay in their ranges
      ++pass.iteration;                                  // makes the dropout's masks fresh
    }
    const engine::Sums sums = engine.collect();  // since the last call
    std::printf("epoch %d: loss %.4f\n", epoch + 1, sums.mean_loss());
  }
  trained.save(path);
  std::printf("test accuracy %.4f\n", accuracy(trained, splits.require_test()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: training_loop DATASET STRUCTURE NUM_STEPS EPOCHS MODEL\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], std::stoi(argv[3]), std::stoi(argv[4]), argv[5]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
