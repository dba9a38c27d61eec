// `spikeloom launch` as a user runs it: processes that are started, killed, started again.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Launch : public ProgramTest {
 protected:
  static std::vector<std::string> command(const std::string& run, const std::vector<std::string>& options,
                                          const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"launch", "--processes", "2"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("--");
    const auto train = train_command(run, more);
    words.insert(words.end(), train.begin(), train.end());
    return words;
  }

  /// The process that trains into `run` as this rank, or 0.
  static pid_t process_of(const std::string& run, const std::string& rank) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto read = [&](const char* file) {
        std::ifstream stream(entry.path() / file, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(stream), {});
      };
      const std::string own("\0RANK=", 6);
      if (contains(read("cmdline"), run) && contains('\0' + read("environ"), own + rank + '\0')) {
        return static_cast<pid_t>(std::stol(name));
      }
    }
    return 0;
  }

  /// A port that nobody uses now.
  static int free_port() {
    const int handle = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const general = reinterpret_cast<struct sockaddr*>(&address);
    EXPECT_EQ(::bind(handle, general, length), 0);
    EXPECT_EQ(::getsockname(handle, general, &length), 0);
    ::close(handle);
    return ntohs(address.sin_port);
  }

  /// Kills rank 1 once so many lines of metrics are there; for run_and_signal.
  std::function<bool()> kill_at_line(const std::string& run, int lines) {
    return [this, run, lines] {
      if (count_lines(run + "/metrics.jsonl") < lines) return false;
      const pid_t process = process_of(run, "1");
      if (process == 0) return false;
      ::kill(process, SIGKILL);
      return true;
    };
  }

  std::vector<std::string> timeless(const std::string& run) const {
    std::vector<std::string> lines;
    std::ifstream file(path(run + "/metrics.jsonl"));
    for (std::string text; std::getline(file, text);) {
      auto line = nlohmann::json::parse(text);
      for (const char* key : {"samples_per_s", "train_seconds", "loader_wait_share"}) line.erase(key);
      lines.push_back(line.dump());
    }
    return lines;
  }
};

// A checkpoint after every iteration that is due, so that a kill falls after one.
const std::vector<std::string> kLong = {"--set", "training.epochs=40", "--set",
                                        "training.checkpoint_minutes=0.0001"};

