#include "spikeloom/base/memory.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

class Memory : public ::testing::Test {
 protected:
  Memory() {
    std::string pattern = (fs::temp_directory_path() / "spikeloom_memory_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    write("/proc/meminfo", "MemTotal:        8000 kB\nSwapTotal:    2000 kB\n");
  }
  ~Memory() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(Memory, OfTheMachineCountsSwap) {
  EXPECT_EQ(memory_limit(root_).bytes, 10000 * 1024);
  EXPECT_EQ(memory_limit(root_).what, "this machine's memory");
}

TEST_F(Memory, OfAControlGroupAndOfThoseAboveIt) {
  write("/proc/self/cgroup", "0::/job/step\n");
  write("/sys/fs/cgroup/job/step/memory.max", "max\n");
  write("/sys/fs/cgroup/job/memory.max", "5000000\n");
  EXPECT_EQ(memory_limit(root_).bytes, 5000000);
  EXPECT_NE(memory_limit(root_).what.find("control group"), std::string::npos);
  write("/sys/fs/cgroup/job/step/memory.max", "4000000\n");
  EXPECT_EQ(memory_limit(root_).bytes, 4000000);
  write("/sys/fs/cgroup/memory.max", "3000000\n");  // as a container sees its own
  EXPECT_EQ(memory_limit(root_).bytes, 3000000);
}

TEST_F(Memory, OfAControlGroupOfVersionOne) {
  write("/proc/self/cgroup", "3:cpu:/a\n4:memory:/job\nnonsense\n5:\n");
  write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "6000000\n");
  EXPECT_EQ(memory_limit(root_).bytes, 6000000);
}

TEST_F(Memory, OfTheAddressSpace) {
  write("/proc/self/status", "VmSize:  1000 kB\nVmRSS:  100 kB\n");
  const pid_t process = ::fork();
  if (process == 0) {
    const struct rlimit limit = {4000 * 1024, 4000 * 1024};
    ::setrlimit(RLIMIT_AS, &limit);
    ::_exit(memory_limit(root_).bytes == 3100 * 1024 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Memory, IsUnlimitedWhereNothingIsKnown) {
  fs::remove_all(root_ + "/proc");
  EXPECT_GT(memory_limit(root_).bytes, std::int64_t{1} << 40);
}

TEST(MemoryText, HasThreeDigitsAndAUnit) {
  EXPECT_EQ(memory_text(0), "0 MB");
  EXPECT_EQ(memory_text(640'400'000), "640 MB");
  EXPECT_EQ(memory_text(17'180'000'000), "17.2 GB");
  EXPECT_EQ(memory_text(999'600'000), "1.0 GB");
  EXPECT_EQ(memory_text(3'500'000'000'000), "3.5 TB");
}

}  // namespace
}  // namespace spikeloom
