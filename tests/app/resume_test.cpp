// Runs that are resumed: what is said, and what is left as it is.
#include <filesystem>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class ResumeRun : public ProgramTest {
 protected:
  Outcome resume(const std::string& name, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"train", "--resume", name, "--data-dir", "sets"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
};

TEST_F(ResumeRun, OfAFinishedOneSaysItsResult) {
  const auto trained = run(train_command("a run"));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_TRUE(contains(trained.out, " eval 'a run' --split test")) << "a path with a blank is quoted";
  const std::string result = read("a run/result.json"), metrics = read("a run/metrics.jsonl");
  std::filesystem::remove_all(path("sets"));  // not needed
  const auto again = resume("a run");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(contains(again.out, "nothing was left to do")) << again.out;
  EXPECT_TRUE(contains(again.out, "train --resume 'a run' --set training.epochs=6\n")) << again.out;
  const auto from = trained.out.find("validation accuracy ");
  EXPECT_TRUE(contains(again.out, trained.out.substr(from))) << "the stored result, word for word";
  EXPECT_EQ(resume("a run", {"--json"}).json(), nlohmann::json::parse(result));
  EXPECT_EQ(read("a run/result.json"), result);
  EXPECT_EQ(read("a run/metrics.jsonl"), metrics);
}

TEST_F(ResumeRun, TrainsLongerWithOtherSettings) {
  ASSERT_EQ(run(train_command("a")).exit_code, 0);
  const auto longer = resume("a", {"--set", "training.epochs=5"});
  ASSERT_EQ(longer.exit_code, 0) << longer.err;
  EXPECT_EQ(longer.err, "");
  EXPECT_TRUE(contains(longer.out, "epoch 5/5")) << longer.out;
  EXPECT_TRUE(contains(longer.out, "test set read 2 times in this run")) << longer.out;
  EXPECT_FALSE(contains(longer.out, "read once")) << longer.out;
  ASSERT_EQ(run(train_command("whole", {"--set", "training.epochs=5"})).exit_code, 0);
  EXPECT_EQ(tensor_bytes("a/model.safetensors"), tensor_bytes("whole/model.safetensors"));
  EXPECT_EQ(read("a/recipe.toml"), read("whole/recipe.toml"));
  expect_error(resume("a", {"--set", "training.batch_size=5"}), 2,
               {"training.batch_size", "training.epochs, training.max_iterations"});
}

TEST_F(ResumeRun, ThatWasEditedOrHasOtherDataIsRefused) {
  ASSERT_EQ(run(train_command("a", {"--set", "training.max_iterations=7"})).exit_code, 0);
  std::string recipe = read("a/recipe.toml");
  const std::string good = recipe;
  write("a/recipe.toml", recipe.replace(recipe.find("epochs = 3"), 10, "epochs = 4"));
  expect_error(resume("a"), 2,
               {"a/recipe.toml: was edited", "training.epochs = 4 (was 3)", "--set training.epochs=4"});
  write("a/recipe.toml", good);
  spikeloom::testing::write_pattern_set(path("sets"), 119, 30);
  const std::vector<std::string> go_on = {"--set", "training.max_iterations=9"};
  expect_error(resume("a", go_on), 3,
               {"the training part has 99 samples instead of 100", "--accept-changed-data"});
  auto accepted = go_on;
  accepted.push_back("--accept-changed-data");
  const auto outcome = resume("a", accepted);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "warning: resumed with other data than before")) << outcome.err;
  expect_error(run({"train", "r.toml", "--accept-changed-data"}), 2, {"--resume"});
}

TEST_F(ResumeRun, WithoutATestPartNamesAPartThatIsThere) {
  for (int i = 0; i < 30; ++i) {  // the training part of N-MNIST alone
    std::string events;
    for (int t = 0; t < 50; ++t) {
      for (const int byte : {i, t % 34, t % 2 * 0x80, t * 4, 0}) events += static_cast<char>(byte);
    }
    const std::string number = std::to_string(i + 1);
    write("sets/n-mnist/Train/" + std::to_string(i / 3) + "/" + std::string(5 - number.size(), '0') + number +
              ".bin",
          events);
  }
  const std::vector<std::string> more = {"--set", "data.dataset=n-mnist", "--set", "training.epochs=1"};
  const auto outcome = run(train_command("a", more));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(contains(outcome.out, "test accuracy")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, " eval a --split validation\n")) << outcome.out;
  auto none = more;
  none.insert(none.end(), {"--set", "data.validation_samples=0"});
  EXPECT_TRUE(contains(run(train_command("b", none)).out, " eval b --split train\n"));
}

TEST_F(ResumeRun, EarlyStoppingIsSaid) {
  const auto outcome =
      run(train_command("a", {"--set", "optimizer.learning_rate=1e-12", "--set",
                              "training.early_stopping_epochs=1", "--set", "training.epochs=30"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "stopped early after 2 epochs")) << outcome.out;
  EXPECT_TRUE(contains(resume("a").out, "--set training.early_stopping_epochs=0")) << "how to train longer";
}

TEST_F(ResumeRun, ADamagedCheckpointIsADataError) {
  ASSERT_EQ(run(train_command("a", {"--set", "training.epochs=1"})).exit_code, 0);
  std::string bytes = read("a/checkpoint.safetensors");
  bytes[bytes.size() / 2 + bytes.size() / 4] ^= 1;
  write("a/checkpoint.safetensors", bytes);
  expect_error(resume("a"), 3, {"a/checkpoint.safetensors", "does not match its checksum"});
}

}  // namespace
}  // namespace spikeloom::app::testing
