// Uses the installed library: plans a network, and trains and evaluates when it is given a recipe.
//   consumer                      prints the size of the paper's CIFARNet
//   consumer RECIPE RUN_FOLDER    trains and prints the test accuracy
#include <cstdio>
#include <exception>

#include "spikeloom/model/plan.h"
#include "spikeloom/train/trainer.h"

int main(int argc, char** argv) {
  try {
    if (argc == 3) {
      spikeloom::train::TrainingRequest request;
      request.recipe = spikeloom::train::load_recipe(argv[1]);
      request.run_path = argv[2];
      spikeloom::train::TrainingObserver silent;
      std::printf("test accuracy %.4f\n", spikeloom::train::train(request, silent).test_accuracy);
      return 0;
    }
    spikeloom::model::NetworkSettings settings;
    settings.structure = "128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting";
    const auto plan = spikeloom::model::plan_network(settings, {3, 32, 32}, 10);
    std::printf("CIFARNet: %lld parameters\n", static_cast<long long>(plan.parameters()));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
