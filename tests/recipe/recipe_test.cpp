#include "spikeloom/train/recipe/recipe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "spikeloom/base/errors.h"
#include "spikeloom/config/toml.h"
#include "spikeloom/model/structure.h"

namespace spikeloom::train {
namespace {

const char* const kSmall = "[network]\nstructure = \"8C3-Voting\"\n";

void expect_refused(const std::string& text, int line, const std::string& key, const std::string& part,
                    const std::vector<std::string>& overrides = {}, const std::string& file = "r.toml") {
  try {
    parse_recipe(text, "r.toml", overrides);
    ADD_FAILURE() << "accepted:\n" << text;
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.file(), file) << error.what();
    EXPECT_EQ(error.line(), line) << error.what();
    EXPECT_EQ(error.key(), key) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

TEST(Recipe, FillsEveryStruct) {
  const Recipe recipe = parse_recipe(R"(
name = "try"
description = "a line"
seed = 9
[data]
dataset = "n-mnist"
slicing = "equal-count"
downsampling = "stride"
[network]
structure = "8C3-8C3-Voting"
num_steps = 3
bias = false
[neuron]
kind = "cuba-lif"
v_threshold = 0.05
decay = 0.35
current_decay = 0.6
surrogate = "arctan"
surrogate_width = 0.1
reset = "subtract"
detach_reset = true
learn_decay = true
v_reset = -0.25
[norm]
kind = "tebn"
momentum = 0.05
epsilon = 1e-3
alpha = 0.7
[neunorm]
enabled = true
decay = 0.9
scale = "literal"
[voting]
neurons_per_class = 4
assignment = "random"
[dropout]
rate = 0.25
[init]
scheme = "calibrated"
[optimizer]
kind = "adam"
learning_rate = 1e-4
fully_connected_rate_factor = 0.1
[schedule]
kind = "cosine"
warmup_epochs = 0.5
[loss]
kind = "cross-entropy"
reduction = "sum"
vote_scale = 5
[training]
epochs = 2
batch_size = 7
)",
                                     "file.toml");
  EXPECT_EQ(recipe.name, "try");
  EXPECT_EQ(recipe.description, "a line");
  EXPECT_EQ(recipe.seed, 9u);
  EXPECT_EQ(recipe.data.dataset, "n-mnist");
  EXPECT_EQ(recipe.data.slicing, data::Slicing::kEqualCount);
  EXPECT_EQ(recipe.data.downsampling, data::Downsampling::kStride);
  EXPECT_EQ(recipe.network.structure, "8C3-8C3-Voting");
  EXPECT_EQ(recipe.network.kind, model::NetworkKind::kSpiking);
  EXPECT_EQ(recipe.network.num_steps, 3);
  EXPECT_FALSE(recipe.network.bias);
  EXPECT_EQ(recipe.network.neuron.v_threshold, 0.05);
  EXPECT_EQ(recipe.network.neuron_kind, model::NeuronKind::kCubaLif);
  EXPECT_EQ(recipe.network.neuron.decay, 0.35);
  EXPECT_EQ(recipe.network.neuron.current_decay, 0.6);
  EXPECT_EQ(recipe.network.neuron.v_reset, -0.25);
  EXPECT_FALSE(recipe.network.neuron.learnable) << "the program says what is learnt";
  EXPECT_EQ(recipe.network.norm.kind, model::NormKind::kTebn);
  EXPECT_EQ(recipe.network.norm.momentum, 0.05);
  EXPECT_EQ(recipe.network.norm.epsilon, 1e-3);
  EXPECT_EQ(recipe.network.norm.alpha, 0.7);
  EXPECT_EQ(recipe.network.neuron.surrogate, kernels::Surrogate::kArctan);
  EXPECT_EQ(recipe.network.neuron.surrogate_width, 0.1);
  EXPECT_EQ(recipe.network.neuron.reset, kernels::Reset::kSubtract);
  EXPECT_TRUE(recipe.network.neuron.detach_reset);
  EXPECT_FALSE(recipe.network.neuron.smooth);
  EXPECT_TRUE(recipe.network.learn_decay);
  EXPECT_FALSE(recipe.network.learn_v_threshold);
  EXPECT_TRUE(recipe.network.neunorm.enabled);
  EXPECT_EQ(recipe.network.neunorm.decay, 0.9);
  EXPECT_EQ(recipe.network.neunorm.scale, kernels::NeuNormScale::kLiteral);
  EXPECT_EQ(recipe.network.voting.neurons_per_class, 4);
  EXPECT_EQ(recipe.network.voting.assignment, model::VotingAssignment::kRandom);
  EXPECT_EQ(recipe.network.dropout.rate, 0.25);
  EXPECT_EQ(recipe.network.init.scheme, model::InitScheme::kCalibrated);
  EXPECT_EQ(recipe.optimizer.kind, OptimizerSettings::kAdam);
  EXPECT_EQ(recipe.optimizer.learning_rate, 1e-4);
  EXPECT_EQ(recipe.optimizer.fully_connected_rate_factor, 0.1);
  EXPECT_EQ(recipe.schedule.kind, ScheduleSettings::kCosine);
  EXPECT_EQ(recipe.schedule.warmup_epochs, 0.5);
  EXPECT_EQ(recipe.loss.kind, LossSettings::kCrossEntropy);
  EXPECT_EQ(recipe.loss.reduction, LossSettings::kSum);
  EXPECT_EQ(recipe.loss.vote_scale, 5.0);
  EXPECT_EQ(recipe.training.epochs, 2);
  EXPECT_EQ(recipe.training.batch_size, 7);
}

TEST(Recipe, UnknownKeysComeWithLineAndSuggestion) {
  expect_refused(std::string(kSmall) + "[training]\nepoch = 3\n", 4, "training.epoch",
                 "unknown key; did you mean 'epochs'?");
  expect_refused(std::string("sed = 3\n") + kSmall, 1, "sed", "did you mean 'seed'?");
  expect_refused(std::string(kSmall) + "[optimiser]\n", 3, "optimiser", "did you mean 'optimizer'?");
  expect_refused(std::string(kSmall) + "smooth = true\n", 3, "network.smooth", "unknown key");
}

TEST(Recipe, NamesOfOtherProgramsAreUnderstoodAsQuestions) {
  const std::pair<const char*, const char*> names[] = {{"lr=0.1", "optimizer.learning_rate"},
                                                       {"optimizer.lr=0.1", "optimizer.learning_rate"},
                                                       {"wd=0.1", "optimizer.weight_decay"},
                                                       {"batch=8", "training.batch_size"},
                                                       {"bs=8", "training.batch_size"},
                                                       {"T=4", "network.num_steps"},
                                                       {"steps=4", "network.num_steps"},
                                                       {"threshold=1", "neuron.v_threshold"},
                                                       {"network.threshold=1", "neuron.v_threshold"},
                                                       {"tau=2", "neuron.decay"},
                                                       {"beta=0.9", "neuron.decay"},
                                                       {"epochs=3", "training.epochs"},
                                                       {"training.seed=1", "'seed'"},
                                                       {"dataset=mnist", "data.dataset"},
                                                       {"precision=fp32", "compute.precision"},
                                                       {"momentum=0.9", "optimizer.momentum"}};
  for (const auto& [assignment, key] : names) {
    try {
      parse_recipe(kSmall, "small.toml", {assignment});
      ADD_FAILURE() << assignment;
    } catch (const ConfigError& error) {
      const std::string what = error.what();
      EXPECT_NE(what.find("did you mean"), std::string::npos) << what;
      EXPECT_NE(what.find(key), std::string::npos) << what;
    }
  }
}

TEST(Recipe, WrongTypesAndRangesAreRefused) {
  struct Case {
    const char* section;
    const char* assignment;
    const char* part;
  };
  const Case cases[] = {{"training", "epochs = \"3\"", "expected an integer"},
                        {"training", "epochs = 3.0", "expected an integer"},
                        {"training", "epochs = 0", "is 0"},
                        {"training", "batch_size = 0", "is 0"},
                        {"training", "log_every = 0", "is 0"},
                        {"training", "workers = -1", "is -1"},
                        {"training", "keep_best = 1", "true or false"},
                        {"neuron", "decay = 1.01", "<= 1"},
                        {"neuron", "decay = -0.1", ">= 0"},
                        {"neuron", "surrogate_width = 0", "> 0"},
                        {"neuron", "v_threshold = 0.0", "> 0"},
                        {"neuron", "v_threshold = nan", "finite"},
                        {"neuron", "v_reset = 0.75", "below v_threshold = 0.75"},
                        {"neuron", "v_reset = inf", "finite"},
                        {"neuron", "current_decay = 1.01", "<= 1"},
                        {"neuron", "current_decay = -0.1", ">= 0"},
                        {"neuron", "kind = \"cuba\"", "cuba-lif"},
                        {"neuron", "kind = \"LIF\"", "lif"},
                        {"neuron", "reset = \"soft\"", "subtract"},
                        {"norm", "kind = \"bn\"", "tdbn"},
                        {"norm", "momentum = 0.0", "> 0"},
                        {"norm", "momentum = 1.1", "<= 1"},
                        {"norm", "epsilon = 0", "> 0"},
                        {"norm", "alpha = 0", "> 0"},
                        {"norm", "alpha = nan", "finite"},
                        {"neuron", "surrogate = \"rectangle\"", "did you mean 'rectangular'?"},
                        {"neunorm", "decay = 1.0", "< 1"},
                        {"neunorm", "u_init = inf", "finite"},
                        {"dropout", "rate = 1.0", "< 1"},
                        {"voting", "neurons_per_class = 0", "is 0"},
                        {"init", "gain = 0", "> 0"},
                        {"init", "firing_rate = 1", "< 1"},
                        {"optimizer", "learning_rate = 0", "> 0"},
                        {"optimizer", "momentum = 1", "< 1"},
                        {"optimizer", "epsilon = 0", "> 0"},
                        {"schedule", "factor = 0", "> 0"},
                        {"schedule", "step_epochs = 0", "is 0"},
                        {"schedule", "warmup_epochs = 10.5", "exceeds training.epochs = 10"},
                        {"loss", "vote_scale = 0", "> 0"},
                        {"data", "downsample = 0", "is 0"},
                        {"data", "window_us = 0", "is 0"},
                        {"data", "train_limit = -1", "is -1"},
                        {"data", "cutout = -1", "is -1"},
                        {"data", "cutout = 4097", "is 4097"},
                        {"data", "cutout = 1.5", "expected an integer"},
                        {"data", "brightness = -0.1", ">= 0"},
                        {"data", "contrast = 255.5", "<= 255"},
                        {"data", "saturation = nan", "finite"},
                        {"data", "flip_order = \"alternating\"", "data.horizontal_flip"},
                        {"init", "encoding = \"white\"", "whitened"},
                        {"data", "dataset = \"\"", "is empty"}};
  for (const Case& one : cases) {
    const std::string assignment = one.assignment;
    expect_refused(std::string(kSmall) + "[" + one.section + "]\n" + assignment + "\n", 4,
                   std::string(one.section) + "." + assignment.substr(0, assignment.find(' ')), one.part);
  }
  for (const char* steps : {"0", "4097"}) {
    expect_refused(std::string(kSmall) + "num_steps = " + steps + "\n", 3, "network.num_steps",
                   "expected 1 to 4096");
  }
  EXPECT_EQ(parse_recipe(std::string(kSmall) + "num_steps = 4096\n", "r").network.num_steps, 4096);
  EXPECT_EQ(parse_recipe(std::string(kSmall) + "[neuron]\ndecay = 1\n", "r").network.neuron.decay, 1.0);
  expect_refused(std::string("seed = -1\n") + kSmall, 1, "seed", "is -1");
}

TEST(Recipe, StructureErrorsKeepTheirColumnAndGainTheLine) {
  try {
    parse_recipe("[network]\n\nstructure = \"8C4-Voting\"\n", "r.toml");
    FAIL();
  } catch (const model::StructureError& error) {
    EXPECT_EQ(error.file(), "r.toml");
    EXPECT_EQ(error.line(), 3);
    EXPECT_EQ(error.key(), "network.structure");
    EXPECT_EQ(error.position, 3u);
    EXPECT_EQ(error.caret(), "8C4-Voting\n   ^");
  }
  expect_refused("[network]\n", 1, "network.structure", "is missing");
  expect_refused("seed = 1\n", 0, "network.structure", "is missing");
}

TEST(Recipe, NetworkMayBeAListOfItsParts) {
  const std::string parts =
      "[network]\nlayers = [\n  \"64C3(Encoding)\",\n  \"{64C3-64C3}*2\",\n  \"GAP-Voting\",\n]\n";
  const Recipe recipe = parse_recipe(parts, "r.toml");
  EXPECT_EQ(recipe.network.structure, "64C3(Encoding)-{64C3-64C3}*2-GAP-Voting");
  EXPECT_TRUE(recipe ==
              parse_recipe("[network]\nstructure = \"64C3(Encoding)-{64C3-64C3}*2-GAP-Voting\"\n", "r.toml"));
  EXPECT_TRUE(recipe == parse_recipe(to_toml(recipe), "r.toml")) << "the string is written";
  EXPECT_TRUE(recipe == parse_recipe("[network]\nstructure = \"\"\n" + parts.substr(10), "r.toml"));
  EXPECT_EQ(parse_recipe(std::string(kSmall) + "layers = []\n", "r.toml").network.structure, "8C3-Voting");
  expect_refused(std::string(kSmall) + "layers = [\"8C3\", \"Voting\"]\n", 3, "network.layers",
                 "is given too");
  expect_refused(kSmall, 0, "network.layers", "is given too", {"network.layers=[\"Voting\"]"}, "--set");
  EXPECT_EQ(parse_recipe(kSmall, "r", {"network.structure=\"\"", "network.layers=[\"4FC\", \"Voting\"]"})
                .network.structure,
            "4FC-Voting");
  expect_refused("[network]\nlayers = \"8C3-Voting\"\n", 2, "network.layers", "list");
  expect_refused("[network]\nlayers = [8, 3]\n", 2, "network.layers", "");
  expect_refused("[network]\nlayers = []\n", 1, "network.structure", "is missing");
  expect_refused("[network]\nlayers = [\"\"]\n", 2, "network.layers", "is missing");
  try {
    parse_recipe("[network]\nnum_steps = 2\nlayers = [\"8C3\", \"{8C3-4FC}\", \"Voting\"]\n", "r.toml");
    FAIL();
  } catch (const model::StructureError& error) {
    EXPECT_EQ(error.line(), 3);
    EXPECT_EQ(error.key(), "network.layers");
    EXPECT_EQ(error.caret(), "8C3-{8C3-4FC}-Voting\n         ^") << "the parts joined";
  }
}

TEST(Recipe, SettingsThatContradictEachOtherAreRefused) {
  const std::string ann = std::string(kSmall) + "kind = \"ann\"\n";
  EXPECT_EQ(parse_recipe(ann, "r").network.kind, model::NetworkKind::kAnn);
  expect_refused(ann + "[neunorm]\nenabled = true\n", 5, "neunorm.enabled", "'ann'");
  expect_refused(ann + "[neuron]\nlearn_decay = true\n", 5, "neuron.learn_decay", "'ann'");
  expect_refused(ann + "[neuron]\nlearn_v_threshold = true\n", 5, "neuron.learn_v_threshold", "'ann'");
  expect_refused(ann + "[norm]\nkind = \"tebn\"\n", 5, "norm.kind", "no steps");
  EXPECT_EQ(parse_recipe(ann + "[norm]\nkind = \"tdbn\"\n", "r").network.norm.kind, model::NormKind::kTdbn);
  expect_refused(std::string(kSmall) + "[neuron]\nkind = \"if\"\nlearn_decay = true\n", 5,
                 "neuron.learn_decay", "whose decay is 1");
  expect_refused("[network]\nstructure = \"8C3-{8C3}-Voting\"\n[neunorm]\nenabled = true\n", 4,
                 "neunorm.enabled", "residual block");
  expect_refused(std::string(kSmall) + "[training]\nkeep_best = true\n", 4, "training.keep_best",
                 "data.validation_samples");
  const std::string best =
      std::string(kSmall) + "[training]\nkeep_best = true\n[data]\nvalidation_samples = 5\n";
  EXPECT_TRUE(parse_recipe(best, "r").training.keep_best);
}

TEST(Recipe, DefaultGainGoesByTheKindOfNetwork) {
  EXPECT_EQ(parse_recipe(kSmall, "r").network.init.gain, 2.0);
  EXPECT_EQ(parse_recipe(kSmall, "r", {"network.kind=ann"}).network.init.gain, 1.0);
  for (const char* kind : {"network.kind=ann", "network.kind=snn"}) {
    const Recipe recipe = parse_recipe(kSmall, "r", {kind, "init.gain=1.5"});
    EXPECT_EQ(recipe.network.init.gain, 1.5);
    EXPECT_TRUE(parse_recipe(to_toml(recipe), "r") == recipe);
  }
  const Recipe ann = parse_recipe(kSmall, "r", {"network.kind=ann"});
  EXPECT_EQ(parse_recipe(to_toml(ann), "r").network.init.gain, 1.0);
}

TEST(Recipe, DefaultVoteScaleGoesByTheLastLayer) {
  const auto scale = [](const std::vector<std::string>& changes) {
    return parse_recipe(kSmall, "r", changes).loss.vote_scale;
  };
  EXPECT_EQ(scale({}), 10.0);
  EXPECT_EQ(scale({"network.structure=8FC-Readout"}), 1.0);
  EXPECT_EQ(scale({"network.structure=8FC-Readout", "loss.vote_scale=10.0"}), 10.0);
}

TEST(Recipe, OverridesAreCheckedLikeAFile) {
  const Recipe recipe = parse_recipe(
      kSmall, "r.toml", {"training.batch_size=32", "network.kind=ann", "seed=4", "seed=5", "name=x-1"});
  EXPECT_EQ(recipe.training.batch_size, 32);
  EXPECT_EQ(recipe.network.kind, model::NetworkKind::kAnn);
  EXPECT_EQ(recipe.seed, 5u);
  EXPECT_EQ(recipe.name, "x-1");
  expect_refused(kSmall, 0, "training.batch_sizes", "did you mean 'training.batch_size'?",
                 {"training.batch_sizes=3"}, "--set");
  expect_refused(kSmall, 0, "training.batch_size", "expected an integer", {"training.batch_size=many"},
                 "--set");
  expect_refused(kSmall, 0, "training", "expected a table", {"training=3"}, "--set");
  expect_refused(kSmall, 0, "network.structure", "column 3", {"network.structure=8C"}, "--set");
}

TEST(Recipe, NameIsTheFilesUnlessItIsGiven) {
  EXPECT_EQ(parse_recipe(kSmall, "a/b/cifar net.toml").name, "cifar-net");
  EXPECT_EQ(parse_recipe(std::string("name = \"x\"\n") + kSmall, "r.toml").name, "x");
  for (const char* name : {"", "../up", ".hidden", "a/b", "a b"}) {
    expect_refused("name = \"" + std::string(name) + "\"\n" + kSmall, 1, "name", "letters, digits");
  }
}

TEST(Recipe, NameAndDescriptionAreNotInherited) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "spikeloom-recipe-inherit";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "below.toml") << "name = \"below\"\ndescription = \"the one below\"\nseed = 7\n"
                                       << kSmall;
  std::ofstream(folder / "above.toml") << "extends = \"below.toml\"\n[training]\nepochs = 3\n";
  const Recipe recipe = load_recipe((folder / "above.toml").string());
  const Recipe below = load_recipe((folder / "below.toml").string());
  std::filesystem::remove_all(folder);
  EXPECT_EQ(recipe.name, "above");
  EXPECT_EQ(recipe.description, "");
  EXPECT_EQ(recipe.seed, 7u);
  EXPECT_EQ(recipe.training.epochs, 3);
  EXPECT_EQ(below.name, "below");
  EXPECT_EQ(below.description, "the one below");
}

