// Training that is stopped by a signal: what is said, and that going on gives the bits of an uninterrupted
// run.
#include <signal.h>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Interrupt : public ProgramTest {
 protected:
  /// Long enough to be stopped in the middle: 200 iterations, 5 an epoch.
  static std::vector<std::string> command(const std::string& name) {
    return train_command(
        name, {"--set", "training.epochs=40", "--set", "dropout.rate=0.2", "--set", "data.crop_padding=1"});
  }
  std::function<bool()> after_lines(int lines) const {
    return [this, lines] { return count_lines("run/metrics.jsonl") >= lines; };
  }
  void expect_resumes_to_the_bits_of(const std::string& whole) const {
    const auto resumed = run({"train", "--resume", "run", "--data-dir", "sets"});
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_TRUE(contains(resumed.out, "going on at epoch ")) << resumed.out;
    EXPECT_EQ(tensor_bytes("run/model.safetensors"), tensor_bytes(whole + "/model.safetensors"));
    EXPECT_EQ(count_lines("run/metrics.jsonl"), count_lines(whole + "/metrics.jsonl"));
  }
};

TEST_F(Interrupt, CtrlCSavesAndSaysHowToGoOn) {
  const auto stopped = run_and_signal(command("run"), SIGINT, after_lines(22));
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_EQ(stopped.err, "");
  EXPECT_TRUE(contains(stopped.out, std::string("everything is saved. Go on with: ") + SPIKELOOM_PROGRAM +
                                        " train --resume run\n"))
      << stopped.out;
  EXPECT_FALSE(exists("run/model.safetensors"));
  expect_plain_text(stopped);

  // A second time, by the signal of a batch system.
  const int lines = count_lines("run/metrics.jsonl");
  const auto again = run_and_signal({"train", "--resume", "run", "--data-dir", "sets", "--json"}, SIGTERM,
                                    after_lines(lines + 3));
  EXPECT_EQ(again.exit_code, 130) << again.err;
  EXPECT_EQ(again.json().at("interrupted"), true);
  EXPECT_TRUE(contains(again.err, "--resume run\n")) << again.err;

  ASSERT_EQ(run(command("whole")).exit_code, 0);
  expect_resumes_to_the_bits_of("whole");
}

TEST_F(Interrupt, KillLosesNoMoreThanTheEpoch) {
  const auto killed = run_and_signal(command("run"), SIGKILL, after_lines(15));  // in the third epoch
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL);
  const auto evaluated = run({"eval", "run", "--data-dir", "sets"});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  ASSERT_EQ(run(command("whole")).exit_code, 0);
  expect_resumes_to_the_bits_of("whole");
}

TEST_F(Interrupt, KillBeforeTheFirstEpochEndsCanBeResumed) {
  const auto killed = run_and_signal(command("run"), SIGKILL, after_lines(1));
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL);
  const auto resumed = run({"train", "--resume", "run", "--data-dir", "sets", "--quiet"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
}

}  // namespace
}  // namespace spikeloom::app::testing
