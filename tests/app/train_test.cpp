#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Train : public ProgramTest {};

TEST_F(Train, ThenEvaluateAndDescribe) {
  const auto trained = run(train_command("runs/a"));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  expect_plain_text(trained);
  for (const char* part : {"MNIST: 100 training, 20 validation", "epoch 3/3  train: loss ",
                           "validation accuracy ", "test accuracy ", "test set read once",
                           "model    runs/a/model.safetensors", " eval runs/a --split test"}) {
    EXPECT_TRUE(contains(trained.out, part)) << part << "\nis not in\n" << trained.out;
  }
  for (const char* name : {"recipe.toml", "environment.json", "metrics.jsonl", "checkpoint.safetensors",
                           "model.safetensors", "result.json"}) {
    EXPECT_TRUE(exists(std::string("runs/a/") + name)) << name;
  }

  const auto evaluated = run({"eval", "runs/a", "--data-dir", "sets", "--split", "test", "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_EQ(evaluated.err, "");
  const auto json = evaluated.json();
  EXPECT_EQ(json.at("samples"), 30);
  EXPECT_EQ(json.at("accuracy"), nlohmann::json::parse(read("runs/a/result.json")).at("test_accuracy"));
  const auto text = run({"eval", "runs/a/model.safetensors", "--data-dir", "sets", "--limit", "7"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "of 7 samples)")) << text.out;
  expect_plain_text(text);

  for (const char* what : {"runs/a", "runs/a/model.safetensors", "runs/a/checkpoint.safetensors"}) {
    const auto info = run({"info", what, "--json"});
    ASSERT_EQ(info.exit_code, 0) << info.err;
    EXPECT_EQ(info.json().at("structure"), "2C3(Encoding)-AP4-16FC-Voting");
    EXPECT_EQ(info.json().at("parameters"), 20 + 98 * 16 + 16 + 16 * 20 + 20);
  }
}

TEST_F(Train, TheRunsRecipeGivesTheSameRun) {
  ASSERT_EQ(run(train_command("runs/a", {"--set", "seed=5", "--set", "training.epochs=1"})).exit_code, 0);
  ASSERT_EQ(run({"train", "runs/a/recipe.toml", "--data-dir", "sets", "--out", "runs/b"}).exit_code, 0);
  EXPECT_EQ(tensor_bytes("runs/a/model.safetensors"), tensor_bytes("runs/b/model.safetensors"));
  EXPECT_EQ(read("runs/a/recipe.toml"), read("runs/b/recipe.toml"));
}

TEST_F(Train, NamesTheProgramAsItWasCalled) {
  const auto outcome = run(train_command("runs/a", {"--set", "training.epochs=1"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, std::string("next     ") + SPIKELOOM_PROGRAM + " eval runs/a"))
      << outcome.out;
  expect_error(run(train_command("runs/b", {"--set", "a name=with blanks"})), 2, {"a name"});
}

TEST_F(Train, JsonIsAloneOnStandardOutput) {
  const auto outcome = run(train_command("runs/a", {"--json", "--set", "training.epochs=1"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json(), nlohmann::json::parse(read("runs/a/result.json")));
  EXPECT_TRUE(contains(outcome.err, "epoch 1/1")) << outcome.err;
  expect_plain_text(outcome);
}

TEST_F(Train, QuietSaysNothingWhenAllIsWell) {
  const auto outcome = run(train_command("runs/a", {"--quiet", "--set", "training.epochs=1"}));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST_F(Train, RunsAreNamedAfterTheRecipeAndNumbered) {
  for (const char* folder : {"runs/r", "runs/r-2"}) {
    const auto outcome = run({"train", "r.toml", "--data-dir", "sets", "--set", "training.max_iterations=1"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(exists(std::string(folder) + "/model.safetensors"));
  }
}

TEST_F(Train, SaysTheMemoryItNeeds) {
  const auto outcome = run(train_command("runs/a", {"--set", "training.max_iterations=1"}));
  EXPECT_TRUE(contains(outcome.out, "memory   about 2")) << outcome.out;
}

TEST_F(Train, ANetworkThatCannotFitIsOneLine) {
  Surroundings surroundings;
  surroundings.max_memory_bytes = 6L << 30;
  const auto huge = train_command("runs/a", {"--set", "network.structure=65536FC-65536FC-Voting"});
  expect_error(
      run(huge, surroundings), 2,
      {"key 'network.structure': its 4347", "the limit on address space (ulimit -v)", "use smaller layers"});
  EXPECT_FALSE(exists("runs/a"));
}

TEST_F(Train, AnAbsurdLearningRateIsSaid) {
  for (const char* optimizer : {"sgd", "adam"}) {
    const auto outcome = run(train_command(std::string("runs/") + optimizer,
                                           {"--quiet", "--set", "optimizer.learning_rate=1e10", "--set",
                                            std::string("optimizer.kind=") + optimizer}));
    expect_error(outcome, 4,
                 {"training diverged at epoch 1, iteration 1 ", "the weights 'conv1.weight' have grown to ",
                  "lower optimizer.learning_rate"});
  }
}

TEST_F(Train, ABatchAboveTheSetsSizeIsAWarning) {
  const auto outcome = run(train_command("runs/a", {"--quiet", "--set", "training.batch_size=1000"}));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err,
            "spikeloom: warning: training.batch_size = 1000 is more than the 100 training samples: each "
            "batch is the "
            "whole set, one update an epoch\n");
}

TEST_F(Train, AFullDiskBehindStandardOutputLosesNothing) {
  Surroundings surroundings;
  surroundings.out_file = "/dev/full";
  const auto outcome = run(train_command("runs/a"), surroundings);
  expect_error(outcome, 3,
               {"cannot write the output: No space left on device; everything is saved. Resume with: "});
  EXPECT_EQ(run({"train", "--resume", "runs/a", "--data-dir", "sets", "--quiet"}).exit_code, 0);
}

TEST_F(Train, ASilentLayerIsAWarning) {
  const auto outcome =
      run(train_command("runs/a", {"--quiet", "--set", "init.gain=1e-3", "--set", "training.epochs=1"}));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err.find("spikeloom: warning: layer conv1 does not fire"), 0u) << outcome.err;
}

TEST_F(Train, AWarningIsPrintedOnce) {
  // ATIS bin, 34 x 34: two classes of ten recordings.
  for (const char* name : {"own/a/", "own/b/"}) {
    for (int i = 0; i < 10; ++i) {
      std::string bytes;
      for (int k = 0; k < 50; ++k) {
        for (const int byte : {(k + i) % 34, (2 * k + i) % 34, 128, 0, k}) bytes += static_cast<char>(byte);
      }
      write(name + std::to_string(i) + ".bin", bytes);
    }
  }
  write("file", "");
  Surroundings surroundings;
  surroundings.cache_dir = path("file") + "/cache";  // cannot be made
  const auto outcome =
      run({"train", "r.toml", "--quiet", "--out", "runs/a", "--set", "data.dataset=folder", "--set",
           "data.folder=" + path("own"), "--set", "data.sensor_width=34", "--set", "data.sensor_height=34",
           "--set", "data.validation_samples=4", "--set", "training.max_iterations=1"},
          surroundings);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::size_t first = outcome.err.find("warning: the cache of binned recordings");
  ASSERT_NE(first, std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("the cache of binned recordings", first + 12), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace spikeloom::app::testing