TEST_F(Launch, TrainsAndGoesOnAfterAKillWithTheSameBits) {
  const Outcome straight = run(command("straight", {}, kLong));
  ASSERT_EQ(straight.exit_code, 0) << straight.err;
  EXPECT_TRUE(contains(straight.out, "2 processes, this one with 1 thread")) << straight.out;
  EXPECT_EQ(straight.err, "");

  // Signal 0: the launcher is left alone.
  const Outcome killed = run_and_signal(command("killed", {}, kLong), 0, kill_at_line("killed", 20));
  EXPECT_EQ(killed.exit_code, 5);
  EXPECT_EQ(std::count(killed.err.begin(), killed.err.end(), '\n'), 2) << killed.err;
  EXPECT_TRUE(contains(killed.err, "spikeloom: rank 1 (process ")) << killed.err;
  EXPECT_TRUE(contains(killed.err, "was ended by signal 9")) << killed.err;
  EXPECT_TRUE(contains(killed.err, "spikeloom: rank 0 of 2: gave up waiting for the other processes"))
      << killed.err;
  EXPECT_TRUE(contains(killed.err, "; no sign of rank 1: ")) << killed.err;
  EXPECT_FALSE(exists("killed/model.safetensors"));

  const Outcome resumed =
      run({"launch", "--processes", "2", "--", "train", "--resume", "killed", "--data-dir", "sets"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(tensor_bytes("killed/model.safetensors"), tensor_bytes("straight/model.safetensors"));
  EXPECT_EQ(timeless("killed"), timeless("straight"));

  const Outcome restarted =
      run_and_signal(command("restarted", {"--restarts", "1"}, kLong), 0, kill_at_line("restarted", 20));
  ASSERT_EQ(restarted.exit_code, 0) << restarted.err;
  EXPECT_TRUE(contains(restarted.err, "starting all processes again (1 of 1 restarts)")) << restarted.err;
  EXPECT_EQ(tensor_bytes("restarted/model.safetensors"), tensor_bytes("straight/model.safetensors"));
}

TEST_F(Launch, StopsAllOnASignalAndSaves) {
  const Outcome stopped = run_and_signal(command("run", {}, kLong), SIGTERM,
                                         [&] { return count_lines("run/metrics.jsonl") >= 5; });
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_TRUE(contains(stopped.out, "everything is saved")) << stopped.out;
  EXPECT_TRUE(exists("run/checkpoint.safetensors"));
}

// Whoever ends first: one line, and the code of what was wrong.
TEST_F(Launch, OneErrorEndsAllWithItsCodeAndIsSaidOnce) {
  expect_error(run(command("run", {"--restarts", "3"}, {"--set", "training.batch_size=1"})), 2,
               {"training.batch_size"});
  expect_error(run({"launch", "--processes", "2", "--", "train", "nosuch"}), 2, {"nosuch"});
  expect_error(run({"launch", "--processes", "2", "--", "train", "r.toml", "--epochs", "3"}), 2,
               {"unknown option '--epochs'"});
  write("taken/model.safetensors", "somebody's");
  expect_error(run(command("taken", {"--restarts", "3"})), 3, {"already holds a model.safetensors"});
}

// Two machines, as two launchers of this one; the second runs a program with one more byte.
TEST_F(Launch, AnotherProgramOnASecondMachineIsRefusedOnBoth) {
  namespace fs = std::filesystem;
  const fs::path program(SPIKELOOM_PROGRAM);
  fs::create_directories(path("other"));
  for (const char* name : {"spikeloom", "spikeloom-training"}) {
    fs::copy_file(program.parent_path() / name, path(std::string("other/") + name));
  }
  std::ofstream(path("other/spikeloom-training"), std::ios::app | std::ios::binary) << 'x';
  const auto launch = [&](const std::string& with, int node, int port) {
    return with + " launch --processes 1 --nodes 2 --node-rank " + std::to_string(node) +
           " --master 127.0.0.1:" + std::to_string(port) + " -- train r.toml --data-dir sets --out run";
  };
  const int port = free_port();
  Surroundings shell;
  shell.program = "/bin/sh";
  const Outcome outcome =
      run({"-c", launch(path("other/spikeloom"), 1, port) + " & first=$!; " +
                     launch(SPIKELOOM_PROGRAM, 0, port) + "; code=$?; wait $first; exit $((10 * code + $?))"},
          shell);
  EXPECT_EQ(outcome.exit_code, 22) << outcome.err;
  const std::string line = "spikeloom: rank 1 runs another build of Spikeloom ";
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 2) << outcome.err;
  EXPECT_EQ(outcome.err.find(line), 0u) << outcome.err;
  EXPECT_NE(outcome.err.rfind(line), 0u) << outcome.err;
  EXPECT_FALSE(exists("run"));
}

TEST_F(Launch, MistakesAreRefused) {
  expect_error(run({"launch", "--processes", "2"}), 2, {"launch starts trainings only"});
  expect_error(run({"launch", "--processes", "2", "--", "bench"}), 2, {"launch starts trainings only"});
  expect_error(run({"launch", "--processes", "1", "--nodes", "2", "--node-rank", "2", "--", "train"}), 2,
               {"--node-rank counts from 0"});
  expect_error(run({"launch", "--processes", "1", "--nodes", "2", "--", "train"}), 2, {"--master HOST:PORT"});
  expect_error(run({"launch", "--processes", "1", "--master", "here", "--", "train"}), 2,
               {"--master", "HOST:PORT is needed"});
  expect_error(run({"launch", "--processes", "1", "--nodes", "2", "--node-rank", "1", "--master",
                    "nosuch.invalid:29500", "--", "train", "r.toml"}),
               2, {"cannot find the address of the meeting point 'nosuch.invalid'"});
}

}  // namespace
}  // namespace spikeloom::app::testing
