#include "spikeloom/train/session/trainer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::read_metrics;
using testing::Recorder;
using testing::run_training;
using testing::small_recipe;

class Training : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_pattern_set(data_, 60, 20); }
  const testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", run_ = folder_ / "run";
  Recorder recorder_;
};

TEST_F(Training, TellsWhatItDoes) {
  const auto recipe = small_recipe({"data.validation_samples=10", "training.log_every=2"});
  const auto result = run_training(recipe, run_, data_, recorder_);
  ASSERT_EQ(recorder_.starts.size(), 1u);
  const auto& start = recorder_.starts[0];
  EXPECT_EQ(start.run_path, run_);
  EXPECT_EQ(start.data_root, data_ + "/mnist");
  EXPECT_EQ(start.network, "2C3(Encoding)-AP4-16FC-Voting");
  EXPECT_EQ(start.parameters, 2 * 9 + 2 + 98 * 16 + 16 + 16 * 20 + 20);
  EXPECT_EQ(start.iterations_per_epoch, 4);  // 50 samples in batches of 16
  EXPECT_FALSE(start.resumed);

  ASSERT_EQ(recorder_.progress.size(), 8u);
  double sum = 0.0;
  for (std::size_t i = 0; i < 8; ++i) {
    const auto& now = recorder_.progress[i];
    EXPECT_EQ(now.iteration, static_cast<std::int64_t>(i + 1));
    EXPECT_EQ(now.iterations, 8);
    EXPECT_EQ(now.epoch, i < 4 ? 0 : 1);
    EXPECT_EQ(now.batch, static_cast<std::int64_t>(i % 4 + 1));
    EXPECT_EQ(now.batches, 4);
    EXPECT_EQ(now.logged, i % 2 == 1);
    const double samples = i % 4 == 3 ? 2.0 : 16.0;
    sum = (i % 4 == 0 ? 0.0 : sum) + samples * now.loss;
    EXPECT_NEAR(now.mean_loss, sum / std::min(50.0, 16.0 * static_cast<double>(i % 4 + 1)), 1e-12);
  }
  ASSERT_EQ(recorder_.epochs.size(), 2u);
  EXPECT_EQ(recorder_.epochs[1].train_loss, recorder_.progress[7].mean_loss);
  EXPECT_TRUE(recorder_.epochs[1].has_validation);
  EXPECT_EQ(recorder_.epochs[1].firing_rates.size(), 3u);

  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.epochs, 2);
  EXPECT_EQ(result.iterations, 8);
  EXPECT_EQ(result.selection, "last epoch");
  EXPECT_EQ(result.model_path, run_ + "/model.safetensors");
  EXPECT_EQ(result.test_samples, 20);
  EXPECT_EQ(result.validation_accuracy, recorder_.epochs[1].validation_accuracy);
}

TEST_F(Training, ValidatesTheWeightsOfTheMomentInEveryPrecision) {
  for (const std::string optimizer : {"sgd", "adam"}) {
    for (const std::string precision : {"fp32", "bf16"}) {
      const std::string run = run_ + optimizer + precision;
      Recorder recorder;
      const auto recipe =
          small_recipe({"data.validation_samples=20", "training.epochs=3", "compute.precision=" + precision,
                        "optimizer.kind=" + optimizer, "loss.kind=cross-entropy"});
      const auto result = run_training(recipe, run, data_, recorder);
      EvaluationRequest request;
      request.model = run;
      request.data_dir = data_;
      request.split = "validation";
      const auto saved = evaluate_model(request).result;
      ASSERT_EQ(recorder.epochs.size(), 3u);
      EXPECT_NE(recorder.epochs[0].validation_loss, saved.loss) << "it does not learn";
      EXPECT_EQ(recorder.epochs[2].validation_loss, saved.loss) << optimizer << " " << precision;
      request.split = "test";
      EXPECT_EQ(result.test_loss, evaluate_model(request).result.loss) << optimizer << " " << precision;
    }
  }
}

