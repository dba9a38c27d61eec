#include <filesystem>

#include "spikeloom/base/version.h"
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Usage : public ProgramTest {};

TEST_F(Usage, EveryCommandHasHelp) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> commands = {
      {{}, "Exit codes:"},      {{"train"}, "--resume"},      {{"eval"}, "--split"},
      {{"info"}, "--input"},    {{"data"}, "verify"},         {{"simulate"}, "--sensor-per-recording"},
      {{"bench"}, "Commands:"}, {{"bench", "step"}, "--net"}, {{"bench", "infer"}, "--net"}};
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

TEST_F(Usage, TheHelpOfAllIsThatOfEachCommand) {
  const std::string all = run({"--help-all"}).out;
  for (const auto& words :
       {std::vector<std::string>{}, {"train"}, {"bench"}, {"bench", "infer"}, {"study", "list"}}) {
    std::string name = "spikeloom";
    for (const std::string& word : words) name += " " + word;
    auto asked = words;
    asked.emplace_back("--help");
    EXPECT_TRUE(contains(all, "==== " + name + " ====\n\n" + run(asked).out)) << name;
  }
}

TEST_F(Usage, CommandsThatNeedLibTorchAreAProgramOfTheirOwn) {
  // A copy that is alone, as on a machine that only runs networks.
  std::filesystem::copy_file(SPIKELOOM_PROGRAM, path("alone"));
  Surroundings alone;
  alone.program = path("alone");
  const std::string recipe = std::string(SPIKELOOM_SOURCE_DIR) + "/recipes/fashion-mnist-demo.toml";
  for (const std::vector<std::string>& words : {std::vector<std::string>{"train", recipe},
                                                {"eval", path("run")},
                                                {"info"},
                                                {"info", recipe},
                                                {"bench", "step", "--net", "10FC-Voting", "--input", "1x2x2"},
                                                {"study", "run", "fig4-speed", "--out", path("studies")},
                                                {"launch", "--processes", "2", "--", "train", recipe}}) {
    const auto outcome = run(words, alone);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.err, "spikeloom: '" + words[0] + "' needs the program " + path("spikeloom-training") +
                               ", which cannot be started: No such file or directory\n");
    EXPECT_EQ(outcome.out, "");
  }
  // Help and what is wrong with a command or a recipe are said without it.
  for (const std::string command : {"convert", "train", "eval", "info", "bench", "study", "launch"}) {
    EXPECT_EQ(run({command, "--help"}, alone).exit_code, 0) << command;
  }
  EXPECT_EQ(run({"info", "10FC-Voting", "--input", "1x2x2"}, alone).exit_code, 0);
  EXPECT_EQ(run({"study", "show", "fig4-speed", "--out", path("studies")}, alone).exit_code, 0);
  EXPECT_EQ(run({"train", "--list"}, alone).exit_code, 0);
  expect_error(run({"train", recipe, "--set", "training.epoch=3"}, alone), 2, {"training.epochs"});
  expect_error(run({"bench", "step", "--net", "10FC-Voting", "--input", "1x2x2", "--path", "x"}, alone), 2,
               {"--path"});
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

TEST_F(Usage, HelpFitsATerminal) {
  for (std::vector<std::string> words : {std::vector<std::string>{},
                                         {"train"},
                                         {"eval"},
                                         {"info"},
                                         {"data"},
                                         {"convert"},
                                         {"bench"},
                                         {"bench", "step"},
                                         {"bench", "infer"},
                                         {"simulate"},
                                         {"study"},
                                         {"study", "run"},
                                         {"study", "show"},
                                         {"launch"},
                                         {"train", "--list"}}) {
    if (words.empty() || words.back() != "--list") words.emplace_back("--help");
    const std::string text = run(words).out;
    std::size_t start = 0;
    for (std::size_t end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
      EXPECT_LE(end - start, 80u) << text.substr(start, end - start);
    }
    EXPECT_GT(start, 0u);
  }
}

TEST_F(Usage, UsageShowsWhichArgumentsMayBeSeveral) {
  EXPECT_TRUE(contains(run({"compare", "--help"}).out, "Usage: spikeloom compare [OPTIONS] RUN ...\n"));
  EXPECT_TRUE(contains(run({"predict", "--help"}).out, "] RUN_OR_MODEL [INPUT ...]\n"))
      << run({"predict", "--help"}).out;
  EXPECT_TRUE(contains(run({"data", "--help"}).out, "[OPTIONS] [verify|fetch] [NAME ...]\n"));
  EXPECT_TRUE(contains(run({"convert", "--help"}).out, "[OPTIONS] IN OUT\n"));
}

TEST_F(Usage, TheExamplesOfTheHelpAreReadByAShellAsTheyAre) {
  const std::string help = run({"--help"}).out;
  EXPECT_TRUE(contains(help, "info '32C3(Encoding)-AP2-Voting' --input 1x28x28\n")) << help;
  EXPECT_EQ(run({"info", "32C3(Encoding)-AP2-Voting", "--input", "1x28x28"}).exit_code, 0);
}

