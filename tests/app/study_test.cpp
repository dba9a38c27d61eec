// `spikeloom study` as a user runs it.
#include <signal.h>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class StudyProgram : public ProgramTest {
 protected:
  StudyProgram() {
    write("steps.toml", R"(title = "Accuracy by steps"
base = "r.toml"
seeds = [1, 2]
[rows]
name = "T"
key = "network.num_steps"
values = ["1", "2"]
[small]
note = "one epoch"
set = ["training.epochs=1"]
)");
  }
  Outcome study(const std::string& verb, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"study", verb, "steps.toml", "--out", "out"};
    if (verb == "run") arguments.insert(arguments.end(), {"--data-dir", "sets", "--quiet"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

TEST_F(StudyProgram, TrainsEachRunOnceAndPrintsTheTable) {
  const auto before = study("show", {"--scale", "small"});
  EXPECT_EQ(before.exit_code, 0) << before.err;
  EXPECT_TRUE(contains(before.out, "0 of 4 runs done")) << before.out;
  const auto first = study("run", {"--scale", "small"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_TRUE(contains(first.out, "== run 4 of 4: T 2, seed 2\n")) << first.out;
  EXPECT_TRUE(contains(first.out, "4 of 4 runs done")) << first.out;
  EXPECT_TRUE(contains(first.out, "small scale: one epoch")) << first.out;
  const std::string result = read("out/steps/small/2_seed-2/result.json");
  const auto again = study("run", {"--scale", "small"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_FALSE(contains(again.out, "== run")) << again.out;
  EXPECT_EQ(read("out/steps/small/2_seed-2/result.json"), result);
  const auto json = study("show", {"--scale", "small", "--json"}).json();
  EXPECT_EQ(json.at("figures").size(), 2u);
  EXPECT_EQ(json.at("figures")[1].at("values").size(), 2u);
  EXPECT_EQ(json.at("runs")[3].at("state"), "done");
}

TEST_F(StudyProgram, ResumesWhatWasStopped) {
  const auto stopped =
      run_and_signal({"study", "run", "steps.toml", "--out", "out", "--data-dir", "sets"}, SIGINT,
                     [this] { return count_lines("out/steps/full/1_seed-2/metrics.jsonl") >= 2; });
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_TRUE(contains(stopped.out, "study run steps.toml --scale full --out out --data-dir sets\n"))
      << stopped.out;
  const auto shown = study("show");
  EXPECT_TRUE(contains(shown.out, "T 1, seed 2: stopped")) << shown.out;
  const auto resumed = study("run");
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.out, "== run 2 of 4: T 1, seed 2, resumed\n")) << resumed.out;
  EXPECT_FALSE(contains(resumed.out, "== run 1 of 4")) << resumed.out;
}

TEST_F(StudyProgram, ResumesWhatWasKilled) {
  const std::vector<std::string> command{"study", "run", "steps.toml", "--out", "out", "--data-dir", "sets"};
  const auto killed = run_and_signal(
      command, SIGKILL, [this] { return count_lines("out/steps/full/1_seed-2/metrics.jsonl") >= 2; });
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL);
  const std::string first = read("out/steps/full/1_seed-1/result.json");
  // As after a kill before the first checkpoint of the next run.
  write("out/steps/full/2_seed-1/metrics.jsonl", "");
  write("out/steps/full/2_seed-1/checkpoint.safetensors.part", "half of a checkp");
  const auto resumed = study("run");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.out, "steps, scale full: 1 of 4 runs done, 1 stopped; in out/steps\n"))
      << resumed.out;
  EXPECT_TRUE(contains(resumed.out, "== run 2 of 4: T 1, seed 2, resumed\n")) << resumed.out;
  EXPECT_TRUE(contains(resumed.out, "; 2 of 4 runs done, about ")) << resumed.out;
  EXPECT_TRUE(contains(resumed.out, "; 4 of 4 runs done\n")) << resumed.out;
  EXPECT_EQ(read("out/steps/full/1_seed-1/result.json"), first);
  // The killed run gives what an undisturbed one gives.
  ASSERT_EQ(run(train_command("whole", {"--set", "network.num_steps=1", "--set", "seed=2"})).exit_code, 0);
  EXPECT_EQ(tensor_bytes("out/steps/full/1_seed-2/model.safetensors"),
            tensor_bytes("whole/model.safetensors"));
}

TEST_F(StudyProgram, VotesArePrintedAsAMatrix) {
  write("votes.toml", R"(title = "Votes"
base = "r.toml"
metric = "votes"
seeds = [1, 2]
[columns]
labels = ["a"]
set = ["training.epochs=1"]
)");
  const auto outcome = run({"study", "run", "votes.toml", "--out", "out", "--data-dir", "sets", "--quiet"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out,
                       "a: mean share of the votes, %; row: true class, column: class voted for; "
                       "mean of 2 runs\n"))
      << outcome.out;
  const auto json = run({"study", "show", "votes.toml", "--out", "out", "--json"}).json();
  const auto cell = json.at("figures")[0];
  EXPECT_EQ(cell.at("class_names").size(), 10u);
  const auto one = nlohmann::json::parse(read("out/votes/full/a_seed-1/result.json")).at("vote_shares");
  const auto two = nlohmann::json::parse(read("out/votes/full/a_seed-2/result.json")).at("vote_shares");
  for (std::size_t k = 0; k < 10; ++k) {
    const double mean = 0.5 * (one[3][k].get<double>() + two[3][k].get<double>());
    EXPECT_NEAR(cell.at("vote_shares")[3][k].get<double>(), mean, 1e-12);
  }
}

TEST_F(StudyProgram, RunsWithoutDataAreLeftOut) {
  write("two.toml", R"(title = "Two sets"
base = "r.toml"
[rows]
labels = ["other", "patterns"]
set = ["data.dataset=cifar10", "training.epochs=1"]
)");
  const std::vector<std::string> command{"study", "run", "two.toml", "--out", "out", "--data-dir", "sets"};
  auto dry = command;
  dry.emplace_back("--dry-run");
  const auto plan = run(dry);
  EXPECT_EQ(plan.exit_code, 3) << plan.err;
  EXPECT_TRUE(contains(plan.out, "cifar10  NOT FOUND")) << plan.out;
  EXPECT_TRUE(contains(plan.out, "1 epoch  mnist    sets/mnist")) << plan.out;
  EXPECT_TRUE(contains(plan.err, "CIFAR-10 was not found")) << plan.err;
  EXPECT_FALSE(exists("out"));
  const auto outcome = run(command);
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "CIFAR-10 was not found")) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "1 of 2 runs done")) << outcome.out;
}

TEST_F(StudyProgram, RefusesRunsOfOtherSettings) {
  ASSERT_EQ(study("run", {"--scale", "small"}).exit_code, 0);
  std::string text = read("steps.toml");
  text.replace(text.find("epochs=1"), 8, "epochs=2");
  write("steps.toml", text);
  expect_error(study("run", {"--scale", "small"}), 2,
               {"out/steps/small/1_seed-1", "training.epochs", "--out"});
  EXPECT_TRUE(contains(study("show", {"--scale", "small"}).out, "other settings"));
}

TEST_F(StudyProgram, ListsAndSuggests) {
  const auto list = run({"study", "list"});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_TRUE(contains(list.out, "fig6-steps")) << list.out;
  expect_error(run({"study", "show", "fig6-step"}), 2, {"did you mean fig6-steps"});
  expect_error(run({"study", "show", "steps.toml", "--scale", "tiny"}), 2, {"--scale"});
}

}  // namespace
}  // namespace spikeloom::app::testing
