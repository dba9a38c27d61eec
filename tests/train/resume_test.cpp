// A training that was interrupted and resumed ends with the bits of one that was not.
#include <gtest/gtest.h>

#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::read_tensors;
using testing::Recorder;
using testing::resume_training;
using testing::run_training;
using testing::small_recipe;
using testing::timeless_metrics;

struct Variant {
  std::string name;
  std::vector<std::string> overrides;
};

void PrintTo(const Variant& variant, std::ostream* stream) { *stream << variant.name; }

const std::vector<Variant> kVariants = {
    {"sgd_neunorm_dropout",
     {"network.structure=3C3(Encoding)-AP2-4C3-AP2-16FC-Voting", "neunorm.enabled=true", "neunorm.u_init=0.1",
      "dropout.rate=0.3", "data.validation_samples=10", "optimizer.weight_decay=1e-3"}},
    {"adam_calibrated_augmented_keep_best",
     {"optimizer.kind=adam", "optimizer.learning_rate=0.02", "init.scheme=calibrated", "data.crop_padding=3",
      "data.horizontal_flip=true", "data.validation_samples=10", "training.keep_best=true",
      "data.split=random"}},
    {"learnable_neurons_clipped_cosine",
     {"network.structure=3C3(Encoding)-AP2-4C3-AP2-16FC-Voting", "neunorm.enabled=true",
      "neunorm.per_channel_u=true", "neunorm.after_pooling=true", "neuron.learn_decay=true",
      "neuron.learn_v_threshold=true", "dropout.rate=0.2", "dropout.same_mask_each_step=true",
      "voting.assignment=random", "schedule.kind=cosine", "schedule.warmup_epochs=0.5",
      "optimizer.max_gradient_norm=0.05", "training.log_every=3", "data.validation_samples=10",
      "training.workers=0"}},
    {"normalised_blocks_recurrent_adamw_tet",
     {"network.structure=4C3(Encoding)-{4C3-4C3}-MP2-6C3-GAP-8RFC-Readout", "norm.kind=tebn",
      "neuron.learn_decay=true", "loss.kind=cross-entropy", "loss.each_step=true", "loss.label_smoothing=0.1",
      "optimizer.kind=adamw", "optimizer.weight_decay=0.01", "optimizer.learning_rate=1e-3",
      "schedule.kind=one-cycle", "data.validation_samples=10"}},
    {"averaged_with_a_time_schedule",
     {"network.structure=4C3(Encoding)-AP2-6C3-AP2-16FC-Voting", "norm.kind=tdbn", "network.num_steps=3",
      "schedule.num_steps=1:1", "optimizer.average_decay=0.9", "dropout.rate=0.2",
      "data.validation_samples=10"}},
    {"averaged_adam_keep_best",
     {"optimizer.kind=adam", "optimizer.learning_rate=0.02", "optimizer.average_decay=0.8",
      "data.validation_samples=10", "training.keep_best=true"}},
    {"ann_cross_entropy",
     {"network.kind=ann", "loss.kind=cross-entropy", "data.validation_samples=10", "data.standardize=true",
      "optimizer.momentum=0.0"}},
};

class Resume : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    testing::write_pattern_set(data_, 60, 20);
    Recorder recorder;
    whole_result_ = run_training(recipe(), whole_, data_, recorder);
    ASSERT_FALSE(whole_result_.interrupted);
    ASSERT_EQ(whole_result_.iterations, 8);
  }
  static Recipe recipe(std::vector<std::string> more = {}) {
    more.insert(more.begin(), GetParam().overrides.begin(), GetParam().overrides.end());
    return small_recipe(more);
  }
  void expect_as_if_uninterrupted(const TrainingResult& result, const std::string& run) {
    EXPECT_FALSE(result.interrupted);
    EXPECT_EQ(result.iterations, whole_result_.iterations);
    EXPECT_EQ(result.test_accuracy, whole_result_.test_accuracy);
    EXPECT_EQ(result.test_loss, whole_result_.test_loss);
    EXPECT_EQ(result.validation_accuracy, whole_result_.validation_accuracy);
    EXPECT_EQ(result.selection, whole_result_.selection);
    EXPECT_EQ(timeless_metrics(run), timeless_metrics(whole_));
    EXPECT_EQ(read_tensors(run + "/model.safetensors"), read_tensors(whole_ + "/model.safetensors"));
    EXPECT_EQ(read_tensors(run + "/checkpoint.safetensors"),
              read_tensors(whole_ + "/checkpoint.safetensors"));
    if (recipe().training.keep_best) {
      EXPECT_EQ(read_tensors(run + "/best.safetensors"), read_tensors(whole_ + "/best.safetensors"));
    }
  }
  /// Interrupts as `recorder` says, expects the training to stand at `iteration`, and goes on to the end.
  void interrupt_and_resume(Recorder& recorder, const std::string& run, std::int64_t iteration) {
    const auto stopped = run_training(recipe(), run, data_, recorder);
    ASSERT_TRUE(stopped.interrupted);
    EXPECT_EQ(stopped.iterations, iteration);
    EXPECT_TRUE(stopped.model_path.empty());
    Recorder second;
    const auto result = resume_training(run, data_, second);
    ASSERT_EQ(second.starts.size(), 1u);
    EXPECT_TRUE(second.starts[0].resumed);
    EXPECT_EQ(static_cast<std::int64_t>(second.progress.size()), 8 - iteration);
    expect_as_if_uninterrupted(result, run);
  }
  const testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", whole_ = folder_ / "whole";
  TrainingResult whole_result_;
};