TEST(Recipe, WrittenAndReadAgainIsEqual) {
  Recipe recipe = parse_recipe(kSmall, "r.toml");
  recipe.description = "quotes \" and \\ and \n";
  recipe.seed = 9223372036854775807u;
  recipe.optimizer.learning_rate = 0.1 + 0.2;
  recipe.network.neuron.decay = 1.0 / 3.0;
  const Recipe back = parse_recipe(to_toml(recipe), "other.toml");
  EXPECT_EQ(back.optimizer.learning_rate, 0.1 + 0.2);
  EXPECT_EQ(back.network.neuron.decay, 1.0 / 3.0);
  EXPECT_EQ(back.description, recipe.description);
  EXPECT_TRUE(back == recipe);
  EXPECT_EQ(to_toml(back), to_toml(recipe));
  recipe.seed = 9223372036854775808u;
  EXPECT_THROW(to_toml(recipe), ConfigError);
}

TEST(Recipe, EveryStructTakesPartInEquality) {
  const Recipe recipe = parse_recipe(kSmall, "r.toml");
  const std::function<void(Recipe&)> changes[] = {
      [](Recipe& r) { r.name = "x"; },
      [](Recipe& r) { r.seed = 2; },
      [](Recipe& r) { r.data.max_shift = 1; },
      [](Recipe& r) { r.data.split = "random"; },
      [](Recipe& r) { r.data.cutout = 1; },
      [](Recipe& r) { r.data.brightness = 0.1; },
      [](Recipe& r) { r.data.contrast = 0.1; },
      [](Recipe& r) { r.data.saturation = 0.1; },
      [](Recipe& r) { r.data.transforms = {"align_time"}; },
      [](Recipe& r) { r.data.overlap_us = 1; },
      [](Recipe& r) { r.data.slicing = data::Slicing::kCount; },
      [](Recipe& r) { r.network.structure = "9C3-Voting"; },
      [](Recipe& r) { r.network.learn_v_threshold = true; },
      [](Recipe& r) { r.network.neuron.reset = kernels::Reset::kSubtract; },
      [](Recipe& r) { r.network.neunorm.after_pooling = true; },
      [](Recipe& r) { r.network.neuron_kind = model::NeuronKind::kIf; },
      [](Recipe& r) { r.network.neuron.reset = kernels::Reset::kNone; },
      [](Recipe& r) { r.network.neuron.current_decay = 0.5; },
      [](Recipe& r) { r.network.neuron.v_reset = -1.0; },
      [](Recipe& r) { r.network.norm.kind = model::NormKind::kTdbn; },
      [](Recipe& r) { r.network.norm.momentum = 0.2; },
      [](Recipe& r) { r.network.norm.epsilon = 1e-4; },
      [](Recipe& r) { r.network.norm.alpha = 2.0; },
      [](Recipe& r) { r.network.voting.assignment = model::VotingAssignment::kRandom; },
      [](Recipe& r) { r.network.dropout.same_mask_each_step = true; },
      [](Recipe& r) { r.network.init.firing_rate = 0.21; },
      [](Recipe& r) { r.optimizer.max_gradient_norm = 1; },
      [](Recipe& r) { r.optimizer.decay_all = true; },
      [](Recipe& r) { r.schedule.final_rate_fraction = 0.1; },
      [](Recipe& r) { r.loss.reduction = LossSettings::kSum; },
      [](Recipe& r) { r.training.workers = 2; }};
  for (const auto& change : changes) {
    Recipe other = recipe;
    EXPECT_TRUE(other == recipe);
    change(other);
    EXPECT_TRUE(other != recipe);
  }
}

}  // namespace
}  // namespace spikeloom::train
