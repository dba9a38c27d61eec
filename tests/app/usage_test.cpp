#include "spikeloom/base/version.h"
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Usage : public ProgramTest {};

TEST_F(Usage, EveryCommandHasHelp) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> commands = {
      {{}, "Exit codes:"},        {{"train"}, "--resume"},      {{"eval"}, "--split"},
      {{"info"}, "--input"},      {{"data"}, "verify [NAME"},   {{"simulate"}, "--sensor-per-recording"},
      {{"bench"}, "Subcommands"}, {{"bench", "step"}, "--net"}, {{"bench", "infer"}, "--net"}};
  for (auto [words, expected] : commands) {
    words.emplace_back("--help");
    const auto outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(contains(outcome.out, "Usage: spikeloom")) << outcome.out;
    EXPECT_TRUE(contains(outcome.out, expected)) << outcome.out;
    expect_plain_text(outcome);
  }
}

TEST_F(Usage, VersionIsTheLibrarys) {
  const auto outcome = run({"--version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, std::string("spikeloom ") + kVersion + "\n");
}

TEST_F(Usage, WithoutArgumentsItSaysWhatItCanDo) {
  const auto outcome = run({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_TRUE(contains(outcome.out, "spikeloom train fashion-mnist-demo")) << outcome.out;
}

TEST_F(Usage, UnknownWordsAreNamed) {
  expect_error(run({"train", "r.toml", "--epochs", "3"}), 2, {"--epochs", "--help"});
  expect_error(run({"tarin\n"}), 2, {"tarin?"});
}

TEST_F(Usage, MissingAndWrongValuesAreNamed) {
  expect_error(run({"eval"}), 2, {"model is required"});
  expect_error(run({"bench", "step", "--net", "4C3-Voting"}), 2, {"--input is required"});
  expect_error(run({"train"}), 2, {"give a recipe, or --resume RUN"});
  expect_error(run({"train", "--resume", "runs/r", "--out", "runs/s"}), 2, {"--out is for a new run"});
  expect_error(run({"train", "r.toml", "--threads", "0"}), 2, {"--threads", "0"});
}

TEST_F(Usage, RecipesAreListed) {
  const auto outcome = run({"train", "--list"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(contains(outcome.out, "cifar10/cifarnet\n")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "fashion-mnist-demo\n")) << outcome.out;
}

}  // namespace
}  // namespace spikeloom::app::testing