TEST_F(Training, KeepsAllInTheRunFolder) {
  const auto recipe = small_recipe();
  const auto result = run_training(recipe, run_, data_, recorder_);
  EXPECT_EQ(load_recipe(run_ + "/recipe.toml"), recipe);
  const auto environment = nlohmann::json::parse(read_text_file(run_ + "/environment.json"));
  ASSERT_EQ(environment.at("sessions").size(), 1u);
  EXPECT_TRUE(environment["sessions"][0].contains("libtorch") &&
              environment["sessions"][0].contains("threads"));
  const auto written = nlohmann::json::parse(read_text_file(run_ + "/result.json"));
  EXPECT_EQ(written.at("test_accuracy").get<double>(), result.test_accuracy);
  EXPECT_EQ(written.at("recipe"), "small");
  std::vector<std::string> kinds;
  for (const auto& line : read_metrics(run_)) kinds.push_back(line.at("kind"));
  EXPECT_EQ(kinds, (std::vector<std::string>{"train", "train", "train", "train", "epoch", "train", "train",
                                             "train", "train", "epoch", "test"}));
  EXPECT_EQ(testing::read_tensors(run_ + "/model.safetensors").at("conv1.weight"),
            testing::read_tensors(run_ + "/checkpoint.safetensors").at("conv1.weight"));
}

TEST_F(Training, SecondTrainingInTheSameFolderIsRefused) {
  struct Nested : Recorder {
    void progressed(const TrainingProgress& now) override {
      if (now.iteration != 2) return;
      Recorder other;
      message = message_of<DataError>([&] { run_training(recipe, run, data, other); });
    }
    Recipe recipe;
    std::string run, data, message;
  } nested;
  nested.recipe = small_recipe();
  nested.run = run_;
  nested.data = data_;
  run_training(nested.recipe, run_, data_, nested);
  EXPECT_TRUE(contains(nested.message, "another training is writing")) << nested.message;

  const auto model = testing::read_tensors(run_ + "/model.safetensors");
  const auto metrics = read_metrics(run_);
  const auto message =
      message_of<DataError>([&] { run_training(small_recipe({"seed=2"}), run_, data_, recorder_); });
  EXPECT_TRUE(contains(message, "already holds a run")) << message;
  EXPECT_EQ(testing::read_tensors(run_ + "/model.safetensors"), model);
  EXPECT_EQ(read_metrics(run_), metrics);
}

TEST_F(Training, AMistakeLeavesNoFolderBehind) {
  EXPECT_NE(message_of<DataError>([&] { run_training(small_recipe(), run_, data_ + "x", recorder_); }), "");
  EXPECT_NE(message_of<ConfigError>([&] {
              run_training(small_recipe({"optimizer.learning_rate=1e39"}), run_, data_, recorder_);
            }),
            "");
  EXPECT_NE(message_of<ShapeError>([&] {
              run_training(small_recipe({"network.structure=2C3-AP16-AP2-Voting"}), run_, data_, recorder_);
            }),
            "");
  EXPECT_FALSE(fs::exists(run_));
}

TEST_F(Training, ANetworkThatCannotFitIsRefusedBeforeItIsAllocated) {
  const std::string message = message_of<ConfigError>([&] {
    run_training(
        small_recipe({"network.structure=65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-"
                      "65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-"
                      "65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-"
                      "65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-65536FC-Voting"}),
        run_, data_, recorder_);
  });  // two terabytes
  EXPECT_TRUE(contains(message, "key 'network.structure': its 1546")) << message;
  EXPECT_TRUE(contains(message, " TB of memory with gradients and optimiser, and ")) << message;
  EXPECT_FALSE(fs::exists(run_));
}

TEST_F(Training, SaysWhatMemoryItNeeds) {
  run_training(small_recipe({"training.max_iterations=1"}), run_, data_, recorder_);
  const auto& memory = recorder_.starts[0].memory;
  EXPECT_EQ(memory.certain, 12 * recorder_.starts[0].parameters);  // momentum
  EXPECT_GT(memory.total(), memory.certain);
}

