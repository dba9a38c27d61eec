#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "spikeloom/base/files.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;

const fs::path kRecipes = fs::path(SPIKELOOM_SOURCE_DIR) / "recipes";

std::vector<std::string> shipped() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRecipes)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(kRecipes).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Recipe load(const std::string& file) { return load_recipe((kRecipes / file).string()); }

/// What the data set hands to the network.
model::Shape input_of(const data::DataSettings& settings) {
  const std::map<std::string, model::Shape> shapes = {
      {"mnist", {1, 28, 28}},         {"fashion-mnist", {1, 28, 28}},
      {"cifar10", {3, 32, 32}},       {"n-mnist", {2, 34, 34}},
      {"dvs-cifar10", {2, 128, 128}}, {"folder", {2, 128, 128}}};  // its recordings' sensor
  model::Shape shape = shapes.at(settings.dataset);
  shape.height /= settings.downsample;
  shape.width /= settings.downsample;
  return shape;
}

class ShippedRecipe : public testing::TestWithParam<std::string> {};

TEST_P(ShippedRecipe, LoadsPlansAndSurvivesWriting) {
  ASSERT_EQ(fs::path(GetParam()).extension(), ".toml") << "recipes/ holds recipes and nothing else";
  const Recipe recipe = load(GetParam());
  EXPECT_EQ(recipe.name, fs::path(GetParam()).stem().string());
  EXPECT_FALSE(recipe.description.empty());
  const model::NetworkPlan plan = model::plan_network(recipe.network, input_of(recipe.data), 10);
  EXPECT_GT(plan.parameters(), 0);
  EXPECT_TRUE(parse_recipe(to_toml(recipe), "written.toml") == recipe);
}

