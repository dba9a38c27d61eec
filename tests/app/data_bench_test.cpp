#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Data : public ProgramTest {};

TEST_F(Data, ListsTheSetsAndWhereTheyAre) {
  const auto outcome = run({"data", "--data-dir", "sets", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto sets = outcome.json();
  ASSERT_EQ(sets.size(), 5u);
  for (const auto& set : sets) {
    if (set.at("name") == "mnist") {
      EXPECT_EQ(set.at("root"), "sets/mnist");
    }
    EXPECT_NE(set.at("how_to_get"), "");
  }
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

TEST_F(Data, UnknownSet) { expect_error(run({"data", "imagenet"}), 2, {"imagenet", "fashion-mnist"}); }

class Bench : public ProgramTest {};

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
  }
  const auto text = run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--iterations", "1"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_TRUE(contains(text.out, "samples/s")) << text.out;
}

TEST_F(Bench, MistakesAreNamed) {
  expect_error(run({"bench", "step", "--net", "4C3-Votin", "--input", "1x8x8"}), 2, {"--net: column 5"});
  expect_error(run({"bench", "step", "--net", "4C3-Voting", "--input", "1x8x8", "--data", "video"}), 2,
               {"video"});
}

}  // namespace
}  // namespace spikeloom::app::testing
