// Resuming with other data, settings or threads: refused, or done, said and noted.
#include <gtest/gtest.h>

#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/log.h"
#include "spikeloom/train/machine/environment.h"
#include "spikeloom/train/machine/environment_log.h"
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

class ResumeRefused : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_pattern_set(data_, 60, 20);
    Recorder recorder;
    recorder.stop_at_iteration = 3;
    run_training(small_recipe(), run_, data_, recorder);
  }
  const testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", run_ = folder_ / "run";
  Recorder recorder_;
};

TEST_F(ResumeRefused, WithoutACheckpoint) {
  EXPECT_TRUE(contains(message_of<DataError>([&] { resume_training(folder_ / "none", data_, recorder_); }),
                       "no such run folder"));
}

TEST_F(ResumeRefused, WithADamagedCheckpoint) {
  const std::string path = run_ + "/checkpoint.safetensors";
  const std::string bytes = read_text_file(path);
  write_text_file(path, bytes.substr(0, bytes.size() / 2));
  EXPECT_TRUE(contains(message_of<FormatError>([&] { resume_training(run_, data_, recorder_); }), path));
}

TEST_F(ResumeRefused, WithMetricsThatWereCutByHand) {
  write_text_file(run_ + "/metrics.jsonl", "");
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { resume_training(run_, data_, recorder_); }), "changed by hand"));
}

TEST_F(ResumeRefused, OnOtherData) {
  testing::write_pattern_set(data_, 20, 20);
  const std::string before = read_text_file(run_ + "/checkpoint.safetensors");
  std::string message = message_of<DataError>([&] { resume_training(run_, data_, recorder_); });
  EXPECT_TRUE(
      contains(message, data_ + "/mnist: holds other data than this run was trained on: the training part "
                                "has 20 samples instead of 60; "))
      << message;
  EXPECT_TRUE(contains(message, "--accept-changed-data")) << message;
  EXPECT_FALSE(contains(message, "\n")) << message;
  testing::write_pattern_set(data_, 60, 19);
  message = message_of<DataError>([&] { resume_training(run_, data_, recorder_); });
  EXPECT_TRUE(contains(message, "the test part has 19 samples instead of 20")) << message;
  EXPECT_EQ(read_text_file(run_ + "/checkpoint.safetensors"), before);
}

TEST_F(ResumeRefused, OnOtherDataUnlessItIsAccepted) {
  testing::write_pattern_set(data_, 40, 20);
  auto request = testing::resume_request(run_, data_, recorder_);
  request.accept_changed_data = true;
  const auto result = train(request, recorder_);
  EXPECT_FALSE(result.interrupted);
  ASSERT_FALSE(recorder_.warnings.empty());
  EXPECT_TRUE(
      contains(recorder_.warnings[0], "resumed with other data than before: the training part has 40"));
  bool is_noted = false;
  for (const auto& line : testing::read_metrics(run_)) {
    if (line.at("kind") == "resume") {
      is_noted = true;
      EXPECT_EQ(line.at("iteration"), 3);
      EXPECT_TRUE(contains(line.at("changed_data"), "40 samples instead of 60"));
    }
  }
  EXPECT_TRUE(is_noted);
  const auto metadata = formats::SafetensorsFile::open(run_ + "/checkpoint.safetensors").metadata();
  EXPECT_TRUE(contains(metadata.at("training_state"), "40 samples instead of 60"));
  Recorder again;  // from now on these are the run's data
  EXPECT_TRUE(resume_training(run_, data_, again).nothing_left);
}

TEST_F(ResumeRefused, WithAnEditedRecipe) {
  const std::string path = run_ + "/recipe.toml", good = read_text_file(path);
  std::string text = good;
  write_text_file(path, text.replace(text.find("epochs = 2"), 10, "epochs = 3"));
  std::string message = message_of<ConfigError>([&] { resume_training(run_, data_, recorder_); });
  EXPECT_TRUE(
      contains(message, path + ": was edited after the run began, which has no effect: training.epochs = 3 "
                               "(was 2); delete the file"))
      << message;
  EXPECT_TRUE(contains(message, "resume with --set training.epochs=3")) << message;
  text = good;
  write_text_file(path, text.replace(text.find("seed = 1"), 8, "seed = 2"));
  message = message_of<ConfigError>([&] { resume_training(run_, data_, recorder_); });
  EXPECT_TRUE(contains(message, "begin a new run, since a resumed one cannot change seed")) << message;
  fs::remove(path);  // as the messages say
  Recorder second;
  EXPECT_EQ(resume_training(run_, data_, second).iterations, 8);
  EXPECT_EQ(read_text_file(path), good);
}