INSTANTIATE_TEST_SUITE_P(All, ShippedRecipe, testing::ValuesIn(shipped()), [](const auto& file) {
  std::string name = file.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

TEST(ShippedRecipes, CoverThePapersExperiments) {
  for (const char* file : {"s", "m", "alexnet", "cifarnet", "s-neunorm", "m-neunorm", "alexnet-neunorm",
                           "cifarnet-neunorm", "s-ann", "m-ann", "alexnet-ann", "cifarnet-ann"}) {
    EXPECT_EQ(load(std::string("cifar10/") + file + ".toml").data.dataset, "cifar10");
  }
  for (const char* set : {"n-mnist", "dvs-cifar10"}) {
    for (const std::string net : {"s", "m", "l", "v1"}) {
      EXPECT_EQ(load(std::string(set) + "/" + net + ".toml").data.dataset, set);
      EXPECT_TRUE(load(std::string(set) + "/" + net + "-neunorm.toml").network.neunorm.enabled);
      EXPECT_EQ(load(std::string(set) + "/" + net + "-ann.toml").network.kind, model::NetworkKind::kAnn);
    }
  }
}

/// Gives `recipe` what recipes/cifar10/gpu/ may say otherwise than the paper's recipes, and its name.
void take_gpu_protocol(const Recipe& gpu, Recipe& recipe) {
  recipe.name = gpu.name;
  recipe.description = gpu.description;
  recipe.data.validation_samples = 5000;
  recipe.network.compute.precision = model::Precision::kBf16;
  recipe.network.init.gain = gpu.network.init.gain;
  recipe.optimizer.learning_rate = gpu.optimizer.learning_rate;
  recipe.schedule = gpu.schedule;
  recipe.training = gpu.training;
}

TEST(ShippedRecipes, GpuRecipesAreThePapersButForTheProtocol) {
  const Recipe base = load("cifar10/gpu/base.toml");
  EXPECT_EQ(base.schedule.kind, ScheduleSettings::kCosine);
  EXPECT_GT(base.schedule.warmup_epochs, 0.0);
  for (const std::string net : {"alexnet", "alexnet-neunorm", "cifarnet", "cifarnet-neunorm"}) {
    const Recipe recipe = load("cifar10/gpu/" + net + ".toml");
    Recipe expected = load("cifar10/" + net + ".toml");
    take_gpu_protocol(recipe, expected);
    EXPECT_TRUE(recipe == expected) << recipe.name;
    EXPECT_EQ(recipe.network.init.gain, base.network.init.gain) << recipe.name;
    EXPECT_EQ(recipe.optimizer.learning_rate, base.optimizer.learning_rate) << recipe.name;
    EXPECT_EQ(recipe.training.epochs, base.training.epochs) << recipe.name;
  }
  for (const std::string net : {"alexnet", "cifarnet"}) {
    const Recipe recipe = load("cifar10/gpu/" + net + "-ann.toml");
    Recipe expected = load("cifar10/" + net + "-ann.toml");
    take_gpu_protocol(recipe, expected);
    EXPECT_TRUE(recipe == expected) << recipe.name;
    const Recipe fast = load("cifar10/gpu/" + net + "-fast.toml");
    EXPECT_EQ(fast.network.structure, expected.network.structure);
    EXPECT_EQ(fast.data.validation_samples, 5000);
    EXPECT_LT(fast.training.epochs, base.training.epochs);
  }
}

// What a spiking network needs to fire grows from layer to layer behind ReLUs.
TEST(ShippedRecipes, ArtificialNetworksStartWithoutAnExtraGain) {
  int count = 0;
  for (const std::string& file : shipped()) {
    const Recipe recipe = load(file);
    if (recipe.network.kind != model::NetworkKind::kAnn) continue;
    EXPECT_EQ(recipe.network.init.gain, 1.0) << file;
    ++count;
  }
  EXPECT_GE(count, 12);
}

/// Each line of tools/gpu/trainings.txt: a recipe and overrides of its keys.
TEST(ShippedRecipes, ListOfGpuTrainingsLoads) {
  std::istringstream lines(
      read_text_file((fs::path(SPIKELOOM_SOURCE_DIR) / "tools/gpu/trainings.txt").string()));
  std::set<std::string> listed;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string file;
    if (!(words >> file)) continue;
    std::vector<std::string> overrides;
    for (std::string word; words >> word;) overrides.push_back(word);
    EXPECT_NO_THROW(load_recipe((kRecipes / (file + ".toml")).string(), overrides)) << line;
    EXPECT_TRUE(listed.insert(line).second) << "twice: " << line;
  }
  for (const std::string& file : shipped()) {
    const std::string name = file.substr(0, file.size() - std::string(".toml").size());
    if (name.rfind("cifar10/gpu/", 0) != 0 || name == "cifar10/gpu/base") continue;
    EXPECT_EQ(listed.count(name), 1u) << name << " is not among them";
  }
}

struct Experiment {
  const char* file;
  double v_threshold, surrogate_width, decay, neunorm_decay, dropout;
  int epochs;
  double parameters_m, parameters_unit, gmacs;
};

TEST(ShippedRecipes, HaveThePapersSettingsAndSizes) {
  const Experiment experiments[] = {{"cifar10/cifarnet.toml", .75, 1.0, .25, .8, .5, 120, 45.05, 0.01, 1.246},
                                    {"cifar10/alexnet.toml", .75, 1.0, .25, .8, .5, 120, 21.3, 0.1, 0.615},
                                    {"n-mnist/l.toml", .05, .1, .3, .9, 0, 300, 27.7, 0.1, 0.710},
                                    {"dvs-cifar10/l.toml", .05, .1, .35, .9, 0, 300, 41.8, 0.1, 1.084}};
  for (const Experiment& one : experiments) {
    const Recipe recipe = load(one.file);
    EXPECT_EQ(recipe.network.neuron.v_threshold, one.v_threshold) << one.file;
    EXPECT_EQ(recipe.network.neuron.surrogate_width, one.surrogate_width) << one.file;
    EXPECT_EQ(recipe.network.neuron.decay, one.decay) << one.file;
    EXPECT_EQ(recipe.network.neunorm.decay, one.neunorm_decay) << one.file;
    EXPECT_EQ(recipe.network.dropout.rate, one.dropout) << one.file;
    EXPECT_EQ(recipe.training.epochs, one.epochs) << one.file;
    const model::NetworkPlan plan = model::plan_network(recipe.network, input_of(recipe.data), 10);
    EXPECT_NEAR(static_cast<double>(plan.parameters()) / 1e6, one.parameters_m, one.parameters_unit / 2)
        << one.file;
    EXPECT_NEAR(static_cast<double>(plan.macs_per_step()) / 1e9, one.gmacs, 0.0005) << one.file;
  }
  const Recipe cifar10 = load("cifar10/cifarnet.toml");
  EXPECT_EQ(cifar10.optimizer.kind, OptimizerSettings::kSgd);
  EXPECT_EQ(cifar10.optimizer.learning_rate, 0.1);
  EXPECT_EQ(cifar10.optimizer.fully_connected_rate_factor, 0.1);
  EXPECT_EQ(cifar10.schedule.kind, ScheduleSettings::kStep);
  EXPECT_EQ(cifar10.schedule.step_epochs, 40);
  EXPECT_EQ(cifar10.training.batch_size, 10);
  EXPECT_EQ(cifar10.network.num_steps, 8);
  EXPECT_EQ(cifar10.data.crop_padding, 4);
  EXPECT_TRUE(cifar10.data.standardize && cifar10.data.horizontal_flip);
  const Recipe n_mnist = load("n-mnist/l.toml");
  EXPECT_EQ(n_mnist.optimizer.kind, OptimizerSettings::kAdam);
  EXPECT_EQ(n_mnist.optimizer.learning_rate, 1e-4);
  EXPECT_EQ(n_mnist.network.num_steps, 15);
  EXPECT_EQ(n_mnist.data.window_us, 5000);
  const Recipe dvs = load("dvs-cifar10/l.toml");
  EXPECT_EQ(dvs.network.num_steps, 10);
  EXPECT_EQ(dvs.data.split, "paper");
  EXPECT_EQ(dvs.data.downsampling, data::Downsampling::kStride);
}

}  // namespace
}  // namespace spikeloom::train
