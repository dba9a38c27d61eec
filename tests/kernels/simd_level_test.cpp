#include "spikeloom/kernels/cpu/simd_level.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "spikeloom/base/errors.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

TEST(SimdLevelTest, EveryLevelCanBeChosen) {
  const std::vector<std::string> levels = cpu::available_simd_levels();
  ASSERT_FALSE(levels.empty());
  for (const std::string& level : levels) {
    cpu::set_simd_level(level);
    EXPECT_EQ(level, cpu::simd_level());
    EXPECT_EQ(levels, cpu::available_simd_levels());
  }
  cpu::set_simd_level(levels.front());
}

TEST(SimdLevelTest, UnknownLevelNamesTheChoice) {
  const std::string before = cpu::simd_level();
  try {
    cpu::set_simd_level("fast");
    FAIL() << "no exception";
  } catch (const ConfigError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("'fast'"), std::string::npos) << message;
    EXPECT_NE(message.find(before), std::string::npos) << message;
  }
  EXPECT_EQ(before, cpu::simd_level());
}

// In a child process, because the variable is read once.
TEST(SimdLevelTest, EnvironmentForcesALevelDown) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const std::string lowest = cpu::available_simd_levels().back();
  setenv("SPIKELOOM_SIMD", lowest.c_str(), 1);
  EXPECT_EXIT(std::exit(cpu::simd_level() == lowest ? 0 : 1), testing::ExitedWithCode(0), "");
  setenv("SPIKELOOM_SIMD", "mmx", 1);
  const auto refused = [] {
    try {
      cpu::simd_level();
    } catch (const ConfigError& error) {
      std::exit(std::string(error.what()).find("SPIKELOOM_SIMD: 'mmx'") != std::string::npos ? 0 : 1);
    }
    std::exit(2);
  };
  EXPECT_EXIT(refused(), testing::ExitedWithCode(0), "");
  unsetenv("SPIKELOOM_SIMD");
}

}  // namespace
}  // namespace spikeloom::kernels
