// Where output goes: links, pipes, devices, standard output, closed descriptors. Nodes are made in the test's
// folder.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

namespace fs = std::filesystem;

class OutputPath : public ProgramTest {
 protected:
  OutputPath() {
    std::string bytes;  // ATIS bin: x, y, polarity and 23 bits of time
    for (int i = 0; i < 100; ++i) {
      for (const int byte : {i % 34, i % 29, 128, 0, 2 * i}) bytes += static_cast<char>(byte);
    }
    write("a.bin", bytes);
  }
  mode_t mode(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(::lstat(path(name).c_str(), &info), 0) << name;
    return info.st_mode;
  }
};

TEST_F(OutputPath, ALinkStays) {
  write("there/real.raw", "old");
  fs::create_symlink("there/real.raw", path("link.raw"));
  expect_error(run({"convert", "a.bin", "link.raw"}), 2, {"link.raw already exists"});
  EXPECT_EQ(run({"convert", "a.bin", "link.raw", "--force"}).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(path("link.raw")));
  EXPECT_EQ(run({"info", "there/real.raw", "--json"}).json().at("events"), 100);
}

TEST_F(OutputPath, APipeIsWrittenInto) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::string seen;
  std::thread reader([&] { seen = read("pipe"); });
  const auto outcome = run({"convert", "a.bin", "pipe", "--to", "atis-bin"});
  reader.join();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(seen, read("a.bin"));
  EXPECT_TRUE(S_ISFIFO(mode("pipe")));
}

TEST_F(OutputPath, ADeviceStaysADevice) {
  if (::mknod(path("full").c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0)
    GTEST_SKIP() << "no permission to mknod";
  if (::access(path("full").c_str(), W_OK) != 0) GTEST_SKIP() << "devices cannot be opened here";
  expect_error(run({"convert", "a.bin", "full", "--to", "evt3", "--force"}), 3,
               {"full: cannot write: No space left"});
  EXPECT_TRUE(S_ISCHR(mode("full")));
  EXPECT_FALSE(exists("full.part"));
}

TEST_F(OutputPath, DashAndDevStdoutAreStandardOutput) {
  ASSERT_EQ(run({"convert", "a.bin", "events.csv"}).exit_code, 0);
  for (const char* output : {"-", "/dev/stdout", "/dev/fd/1"}) {
    const auto outcome = run({"convert", "a.bin", output, "--to", "csv"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, read("events.csv")) << output;
    EXPECT_TRUE(contains(outcome.err, "100 events of a.bin")) << "what is said is beside it: " << outcome.err;
  }
  EXPECT_FALSE(exists("-"));
  expect_error(run({"convert", "a.bin", "-"}), 2, {"--to"});
  EXPECT_EQ(run({"convert", "a.bin", "/dev/null", "--to", "evt3"}).exit_code, 0);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(OutputPath, ARunFolderMayHoldLinks) {
  fs::create_directories(path("run"));
  fs::create_directories(path("large"));
  fs::create_symlink("../large/model.safetensors", path("run/model.safetensors"));
  const auto outcome = run(train_command("run", {"--quiet", "--set", "training.epochs=1"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(fs::is_symlink(path("run/model.safetensors")));
  EXPECT_TRUE(fs::is_regular_file(path("large/model.safetensors")));
}

TEST_F(OutputPath, MetricsOfSomebodyElseAreNotLost) {
  write("run/metrics.jsonl", "mine");
  expect_error(run(train_command("run")), 3, {"run: already holds a metrics.jsonl"});
  EXPECT_EQ(read("run/metrics.jsonl"), "mine");
  fs::create_directories(path("other"));
  ASSERT_EQ(::mkfifo(path("other/metrics.jsonl").c_str(), 0600), 0);
  expect_error(run(train_command("other")), 3, {"other: already holds a metrics.jsonl"});
}

TEST_F(OutputPath, ClosedDescriptorsTakeNoFileOfTheRun) {
  ASSERT_EQ(run(train_command("whole", {"--quiet"})).exit_code, 0);
  for (const char* closed : {"012", "1", "2", "12"}) {
    SCOPED_TRACE(closed);
    Surroundings surroundings;
    surroundings.closed = closed;
    const std::string folder = std::string("run") + closed;
    EXPECT_EQ(run(train_command(folder), surroundings).exit_code, 0);
    EXPECT_EQ(count_lines(folder + "/metrics.jsonl"), count_lines("whole/metrics.jsonl"));
    EXPECT_EQ(read(folder + "/run.lock"), "");
    EXPECT_FALSE(contains(read(folder + "/metrics.jsonl"), "epoch 1/3"));
    // Warnings as well.
    EXPECT_EQ(run(train_command(folder + "w", {"--set", "init.gain=1e-3"}), surroundings).exit_code, 0);
    EXPECT_FALSE(contains(read(folder + "w/metrics.jsonl"), "warning"));
    EXPECT_EQ(read(folder + "w/run.lock"), "");
    EXPECT_EQ(run({"convert", "a.bin", folder + ".raw"}, surroundings).exit_code, 0);
    EXPECT_EQ(run({"info", folder + ".raw", "--json"}).json().at("events"), 100);
  }
}

}  // namespace
}  // namespace spikeloom::app::testing
