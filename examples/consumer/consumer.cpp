// Uses the installed library, without a LibTorch header:
//   consumer                         prints the size of the paper's CIFARNet
//   consumer train RECIPE RUN [N]    trains (on N threads) and prints the test accuracy
//   consumer votes RUN_OR_MODEL N    prints the votes of the first N test samples of the model's data set
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "spikeloom/data/registry.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/train/evaluation/trained_network.h"
#include "spikeloom/train/session/trainer.h"

using namespace spikeloom;

namespace {

void plan() {
  model::NetworkSettings settings;
  settings.structure = "128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting";
  const auto plan = model::plan_network(settings, {3, 32, 32}, 10);
  std::printf("CIFARNet: %lld parameters\n", static_cast<long long>(plan.parameters()));
}

void train_by_recipe(const std::string& recipe, const std::string& run, int threads) {
  train::TrainingRequest request;
  request.recipe = train::load_recipe(recipe);
  request.run_path = run;
  request.threads = threads;
  train::TrainingObserver silent;
  const train::TrainingResult result = train::train(request, silent);
  if (result.has_test) {
    std::printf("test accuracy %.4f\n", result.test_accuracy);
  } else {
    std::printf("trained; there is no test part\n");
  }
}

void print_votes(const std::string& run_or_model, std::int64_t samples) {
  auto trained = train::TrainedNetwork::load(run_or_model);
  const auto& recipe = trained.info().recipe;
  const auto test = data::open_dataset(recipe.data, recipe.network.num_steps, "").require_test();
  for (std::int64_t i = 0; i < samples; ++i) {
    std::vector<float> sample(static_cast<std::size_t>(test->shape().sample_size()));
    test->read(i, nullptr, sample.data());
    const train::Votes votes = trained.forward(sample, 1);
    for (const float vote : votes.of(0)) std::printf("%.9g ", static_cast<double>(vote));
    std::printf(" %s\n", trained.info().class_names[static_cast<std::size_t>(votes.best(0))].c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  try {
    if (what == "train" && argc >= 4) {
      train_by_recipe(argv[2], argv[3], argc > 4 ? std::atoi(argv[4]) : 0);
    } else if (what == "votes" && argc == 4) {
      print_votes(argv[2], std::atoi(argv[3]));
    } else {
      plan();
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
