// A disk that is full, as a limit on the size of files: the same failing write() calls.
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class FullDisk : public ProgramTest {
 protected:
  static Surroundings limited_to(long bytes) {
    Surroundings surroundings;
    surroundings.max_file_bytes = bytes;
    return surroundings;
  }
};

TEST_F(FullDisk, AtALaterCheckpointLeavesTheOneBefore) {
  // Adam's moments make every checkpoint but the first three times as large as the weights.
  const auto outcome = run(train_command("run", {"--quiet"}), limited_to(16000));
  expect_error(
      outcome, 3,
      {"run/checkpoint.safetensors: cannot write: ", "the checkpoint before it is whole", "--resume run"});
  EXPECT_FALSE(exists("run/checkpoint.safetensors.part"));
  const auto evaluated = run({"eval", "run", "--data-dir", "sets", "--json"});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_EQ(evaluated.json().at("samples"), 30);

  const auto resumed = run({"train", "--resume", "run", "--data-dir", "sets"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  ASSERT_EQ(run(train_command("whole")).exit_code, 0);
  EXPECT_EQ(tensor_bytes("run/model.safetensors"), tensor_bytes("whole/model.safetensors"));
}

TEST_F(FullDisk, AtTheFirstCheckpointShowsBeforeAnythingIsTrained) {
  expect_error(run(train_command("run", {"--quiet"}), limited_to(4000)), 3,
               {"run/checkpoint.safetensors: cannot write: "});
  EXPECT_FALSE(exists("run/checkpoint.safetensors.part"));
  EXPECT_EQ(read("run/metrics.jsonl"), "");
  EXPECT_EQ(run(train_command("run", {"--set", "training.max_iterations=1"})).exit_code, 0)
      << "the folder is free";
}

TEST_F(FullDisk, InTheMetricsLeavesWholeLines) {
  // Checkpoints without optimiser state: the log reaches the limit first.
  const auto outcome = run(train_command("run", {"--quiet", "--set", "training.epochs=60", "--set",
                                                 "optimizer.kind=sgd", "--set", "optimizer.momentum=0.0"}),
                           limited_to(16000));
  expect_error(outcome, 3, {"run/metrics.jsonl: cannot write: "});
  const std::string metrics = read("run/metrics.jsonl");
  ASSERT_GT(metrics.size(), 10000u);
  std::size_t start = 0;
  for (std::size_t end; (end = metrics.find('\n', start)) != std::string::npos; start = end + 1) {
    EXPECT_FALSE(nlohmann::json::parse(metrics.substr(start, end - start), nullptr, false).is_discarded());
  }
  EXPECT_EQ(start, metrics.size()) << "no half line at the end";
  const auto resumed = run({"train", "--resume", "run", "--data-dir", "sets", "--quiet"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
}

TEST_F(FullDisk, BehindStandardOutput) {
  Surroundings surroundings;
  surroundings.out_file = "/dev/full";
  for (const auto& words : {std::vector<std::string>{"info", "r.toml", "--json"}, {"--help"}}) {
    SCOPED_TRACE(words.front());
    expect_error(run(words, surroundings), 3, {"cannot write the output: No space left on device"});
  }
}

}  // namespace
}  // namespace spikeloom::app::testing
