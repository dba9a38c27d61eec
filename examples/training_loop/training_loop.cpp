// A training loop of one's own: data, network and file format are Spikeloom's, the optimiser is LibTorch's.
//   training_loop DATASET STRUCTURE NUM_STEPS EPOCHS MODEL
//   training_loop fashion-mnist '16C3(Encoding)-AP2-32C3-AP2-128FC-Voting' 2 1 mine.safetensors
// `spikeloom eval MODEL` reads what it saves.
#include <torch/optim/adam.h>

#include <cstdio>
#include <exception>
#include <string>

#include "spikeloom/data/loader.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/nn/loss.h"
#include "spikeloom/nn/network.h"
#include "spikeloom/train/arithmetic_scope.h"
#include "spikeloom/train/batch_tensors.h"
#include "spikeloom/train/trained_network.h"

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
  nn::Network& network = trained.network();
  std::vector<at::Tensor> parameters;
  for (const auto& parameter : network.parameters()) parameters.push_back(parameter.value);
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(2e-3));

  nn::ForwardOptions options;
  options.training = true;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    data::LoaderSettings settings;
    settings.batch_size = 50;
    settings.shuffle = true;
    settings.seed = info.recipe.seed;
    settings.epoch = epoch;
    data::Loader loader(splits.train, settings);
    double loss_sum = 0.0;
    while (const data::Batch* batch = loader.next()) {
      const at::Tensor votes = network.forward(train::batch_inputs(*batch, shape), options);
      const at::Tensor loss = nn::cross_entropy_loss(votes, train::batch_labels(*batch), 10.0);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      network.clamp_neuron_parameters();  // decays and thresholds stay in their ranges
      ++options.iteration;                // makes the dropout's masks fresh
      loss_sum += loss.item<double>();
    }
    std::printf("epoch %d: loss %.4f\n", epoch + 1, loss_sum / static_cast<double>(loader.num_batches()));
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