TEST_P(Resume, AfterAnyIteration) {
  for (const std::int64_t iteration : {1, 2, 4, 5, 7}) {  // epochs end after 4 and 8
    SCOPED_TRACE("stopped after iteration " + std::to_string(iteration));
    Recorder recorder;
    recorder.stop_at_iteration = iteration;
    interrupt_and_resume(recorder, folder_ / std::to_string(iteration), iteration);
  }
}

TEST_P(Resume, DuringValidation) {
  const int in_epoch = recipe().optimizer.average_decay > 0.0 ? 2 : 1;  // the average is evaluated as well
  for (int evaluation = 1; evaluation <= 2 * in_epoch; ++evaluation) {
    const int epoch = (evaluation - 1) / in_epoch;
    SCOPED_TRACE("stopped in validation " + std::to_string(evaluation));
    Recorder recorder;
    recorder.stop_in_split = "validation";
    recorder.stop_in_evaluation = evaluation;
    interrupt_and_resume(recorder, folder_ / std::to_string(evaluation), 4 * (epoch + 1));
    EXPECT_EQ(recorder.epochs.size(), static_cast<std::size_t>(epoch)) << "the epoch is not over";
  }
}

TEST_P(Resume, DuringTheTest) {
  Recorder recorder;
  recorder.stop_in_split = "test";
  interrupt_and_resume(recorder, folder_ / "run", 8);
  // The reading that was stopped counts.
  EXPECT_EQ(nlohmann::json::parse(read_text_file(folder_ / "run/result.json")).at("test_reads"), 2);
  EXPECT_EQ(whole_result_.test_reads, 1);
}

TEST_P(Resume, BeforeTheFirstIterationAndAfterEach) {
  const std::string run = folder_ / "run";
  Recorder first;
  first.stop = true;
  auto result = run_training(recipe(), run, data_, first);
  EXPECT_EQ(result.iterations, 0);
  int sessions = 0;
  for (; result.interrupted && sessions < 20; ++sessions) {
    Recorder recorder;
    recorder.stop_at_iteration = result.iterations + 1;
    result = resume_training(run, data_, recorder);
  }
  EXPECT_GE(sessions, 8);
  expect_as_if_uninterrupted(result, run);
}

TEST_P(Resume, AfterACrashFromTheLastCheckpoint) {
  struct Crash {};
  struct Crashing : Recorder {
    void progressed(const TrainingProgress& now) override {
      if (now.iteration == crash_at) throw Crash();
    }
    std::int64_t crash_at = 0;
  };
  // Checkpoints at the ends of epochs only, and after each iteration (any time is more than 1e-12 minutes).
  for (const char* minutes : {"0.0", "1e-12"}) {
    for (const std::int64_t iteration : {2, 7}) {
      SCOPED_TRACE(std::string(minutes) + " minutes, crash at iteration " + std::to_string(iteration));
      const std::string run = folder_ / ("run" + std::to_string(iteration) + minutes);
      Crashing crashing;
      crashing.crash_at = iteration;
      EXPECT_THROW(
          run_training(recipe({std::string("training.checkpoint_minutes=") + minutes}), run, data_, crashing),
          Crash);
      Recorder second;
      const auto result = resume_training(run, data_, second);
      const std::int64_t saved = std::string(minutes) == "0.0" ? iteration / 4 * 4 : iteration - 1;
      EXPECT_EQ(static_cast<std::int64_t>(second.progress.size()), 8 - saved);
      expect_as_if_uninterrupted(result, run);
    }
  }
}

