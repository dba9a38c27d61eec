#include "spikeloom/base/threads.h"

#include <gtest/gtest.h>

#include <string>

#include "spikeloom/base/errors.h"

namespace spikeloom {
namespace {

TEST(ThreadsTest, CountCanBeSetWithinLimits) {
  const int before = num_threads();
  EXPECT_GE(before, 1);
  set_num_threads(1024);
  EXPECT_EQ(num_threads(), 1024);
  for (const int wrong : {0, -3, 1025}) {
    try {
      set_num_threads(wrong);
      ADD_FAILURE() << "no exception for " << wrong;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(wrong)), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(num_threads(), 1024);
  set_num_threads(before);
}

#if defined(__SSE2__)
TEST(ThreadsTest, DenormalsAreFlushed) {
  flush_denormals();
  volatile float small = 1e-38f;
  const volatile float smaller = small * 0.01f;
  EXPECT_EQ(smaller, 0.0f);
}
#endif

}  // namespace
}  // namespace spikeloom