TEST_F(Training, ABatchAboveTheSetsSizeIsSaidOnce) {
  run_training(small_recipe({"training.batch_size=100"}), run_, data_, recorder_);
  ASSERT_EQ(recorder_.warnings.size(), 1u);
  EXPECT_EQ(recorder_.warnings[0],
            "training.batch_size = 100 is more than the 60 training samples: each batch is the whole set, "
            "one update "
            "an epoch");
}

TEST_F(Training, CheckpointsInsideAnEpochTakeLittleTime) {
  // A save waits for the disk, an iteration takes about a millisecond: at every iteration it is too often.
  struct Counting : Recorder {
    void progressed(const TrainingProgress&) override {
      struct stat info {};
      ::stat((run + "/checkpoint.safetensors").c_str(), &info);
      if (info.st_ino != last) ++changes;  // a new file each time
      last = info.st_ino;
    }
    std::string run;
    ino_t last = 0;
    int changes = -1;
  } often, seldom;
  often.run = run_;
  seldom.run = run_ + "2";
  const auto recipe =
      small_recipe({"training.checkpoint_minutes=1e-12", "training.batch_size=2", "training.log_every=1000",
                    "training.epochs=3", "training.checkpoint_every=9"});
  run_training(recipe, often.run, data_, often);
  TrainingRequest request;
  request.recipe = recipe;
  request.run_path = seldom.run;
  request.data_dir = data_;
  train(request, seldom);
  EXPECT_GT(often.changes, 60);
  EXPECT_LT(seldom.changes, often.changes / 2);
}

TEST_F(Training, CanBeResumedFromItsFirstMoment) {
  struct Early : Recorder {
    void started(const TrainingStart& start) override {
      holds_checkpoint = fs::exists(start.run_path + "/checkpoint.safetensors");
    }
    bool holds_checkpoint = false;
  } early;
  run_training(small_recipe({"training.max_iterations=1"}), run_, data_, early);
  EXPECT_TRUE(early.holds_checkpoint);
}

TEST_F(Training, StopsAtTheLargestNumberOfIterations) {
  const auto result = run_training(small_recipe({"training.max_iterations=6"}), run_, data_, recorder_);
  EXPECT_EQ(result.iterations, 6);
  EXPECT_EQ(recorder_.progress.size(), 6u);
  EXPECT_EQ(recorder_.progress.back().iterations, 6);
}

TEST_F(Training, SameRecipeSameBits) {
  Recorder again;
  run_training(small_recipe({"dropout.rate=0.3", "data.crop_padding=2"}), run_, data_, recorder_);
  run_training(small_recipe({"dropout.rate=0.3", "data.crop_padding=2"}), run_ + "2", data_, again);
  EXPECT_EQ(testing::read_tensors(run_ + "/model.safetensors"),
            testing::read_tensors(run_ + "2/model.safetensors"));
  EXPECT_EQ(testing::timeless_metrics(run_), testing::timeless_metrics(run_ + "2"));
  Recorder other;
  run_training(small_recipe({"dropout.rate=0.3", "data.crop_padding=2", "seed=2"}), run_ + "3", data_, other);
  EXPECT_NE(testing::timeless_metrics(run_), testing::timeless_metrics(run_ + "3"));
}