TEST_P(Resume, OfAFinishedTrainingReadsAndWritesNothing) {
  Recorder recorder;
  const std::string before = read_text_file(whole_ + "/result.json");
  const std::string metrics = read_text_file(whole_ + "/metrics.jsonl");
  const std::string environment = read_text_file(whole_ + "/environment.json");
  const auto result = resume_training(whole_, folder_ / "no data at all", recorder);
  EXPECT_TRUE(result.nothing_left);
  EXPECT_TRUE(recorder.progress.empty() && recorder.starts.empty());
  EXPECT_EQ(recorder.evaluations, 0);
  EXPECT_EQ(result.test_accuracy, whole_result_.test_accuracy);
  EXPECT_EQ(result.samples_per_s, whole_result_.samples_per_s);
  EXPECT_EQ(result.test_reads, 1);
  EXPECT_EQ(to_json(result, recipe()), to_json(whole_result_, recipe()));
  EXPECT_EQ(read_text_file(whole_ + "/result.json"), before);
  EXPECT_EQ(read_text_file(whole_ + "/metrics.jsonl"), metrics);
  EXPECT_EQ(read_text_file(whole_ + "/environment.json"), environment);
}

INSTANTIATE_TEST_SUITE_P(Variants, Resume, ::testing::ValuesIn(kVariants),
                         [](const auto& variant) { return variant.param.name; });

// A network of which a layer may be event-driven.
Recipe measured_recipe() {
  return small_recipe({"network.structure=4C3(Encoding)-128C3-16FC-Voting", "compute.precision=bf16"});
}

TEST(Crossovers, AreMeasuredOnceAndKeptInTheRunFolder) {
  const testing::TemporaryFolder folder;
  const std::string data = folder / "data";
  testing::write_pattern_set(data, 60, 20);
  const std::string run = folder / "run", file = run + "/crossovers.json";
  Recorder recorder;
  recorder.stop_at_iteration = 3;
  run_training(measured_recipe(), run, data, recorder);
  const auto json = nlohmann::json::parse(read_text_file(file));
  ASSERT_EQ(json.at("layers").size(), 1u);
  EXPECT_EQ(json.at("layers")[0].at("layer"), "conv2");
  EXPECT_GE(json.at("layers")[0].at("event_forward_below").get<double>(), 0.0);
  EXPECT_EQ(json.at("batch_size"), 16);

  auto changed = json;
  changed["layers"][0]["event_gradient_below"] = 0.125;
  write_text_file(file, changed.dump());
  Recorder second;
  second.stop_at_iteration = 5;
  resume_training(run, data, second);
  EXPECT_EQ(read_text_file(file), changed.dump());  // taken as it is, not measured again

  changed["machine"]["threads"] = "77";
  write_text_file(file, changed.dump());
  Recorder third;
  third.stop_at_iteration = 6;
  resume_training(run, data, third);
  EXPECT_NE(read_text_file(file), changed.dump());  // of another machine

  changed["machine"] = json.at("machine");
  changed["layers"][0]["layer"] = "conv9";
  for (const std::string& damaged : {std::string("{\"layers\": 3}"), std::string("never"), changed.dump()}) {
    write_text_file(file, damaged);
    Recorder last;
    EXPECT_TRUE(
        contains(message_of<DataError>([&] { resume_training(run, data, last); }), "crossovers.json"));
  }
}

TEST(Crossovers, AreNotMeasuredWhereTheyAreFixedOrNothingIsToBeChosen) {
  const testing::TemporaryFolder folder;
  const std::string data = folder / "data";
  testing::write_pattern_set(data, 60, 20);
  Recorder recorder, second;
  auto recipe = measured_recipe();
  recipe.network.compute.crossover = model::Crossover::kFixed;
  run_training(recipe, folder / "fixed", data, recorder);
  EXPECT_FALSE(fs::exists(folder / "fixed/crossovers.json"));
  run_training(small_recipe(), folder / "small", data, second);
  EXPECT_FALSE(fs::exists(folder / "small/crossovers.json"));
}

}  // namespace
}  // namespace spikeloom::train