TEST_F(ResumeRefused, WithAKeyThatCannotChange) {
  const std::string message =
      message_of<ConfigError>([&] { resume_training(run_, data_, recorder_, {"training.batch_size=8"}); });
  EXPECT_TRUE(contains(message, "key 'training.batch_size': is 16 in this run")) << message;
  EXPECT_TRUE(contains(message, "training.epochs, ")) << message;
  EXPECT_NE(message_of<ConfigError>([&] { resume_training(run_, data_, recorder_, {"training.epoch=8"}); }),
            "");
}

TEST(ResumeOfOlderRuns, SaysWhatIsNotChecked) {
  const testing::TemporaryFolder folder;
  const std::string data = folder / "data", run = folder / "run", path = run + "/checkpoint.safetensors";
  testing::write_pattern_set(data, 60, 20);
  Recorder recorder;
  recorder.stop_at_iteration = 3;
  run_training(small_recipe(), run, data, recorder);
  // As it was before: no checksums, no fingerprint, one environment.
  {
    const auto file = formats::SafetensorsFile::open(path);
    std::vector<std::vector<char>> bytes;
    std::vector<formats::TensorView> tensors;
    for (const auto& info : file.tensors()) {
      bytes.emplace_back(static_cast<std::size_t>(info.size_bytes));
      file.read(info, bytes.back().data());
      tensors.push_back({info.name, info.dtype, info.shape, bytes.back().data()});
    }
    auto metadata = file.metadata();
    auto state = nlohmann::json::parse(metadata.at("training_state"));
    for (const char* key : {"data", "changes", "cut_batch", "stopped_early", "test_reads"}) state.erase(key);
    metadata["training_state"] = state.dump();
    formats::write_safetensors(path, tensors, metadata);
  }
  write_text_file(run + "/environment.json", R"({"spikeloom": "0.0.9", "threads": "2"})");
  std::vector<std::string> logged;
  set_log_sink([&](LogLevel, const std::string& text) { logged.push_back(text); });
  Recorder second;
  const auto result = resume_training(run, data, second);
  set_log_sink({});
  EXPECT_EQ(result.iterations, 8);
  ASSERT_EQ(second.warnings.size(), 1u);
  EXPECT_TRUE(contains(second.warnings[0], "does not say on which data it was made")) << second.warnings[0];
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_TRUE(contains(logged[0], path + ": has no checksums")) << logged[0];
  const auto sessions = nlohmann::json::parse(read_text_file(run + "/environment.json")).at("sessions");
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0].at("spikeloom"), "0.0.9");
  EXPECT_EQ(sessions[1].at("iteration"), 3);
}

class LongerRun : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_pattern_set(data_, 60, 20); }
  TrainingResult whole(const std::vector<std::string>& overrides) {
    Recorder recorder;
    return run_training(small_recipe(overrides), folder_ / "whole", data_, recorder);
  }
  /// The tensors are those of a run that was as long from the start.
  void expect_as_whole() const {
    EXPECT_EQ(read_tensors(run_ + "/model.safetensors"), read_tensors(folder_ / "whole/model.safetensors"));
    EXPECT_EQ(read_text_file(run_ + "/recipe.toml"), read_text_file(folder_ / "whole/recipe.toml"));
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> result;
    for (const auto& line : testing::read_metrics(run_)) {
      if (line.at("kind") != "train") result.push_back(line.at("kind"));
    }
    return result;
  }
  const testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", run_ = folder_ / "run";
  Recorder first_, second_;
};