TEST_F(Training, KeepsTheEpochThatIsBestOnValidation) {
  // A rate so high that it gets worse again.
  const auto recipe =
      small_recipe({"data.validation_samples=20", "training.keep_best=true", "training.epochs=6",
                    "optimizer.learning_rate=3.0", "loss.kind=cross-entropy"});
  const auto result = run_training(recipe, run_, data_, recorder_);
  ASSERT_EQ(recorder_.epochs.size(), 6u);
  std::size_t best = 0;
  for (std::size_t i = 1; i < 6; ++i) {
    if (recorder_.epochs[i].validation_accuracy > recorder_.epochs[best].validation_accuracy) best = i;
  }
  ASSERT_LT(best, 5u) << "this test needs a best epoch before the last";
  EXPECT_EQ(result.selection, "best validation epoch (" + std::to_string(best + 1) + ")");
  EXPECT_EQ(result.validation_accuracy, recorder_.epochs[best].validation_accuracy);
  EvaluationRequest request;
  request.model = run_;
  request.data_dir = data_;
  request.split = "validation";
  const auto kept = evaluate_model(request).result;
  EXPECT_EQ(kept.accuracy, recorder_.epochs[best].validation_accuracy);
  EXPECT_EQ(kept.loss, recorder_.epochs[best].validation_loss);
  request.split = "test";
  EXPECT_EQ(result.test_accuracy, evaluate_model(request).result.accuracy);
  EXPECT_EQ(result.test_reads, 1);
  EXPECT_EQ(recorder_.evaluated["test"], 20) << "each test sample is read once, by the kept model";
  EXPECT_NE(testing::read_tensors(run_ + "/model.safetensors").at("fc1.weight"),
            testing::read_tensors(run_ + "/checkpoint.safetensors").at("fc1.weight"));
}

TEST_F(Training, DivergenceNamesIterationWeightsAndCheckpoint) {
  // The checkpoint of the first epoch is good, the rate of the second is absurd.
  const auto recipe = small_recipe({"optimizer.learning_rate=1e30", "schedule.warmup_epochs=1e-9"});
  const std::string message =
      message_of<NumericsError>([&] { run_training(recipe, run_, data_, recorder_); });
  EXPECT_TRUE(contains(message, "training diverged at epoch 1, iteration 1 ")) << message;
  EXPECT_TRUE(contains(message, "'conv1.weight'")) << message;
  EXPECT_TRUE(contains(message, "last good checkpoint: " + run_ + "/checkpoint.safetensors")) << message;
  EXPECT_TRUE(contains(message, "lower optimizer.learning_rate")) << message;
  EvaluationRequest request;
  request.model = run_;
  request.data_dir = data_;
  EXPECT_EQ(evaluate_model(request).result.samples, 20) << "the checkpoint that is named can be used";
}

TEST_F(Training, DivergenceIsSeenBeforeACheckpointIsWrittenOver) {
  // Nothing is logged inside the epoch: the end of the epoch has to see it,
  // or the checkpoint inside the epoch.
  for (const char* minutes : {"0.0", "1e-12"}) {
    const auto recipe =
        small_recipe({"network.kind=ann", "optimizer.learning_rate=1e25", "training.log_every=1000",
                      std::string("training.checkpoint_minutes=") + minutes});
    const std::string run = run_ + minutes;
    const std::string message =
        message_of<NumericsError>([&] { run_training(recipe, run, data_, recorder_); });
    EXPECT_TRUE(contains(message, "training diverged at epoch 1")) << message;
    for (const auto& [name, bytes] : testing::read_tensors(run + "/checkpoint.safetensors")) {
      EXPECT_FALSE(contains(name, "momentum")) << "the checkpoint is the one from before the first step";
    }
  }
}

TEST_F(Training, StartsWithAnotherModelsWeights) {
  run_training(small_recipe(), run_, data_, recorder_);
  TrainingRequest request;
  request.recipe = small_recipe({"network.structure=2C3(Encoding)-AP4-17FC-Voting",
                                 "training.max_iterations=1", "optimizer.learning_rate=1e-12"});
  request.run_path = run_ + "2";
  request.data_dir = data_;
  request.init_from = run_;
  Recorder second;
  train(request, second);
  ASSERT_FALSE(second.warnings.empty());
  EXPECT_TRUE(contains(second.warnings[0], "3 of 6 parameters are taken; start values of: fc1.weight"))
      << second.warnings[0];
  EXPECT_EQ(testing::read_metrics(run_ + "2").front().at("kind"), "init");
  const auto before = testing::read_tensors(run_ + "/model.safetensors"),
             after = testing::read_tensors(run_ + "2/model.safetensors");
  EXPECT_EQ(after.at("voting.bias").size(), before.at("voting.bias").size());
  EXPECT_EQ(after.at("conv1.bias"), before.at("conv1.bias"));
  request.init_from = data_;
  request.run_path = run_ + "3";
  EXPECT_THROW(train(request, second), Error);
  EXPECT_FALSE(std::filesystem::exists(run_ + "3")) << "a mistake leaves no folder behind";
}

