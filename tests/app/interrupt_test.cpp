// Training that is stopped by a signal: what is said, and that resuming gives the bits of an uninterrupted
// run.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

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
    EXPECT_TRUE(contains(resumed.out, "resumed at epoch ")) << resumed.out;
    EXPECT_EQ(tensor_bytes("run/model.safetensors"), tensor_bytes(whole + "/model.safetensors"));
    EXPECT_EQ(count_lines("run/metrics.jsonl"), count_lines(whole + "/metrics.jsonl"));
  }
};

TEST_F(Interrupt, CtrlCSavesAndSaysHowToGoOn) {
  const auto stopped = run_and_signal(command("run"), SIGINT, after_lines(22));
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_EQ(stopped.err, "");
  EXPECT_TRUE(contains(stopped.out, std::string("everything is saved. Resume with: ") + SPIKELOOM_PROGRAM +
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

TEST_F(Interrupt, AClosedTerminalSavesToo) {
  const auto stopped = run_and_signal(command("run"), SIGHUP, after_lines(22));
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_TRUE(contains(stopped.out, "everything is saved. Resume with: ")) << stopped.out;
  ASSERT_EQ(run(command("whole")).exit_code, 0);
  expect_resumes_to_the_bits_of("whole");
}

TEST_F(Interrupt, NohupIsRespected) {
  const auto before = ::signal(SIGHUP, SIG_IGN);  // the child inherits it
  const auto stopped = run_and_signal(command("run"), SIGHUP, after_lines(22));
  ::signal(SIGHUP, before);
  EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_TRUE(exists("run/model.safetensors"));
}

TEST_F(Interrupt, AClosedPipeSavesAndSaysHowToGoOn) {
  const std::string pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string line;
  std::thread head([&] { std::getline(std::ifstream(pipe), line); });  // head -1
  Surroundings surroundings;
  surroundings.out_file = pipe;
  const auto stopped = run(command("run"), surroundings);
  head.join();
  EXPECT_EQ(line.find("data     MNIST"), 0u) << line;
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_TRUE(contains(stopped.err, "spikeloom: the output was closed: stopped after ")) << stopped.err;
  EXPECT_TRUE(contains(stopped.err, "everything is saved. Resume with: ")) << stopped.err;
  ASSERT_EQ(run(command("whole")).exit_code, 0);
  expect_resumes_to_the_bits_of("whole");
}

TEST_F(Interrupt, KillDuringSavesLeavesACheckpoint) {
  // Saving all the time: at each iteration whose checkpoint takes less than 1 % of the time, and at each
  // epoch.
  auto words = command("run");
  for (const char* set : {"training.checkpoint_minutes=1e-9", "training.batch_size=2"}) {
    words.insert(words.end(), {"--set", set});
  }
  for (int i = 0; i < 5; ++i) {
    const int lines = count_lines("run/metrics.jsonl");
    const auto killed = run_and_signal(
        i == 0 ? words : std::vector<std::string>{"train", "--resume", "run", "--data-dir", "sets"}, SIGKILL,
        after_lines(lines + 60 + 7 * i));
    EXPECT_EQ(killed.exit_code, 128 + SIGKILL) << killed.err;
    const auto evaluated = run({"eval", "run", "--data-dir", "sets"});
    EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  }
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