TEST_F(LongerRun, AFinishedRunGetsMoreEpochs) {
  run_training(small_recipe(), run_, data_, first_);
  const auto result = resume_training(run_, data_, second_, {"training.epochs=4"});
  EXPECT_FALSE(result.nothing_left);
  EXPECT_EQ(result.iterations, 16);
  EXPECT_EQ(result.test_reads, 2);
  EXPECT_TRUE(second_.warnings.empty()) << second_.warnings[0];
  const auto whole_result = whole({"training.epochs=4"});
  EXPECT_EQ(result.test_accuracy, whole_result.test_accuracy);
  expect_as_whole();
  EXPECT_EQ(kinds(),
            (std::vector<std::string>{"epoch", "epoch", "test", "resume", "epoch", "epoch", "test"}));
  const auto written = nlohmann::json::parse(read_text_file(run_ + "/result.json"));
  EXPECT_EQ(written.at("iterations"), 16);
  Recorder third;
  EXPECT_TRUE(resume_training(run_, data_, third).nothing_left);
  for (const auto& line : testing::read_metrics(run_)) {
    if (line.at("kind") != "resume") continue;
    EXPECT_EQ(line.at("iteration"), 8);
    EXPECT_EQ(line.at("settings").dump(), R"({"training.epochs":{"after":"4","before":"2"}})");
  }
}

TEST_F(LongerRun, AStoppedRunGetsOtherSettingsAndKeepsThem) {
  first_.stop_at_iteration = 3;
  run_training(small_recipe(), run_, data_, first_);
  second_.stop_at_iteration = 6;
  resume_training(run_, data_, second_, {"training.epochs=3", "training.workers=0"});
  Recorder third;
  EXPECT_EQ(resume_training(run_, data_, third).iterations, 12);
  whole({"training.epochs=3", "training.workers=0"});
  expect_as_whole();
}

TEST_F(LongerRun, MoreIterationsGoOnInsideTheEpoch) {
  run_training(small_recipe({"training.max_iterations=6"}), run_, data_, first_);
  EXPECT_EQ(resume_training(run_, data_, second_, {"training.max_iterations=0"}).iterations, 8);
  whole({});
  expect_as_whole();
}

TEST_F(LongerRun, FewerEpochsEndIt) {
  first_.stop_at_iteration = 4;
  run_training(small_recipe({"training.epochs=5"}), run_, data_, first_);
  second_.stop_at_iteration = 8;
  resume_training(run_, data_, second_);
  Recorder third;
  const auto result = resume_training(run_, data_, third, {"training.epochs=1"});
  EXPECT_TRUE(third.progress.empty());
  EXPECT_TRUE(result.has_test);
  EXPECT_EQ(result.iterations, 8);
}

TEST_F(LongerRun, ACosineScheduleSaysThatTheRateJumps) {
  run_training(small_recipe({"schedule.kind=cosine"}), run_, data_, first_);
  resume_training(run_, data_, second_, {"training.epochs=4"});
  ASSERT_FALSE(second_.warnings.empty());
  EXPECT_TRUE(contains(second_.warnings[0], "the learning rate continues at 0.050000 instead of 0.000000"))
      << second_.warnings[0];
}

TEST_F(LongerRun, EachSessionIsNoted) {
  first_.stop_at_iteration = 3;
  run_training(small_recipe(), run_, data_, first_);
  resume_training(run_, data_, second_);
  const auto sessions = nlohmann::json::parse(read_text_file(run_ + "/environment.json")).at("sessions");
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0].at("iteration"), 0);
  EXPECT_EQ(sessions[1].at("iteration"), 3);
  EXPECT_EQ(sessions[1].at("threads"), "2");
  EXPECT_TRUE(sessions[1].contains("libtorch"));
  EXPECT_TRUE(contains(sessions[1].at("time"), "T")) << sessions[1];
}

TEST_F(LongerRun, TakesTheThreadsOfTheRunOrSaysThatItDoesNot) {
  first_.stop_at_iteration = 3;
  run_training(small_recipe(), run_, data_, first_);
  auto request = testing::resume_request(run_, data_, second_);
  request.threads = 1;
  second_.stop_at_iteration = 4;
  train(request, second_);
  ASSERT_EQ(second_.warnings.size(), 1u);
  EXPECT_TRUE(contains(second_.warnings[0], "the run began with 2 threads and is resumed with 1"))
      << second_.warnings[0];
  if (available_processors() >= 2) {
    Recorder third;
    resume_training(run_, data_, third);  // one thread is set now: the run's own number all the same
    EXPECT_TRUE(third.warnings.empty());
    const auto sessions = nlohmann::json::parse(read_text_file(run_ + "/environment.json")).at("sessions");
    EXPECT_EQ(sessions.back().at("threads"), "2");
  }
  configure_threads(2);
}

}  // namespace
}  // namespace spikeloom::train
