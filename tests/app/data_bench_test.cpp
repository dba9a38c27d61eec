#include <set>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Data : public ProgramTest {};

TEST_F(Data, ListsTheSetsAndWhereTheyAre) {
  const auto outcome = run({"data", "--data-dir", "sets", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto sets = outcome.json();
  std::vector<std::string> names;
  for (const auto& set : sets) {
    names.push_back(set.at("name"));
    if (set.at("name") == "mnist") {
      EXPECT_EQ(set.at("root"), "sets/mnist");
    }
    EXPECT_NE(set.at("how_to_get"), "");
  }
  EXPECT_EQ(names, (std::vector<std::string>{"mnist", "fashion-mnist", "cifar10", "n-mnist", "dvs-cifar10",
                                             "dvs128-gesture", "n-caltech101", "shd", "ssc", "folder",
                                             "image-folder", "image-array"}));
  const auto text = run({"data", "--data-dir", "sets"});
  EXPECT_TRUE(contains(text.out, "found in sets/mnist")) << text.out;
  EXPECT_TRUE(contains(text.out, "dvs-cifar10")) << text.out;
  expect_plain_text(text);
}

TEST_F(Data, VerifyFindsThatTheContentIsNotThePublishedOne) {
  const auto outcome = run({"data", "verify", "mnist", "--data-dir", "sets", "--json"});
  EXPECT_EQ(outcome.exit_code, 3);
  const auto report = outcome.json().at(0);
  EXPECT_EQ(report.at("found"), true);
  EXPECT_EQ(report.at("counts").at("train").at("found"), 120);
  EXPECT_EQ(report.at("checks").size(), 4u);
  for (const auto& check : report.at("checks")) EXPECT_EQ(check.at("ok"), false);
}

TEST_F(Data, VerifyOfASetThatIsNotThere) {
  const auto outcome = run({"data", "verify", "dvs-cifar10", "--data-dir", "nowhere"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_TRUE(contains(outcome.out, "'nowhere' does not exist")) << outcome.out;
}

TEST_F(Data, VerifyOfAPartSaysThatItIsIncomplete) {
  write("some/nmnist/Train/3/00001.bin", std::string("\x01\x02\x80\x00\x01", 5));
  const auto text = run({"data", "verify", "n-mnist", "--data-dir", "some"});
  EXPECT_EQ(text.exit_code, 3);
  EXPECT_TRUE(contains(text.out, "INCOMPLETE: 59,999 of 60,000 train samples missing")) << text.out;
  EXPECT_FALSE(contains(text.out, "DAMAGED")) << text.out;
  EXPECT_TRUE(contains(text.out, "spikeloom data fetch n-mnist")) << text.out;
  const auto report = run({"data", "verify", "n-mnist", "--data-dir", "some", "--json"}).json().at(0);
  EXPECT_EQ(report.at("state"), "incomplete");
  write("some/nmnist/Train/3/00002.bin", "abc");
  const auto damaged = run({"data", "verify", "n-mnist", "--data-dir", "some"});
  EXPECT_EQ(damaged.exit_code, 3);
  EXPECT_TRUE(contains(damaged.out, "DAMAGED")) << damaged.out;
}

TEST_F(Data, VerifyReadsYourOwnDataAsYouSay) {
  // Two records of a .dat file without a header.
  const std::string record("\x01\x00\x00\x00\x05\x04\x02\x00", 8);
  write("mine/a/0.dat", record + record);
  write("mine/b/0.dat", record);
  const auto good = run({"data", "verify", "folder", "--folder", "mine", "--set", "data.format=dat-v1",
                         "--set", "data.sensor=32x24"});
  EXPECT_EQ(good.exit_code, 0) << good.out << good.err;
  EXPECT_TRUE(contains(good.out, "complete: all 2")) << good.out;
  const auto unsaid = run({"data", "verify", "folder", "--folder", "mine"});
  EXPECT_EQ(unsaid.exit_code, 3);
  EXPECT_TRUE(contains(unsaid.out, "data.format")) << unsaid.out;
  write("own.toml",
        "[network]\nstructure = \"4C3(Encoding)-Voting\"\n[data]\ndataset = \"folder\"\nfolder = \"mine\"\n"
        "format = \"dat-v1\"\nsensor = \"32x24\"\n");
  EXPECT_EQ(run({"data", "verify", "own.toml"}).exit_code, 0);
  expect_error(run({"data", "verify", "folder", "--folder", "mine", "--set", "training.epochs=3"}), 2,
               {"training.epochs=3"});
}

TEST_F(Data, UnknownSet) { expect_error(run({"data", "imagenet"}), 2, {"imagenet", "fashion-mnist"}); }

class Bench : public ProgramTest {};

TEST_F(Bench, SignatureOfATrainingIsTheSameEveryTime) {
  const std::vector<std::string> common = {
      "bench",        "step",    "--net",         "8C3(Encoding)-128C3-AP2-32FC-Voting",
      "--input",      "1x12x12", "--batch",       "8",
      "--steps",      "4",       "--firing-rate", "0.2",
      "--iterations", "4",       "--threads",     "2",
      "--signature"};
  const auto signature = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = common;
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out.size(), 33u) << outcome.out;
    return outcome.out;
  };
  std::set<std::string> all;
  const std::vector<std::vector<std::string>> variants = {
      {},
      {"--path", "dense"},
      {"--path", "event"},
      {"--precision", "bf16", "--path", "event"},
      {"--state", "exact"},
      {"--seed", "2"},
  };
  for (const auto& variant : variants) {
    const std::string first = signature(variant);
    EXPECT_EQ(signature(variant), first);
    all.insert(first);
  }
  // What rounds differently signs differently. (The first takes the path of one of the next two; without fast
  // bfloat16 the fourth is like the third.)
  EXPECT_GE(all.size(), 4u);
}

TEST_F(Bench, TimesAStepAndInference) {
  for (const char* mode : {"step", "infer"}) {
    const auto outcome =
        run({"bench", mode, "--net", "4C3(Encoding)-AP2-Voting", "--input", "2x8x8", "--batch", "3",
             "--steps", "4", "--iterations", "2", "--firing-rate", "0.2", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto json = outcome.json();
    EXPECT_EQ(json.at("mode"), std::string(mode) == "step" ? "training" : "inference");
    EXPECT_EQ(json.at("input_kind"), "events");
    EXPECT_EQ(json.at("batch"), 3);
    EXPECT_GT(json.at("samples_per_s").get<double>(), 0.0);
    EXPECT_LE(json.at("step_ms_min").get<double>(), json.at("step_ms").get<double>());
    EXPECT_GT(json.at("firing_rates").at("conv1").get<double>(), 0.0);
    ASSERT_EQ(json.at("layers").size(), 2u);
    const auto& layer = json.at("layers").at(0);
    EXPECT_EQ(layer.at("layer"), "conv1");
    EXPECT_EQ(layer.at("path"), "dense fp32");
    EXPECT_NEAR(layer.at("density").get<double>(), 0.05, 0.03);
    EXPECT_GT(layer.at("forward_ms").get<double>(), 0.0);
    const bool training = std::string(mode) == "step";
    EXPECT_EQ(layer.at("backward_ms").get<double>() > 0.0, training);
    // 4 steps of 2 x 8 x 8 floats; of 4 x 8 x 8 and 100 neurons each a bit of spike and a bit of window (in
    // words of 64 over the batch), and a code byte for the windows that are open: some, not all.
    const double words = (3 * 256 / 64 + (3 * 100 + 63) / 64) * 8.0 * 4 / 3;
    const double bits = 4 * 2 * 64 * 4 + 2 * words;
    const double saved = json.at("saved_bytes_per_sample").get<double>();
    if (training) {
      EXPECT_GT(saved, bits);
      EXPECT_LT(saved, bits + 4 * (256 + 100));
    } else {
      EXPECT_EQ(saved, 0.0);
    }
  }
  const auto text = run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--iterations", "1"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_TRUE(contains(text.out, "samples/s")) << text.out;
  EXPECT_TRUE(contains(text.out, "kept for backward")) << text.out;
}

TEST_F(Bench, StateAndPrecisionAreChosen) {
  const auto outcome = run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--iterations", "1",
                            "--state", "exact", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json().at("state"), "exact");
  EXPECT_EQ(outcome.json().at("precision"), "fp32");
  EXPECT_EQ(outcome.json().at("layers").size(), 2u);
  // 4 x 8 x 8 neurons and 100 voting ones at 8 steps, a float and a bit each, and a sample of 8 x 8 pixels.
  EXPECT_NEAR(outcome.json().at("saved_bytes_per_sample").get<double>(), 8 * 356 * (4 + 1.0 / 8) + 256, 64.0);
  const auto bf16 = run({"bench", "step", "--net", "4C3-8C3-Voting", "--input", "1x8x8", "--iterations", "1",
                         "--precision", "bf16", "--json"});
  EXPECT_EQ(bf16.exit_code, 0) << bf16.err;
  EXPECT_EQ(bf16.json().at("precision"), "bf16");
  // The first layer stays in float; the others do as well where bf16 is not fast.
  EXPECT_EQ(bf16.json().at("layers").at(0).at("path"), "dense fp32");
}

TEST_F(Bench, PathIsChosen) {
  for (const std::string path : {"dense", "event"}) {
    const auto outcome = run({"bench", "step", "--net", "4C3-8C3-Voting", "--input", "1x8x8", "--iterations",
                              "1", "--path", path, "--precision", "fp32", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.json().at("path"), path);
    EXPECT_EQ(outcome.json().at("layers").at(1).at("path"), path == "event" ? "event" : "dense fp32");
  }
}

TEST_F(Bench, MistakesAreNamed) {
  expect_marked_error(run({"bench", "step", "--net", "4C3-Votin", "--input", "1x8x8"}), 2,
                      {"--net: column 5"}, "4C3-Votin", 4);
  expect_error(run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--data", "video"}), 2,
               {"video"});
  expect_error(run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--precision", "fp8"}), 2,
               {"fp8"});
  expect_error(run({"bench", "infer", "--net", "4C3-Voting", "--input", "1x8x8", "--state", "some"}), 2,
               {"some"});
  expect_error(run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--crossover", "maybe"}), 2,
               {"--crossover must be measured or fixed, not 'maybe'"});
  expect_error(run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--path", "short"}), 2,
               {"--path", "short"});
}

}  // namespace
}  // namespace spikeloom::app::testing
