#include "spikeloom/train/run/run_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

std::string refused(const std::string& path) {
  return message_of<DataError>([&] { RunFolder::create(path); });
}

TEST(RunFolder, IsMadeWithTheFoldersAboveIt) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder / "a/b");
  EXPECT_EQ(run.path(), folder / "a/b");
  EXPECT_EQ(run.file("x"), folder / "a/b/x");
  EXPECT_TRUE(fs::is_regular_file(run.file("metrics.jsonl")));
}

TEST(RunFolder, IsRefusedWhileItIsInUse) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder / "run");
  EXPECT_TRUE(contains(refused(folder / "run"), "another training is writing"));
  write_text_file(run.file("checkpoint.safetensors"), "x");
  EXPECT_TRUE(contains(refused(folder / "run"), "another training is writing"));
  EXPECT_TRUE(contains(message_of<DataError>([&] { RunFolder::open(folder / "run"); }), "another training"));
}

// info, report and watch take a shared lock for a moment, to see whether a training runs.
TEST(RunFolder, WaitsForWhoeverOnlyLooks) {
  const TemporaryFolder folder;
  write_text_file(folder / "run.lock", "");
  const int lock = ::open((folder / "run.lock").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(lock, LOCK_SH), 0);
  std::thread looker([lock] {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    ::close(lock);
  });
  EXPECT_NO_THROW(RunFolder::create(folder.path()));
  looker.join();
}

TEST(RunFolder, IsRefusedWhenItHoldsARunOrWhatARunWouldReplace) {
  const TemporaryFolder folder;
  for (const char* name : {"checkpoint.safetensors", "recipe.toml", "model.safetensors", "result.json"}) {
    const std::string path = folder / ("run-" + std::string(name));
    { RunFolder::create(path); }
    { RunFolder::create(path); }  // nothing is in it yet
    write_text_file(path + "/" + name, "mine");
    const std::string message = refused(path);
    EXPECT_TRUE(contains(message, path + ": already holds a ")) << message;
    EXPECT_EQ(contains(message, "--resume " + path), std::string(name) == "checkpoint.safetensors")
        << message;
    EXPECT_EQ(read_text_file(path + "/" + name), "mine");
  }
}

TEST(RunFolder, ThatCannotBeMadeIsADataError) {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "x");
  EXPECT_TRUE(contains(refused(folder / "file"), "cannot create the run folder"));
  EXPECT_TRUE(contains(refused(folder / "file/below"), "cannot create the run folder"));
}

TEST(RunFolder, OpensOnlyWhatHoldsACheckpoint) {
  const TemporaryFolder folder;
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { RunFolder::open(folder / "none"); }), "no such run folder"));
  { RunFolder::create(folder / "run"); }
  EXPECT_TRUE(contains(message_of<DataError>([&] { RunFolder::open(folder / "run"); }),
                       "holds no checkpoint.safetensors"));
  write_text_file(folder / "run/checkpoint.safetensors", "x");
  EXPECT_NO_THROW(RunFolder::open(folder / "run"));
}

TEST(RunFolder, MetricsAreAppendedAndCutBack) {
  const TemporaryFolder folder;
  const std::string file = folder / "run/metrics.jsonl";
  {
    RunFolder run = RunFolder::create(folder / "run");
    run.append_metrics("{1}");
    EXPECT_EQ(run.metrics_size(), 4);
    run.append_metrics("{22}");
    EXPECT_EQ(run.metrics_size(), 9);
    write_text_file(run.file("checkpoint.safetensors"), "x");
  }
  RunFolder run = RunFolder::open(folder / "run");
  EXPECT_EQ(run.metrics_size(), 9);
  RunFolder moved = std::move(run);
  moved.truncate_metrics(4);
  EXPECT_EQ(read_text_file(file), "{1}\n");
  moved.append_metrics("{3}");
  EXPECT_EQ(read_text_file(file), "{1}\n{3}\n");
  EXPECT_EQ(moved.metrics_size(), 8);
  EXPECT_TRUE(contains(message_of<DataError>([&] { moved.truncate_metrics(9); }),
                       "shorter than the checkpoint says"));
  EXPECT_EQ(read_text_file(file), "{1}\n{3}\n") << "what is there stays";
}

TEST(RunFolder, NewPathsAreNumbered) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  EXPECT_EQ(new_run_path("name"), "runs/name");
  fs::create_directories("runs/name");
  EXPECT_EQ(new_run_path("name"), "runs/name-2");
  fs::create_directories("runs/name-2");
  EXPECT_EQ(new_run_path("name"), "runs/name-3");
  fs::current_path(before);
}

}  // namespace
}  // namespace spikeloom::train
