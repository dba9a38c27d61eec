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
  EXPECT_TRUE(contains(stopped.out, "study run steps.toml --scale full --out out\n")) << stopped.out;
  const auto shown = study("show");
  EXPECT_TRUE(contains(shown.out, "T 1, seed 2: stopped")) << shown.out;
  const auto resumed = study("run");
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.out, "== run 2 of 4: T 1, seed 2, resumed\n")) << resumed.out;
  EXPECT_FALSE(contains(resumed.out, "== run 1 of 4")) << resumed.out;
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