TEST_F(Training, ASilentLayerIsReportedOnce) {
  run_training(small_recipe({"init.gain=1e-3"}), run_, data_, recorder_);
  ASSERT_FALSE(recorder_.warnings.empty());
  EXPECT_EQ(
      recorder_.warnings[0],
      "layer conv1 does not fire (firing rate 0.000000), so it passes nothing on and does not learn: raise "
      "init.gain, use init.scheme = \"calibrated\" or lower neuron.v_threshold");
  EXPECT_EQ(recorder_.warnings.size(), 3u) << "once a layer, not at each line";
}

TEST_F(Training, ASaturatedLayerIsReported) {
  // One neuron whose input is never negative, with a weight that is far above the threshold.
  run_training(small_recipe({"network.structure=1C3(Encoding)-AP28-1FC-Voting", "init.gain=1e4", "seed=2",
                             "optimizer.learning_rate=1e-9"}),
               run_, data_, recorder_);
  std::string all;
  for (const auto& warning : recorder_.warnings) all += warning + "\n";
  EXPECT_TRUE(contains(all,
                       "layer fc1 fires at nearly every step (firing rate 1.000000), so it carries no "
                       "information: lower init.gain"))
      << all << recorder_.epochs.back().firing_rates[1].second;
}

TEST_F(Training, HealthyLayersAreNotReported) {
  run_training(small_recipe(), run_, data_, recorder_);
  EXPECT_TRUE(recorder_.warnings.empty()) << recorder_.warnings[0];
}

TEST_F(Training, CalibrationSetsTheFiringRates) {
  const auto recipe = small_recipe({"init.scheme=calibrated", "init.firing_rate=0.2", "init.gain=0.5",
                                    "optimizer.learning_rate=1e-9", "training.epochs=1"});
  run_training(recipe, run_, data_, recorder_);
  for (const auto& [layer, rate] : recorder_.epochs[0].firing_rates) EXPECT_NEAR(rate, 0.2, 0.05) << layer;
}

TEST_F(Training, LearnsThePatterns) {
  const auto recipe =
      small_recipe({"network.structure=4C3(Encoding)-AP4-32FC-Voting", "network.num_steps=4",
                    "optimizer.kind=adam", "optimizer.learning_rate=1e-2", "training.epochs=15",
                    "voting.neurons_per_class=5", "loss.kind=cross-entropy"});
  const auto result = run_training(recipe, run_, data_, recorder_);
  EXPECT_GE(result.test_accuracy, 0.9);
}

TEST_F(Training, FirstTenLosses) {
  // Made by this program once and committed: any change of initialisation, order of samples, forward or
  // backward pass or optimiser shows. The convolutions and matrix products come from libraries that add in
  // another order on another processor, hence 1e-5 and not equality. A potential closer to the threshold than
  // that would become a spike more or less; in a network as small as this one there was none with any of the
  // instruction sets (SSE 4.1, AVX2, AVX-512) that LibTorch, oneDNN and OpenBLAS can be told to use. The
  // exact state, because the codes of the compact one are rounded: its tenth loss differs by a vote.
  const double expected[10] = {0.13750000298023224, 0.12083332985639572, 0.15999999642372131,
                               0.14291666448116302, 0.1354166716337204,  0.12666666507720947,
                               0.1237500011920929,  0.11333333700895309, 0.11916666477918625,
                               0.11124999821186066};
  const auto recipe = small_recipe(
      {"training.epochs=3", "training.max_iterations=10", "training.batch_size=15", "compute.state=exact"});
  run_training(recipe, run_, data_, recorder_);
  ASSERT_EQ(recorder_.progress.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(recorder_.progress[i].loss, expected[i], 1e-5 * expected[i])
        << "iteration " << i << ", exactly " << ::testing::PrintToString(recorder_.progress[i].loss);
  }
}

}  // namespace
}  // namespace spikeloom::train