TEST_F(Usage, WhatIsMeantIsSuggested) {
  expect_error(run({"tarin", "r.toml"}), 2,
               {"unknown command 'tarin'; did you mean train? (see spikeloom --help)"});
  expect_error(run({"xyzzy"}), 2,
               {"unknown command 'xyzzy'; the commands are train, eval, predict, stream, info, data, "
                "convert, export"});
  expect_error(run({"bench", "stepp", "--net", "4C3-Voting"}), 2,
               {"unknown command 'stepp'; did you mean step? (see spikeloom bench --help)"});
  expect_error(run({"bench"}), 2, {"say what to do: step or infer"});
  expect_error(run({"bench", "step", "--nett", "4C3-Voting", "--input", "1x8x8"}), 2,
               {"unknown option '--nett'; did you mean --net", "(see spikeloom bench step --help)"});
  expect_error(run({"eval", "run", "--batch-size", "3"}), 2, {"did you mean --batch?"});
  expect_error(run({"eval", "run", "--bs", "3"}), 2, {"did you mean --batch?"});
  expect_error(run({"convert", "a", "b", "--forse"}), 2,
               {"--forse", "--force", "(see spikeloom convert --help)"});
  expect_error(run({"train", "r.toml", "--batch-size=3"}), 2, {"did you mean --set training.batch_size=3?"});
  expect_error(run({"train", "r.toml", "epochs=3"}), 2,
               {"unexpected argument 'epochs=3'; did you mean --set"});
  expect_error(run({"train", "r.toml", "--lr=0.1"}), 2, {"did you mean --set optimizer.learning_rate=0.1?"});
  expect_error(run({"info", "a", "b"}), 2, {"unexpected argument 'b' (see spikeloom info --help)"});
}

TEST_F(Usage, AnOptionAndSetDoNotSayTheSame) {
  expect_error(run({"eval", "run", "--steps", "4", "--set", "network.num_steps=5"}), 2,
               {"--steps and --set network.num_steps are the same setting: give one of them"});
  expect_error(run({"eval", "run", "--dataset", "mnist", "--set", "data = {dataset=\"n-mnist\"}"}), 2,
               {"--set"});
  expect_error(run({"eval", "run", "--folder", "a", "--set", "data.folder=b"}), 2,
               {"--folder and --set data.folder are the same setting"});
  expect_error(run({"train", "r.toml", "--tensorboard", "--set", "logging.tensorboard=false"}), 2,
               {"--tensorboard and --set logging.tensorboard are the same setting"});
  expect_error(run({"data", "verify", "mnist", "--set", "data.dataset=n-mnist"}), 2,
               {"the set 'mnist' and --set data.dataset are the same setting"});
  expect_error(run({"data", "verify", "folder", "--folder", "a", "--set", "data.folder=b"}), 2,
               {"--folder and --set data.folder are the same setting"});
}

TEST_F(Usage, MessagesNameTheOption) {
  expect_error(run({"simulate", "--dataset", "mnist", "--data-dir", "sets", "--out", "o", "--count", "999"}),
               2, {"spikeloom: --count: ", "(see spikeloom simulate --help)"});
  expect_error(run({"simulate", "--dataset", "mnist", "--data-dir", "sets", "--out", "o", "--first", "0"}), 2,
               {"spikeloom: --first: "});
  expect_error(run({"bench", "step", "--net"}), 2, {"--net needs a value: --net STRING"});
  expect_error(run({"bench", "step", "--net", "a", "--input", "b", "--batch", "x"}), 2,
               {"--batch must be from 1 to ", "not x"});
  expect_error(run({"bench", "step", "--net", "a", "--input", "b", "--seed", "x"}), 2,
               {"--seed: 'x' is not"});
  expect_error(run({"bench", "step", "--net", "a", "--input", "b", "--batch", "0"}), 2,
               {"--batch must be from 1 to ", "not 0"});
}

TEST_F(Usage, UnknownWordsAreNamed) {
  expect_error(run({"train", "r.toml", "--epochs", "3"}), 2, {"--epochs", "--help"});
  expect_error(run({"tarin\n"}), 2, {"tarin?"});
}

TEST_F(Usage, MissingAndWrongValuesAreNamed) {
  expect_error(run({"eval"}), 2, {"spikeloom: RUN_OR_MODEL is required"});
  expect_error(run({"convert", "a.raw"}), 2, {"spikeloom: OUT is required"});
  expect_error(run({"compare"}), 2, {"spikeloom: RUN ... is required"});
  expect_error(run({"bench", "step", "--net", "4C3-Voting"}), 2, {"--input is required"});
  expect_error(run({"train"}), 2, {"give a recipe, or --resume RUN"});
  expect_error(run({"train", "--resume", "runs/r", "--out", "runs/s"}), 2, {"--out is for a new run"});
  expect_error(run({"train", "r.toml", "--threads", "0"}), 2, {"--threads", "0"});
}

TEST_F(Usage, RecipesAreListed) {
  const auto outcome = run({"train", "--list"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(contains(outcome.out, "cifar10/cifarnet   ")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "  CIFARNet on CIFAR10, without NeuNorm\n")) << outcome.out;
  const auto names = run({"train", "--list", "--quiet"});
  EXPECT_EQ(names.exit_code, 0);
  EXPECT_TRUE(contains(names.out, "cifar10/cifarnet\n")) << names.out;
  EXPECT_TRUE(contains(names.out, "fashion-mnist-demo\n")) << names.out;
  bool found = false;
  for (const auto& recipe : run({"train", "--list", "--json"}).json()) {
    EXPECT_NE(recipe.at("description"), "") << recipe;
    found = found || recipe.at("name") == "cifar10/cifarnet";
  }
  EXPECT_TRUE(found);
}

TEST_F(Usage, EmptyPathsAndNoRecordingsAreRefused) {
  expect_error(run({"train", "r.toml", "--out", ""}), 2, {"--out: is empty"});
  expect_error(run({"data", "verify", "mnist", "--data-dir", ""}), 2, {"--data-dir: is empty"});
  expect_error(run({"simulate", "--dataset", "mnist", "--count", "0", "--out", "made"}), 2, {"--count"});
}

}  // namespace
}  // namespace spikeloom::app::testing
