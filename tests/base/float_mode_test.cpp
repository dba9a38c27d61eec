#include "spikeloom/base/float_mode.h"

#include <gtest/gtest.h>

#include <thread>

namespace spikeloom {
namespace {

#if defined(__SSE2__)
TEST(FloatModeTest, IsSetAndPutBack) {
  std::thread([] {  // a mode of its own
    const unsigned before = float_mode();
    set_float_mode(0x1f80);  // as a process starts: denormals kept
    volatile float small = 1e-38f;
    const volatile float kept = small * 0.01f;
    set_float_mode(arithmetic_float_mode());
    const volatile float flushed = small * 0.01f;
    set_float_mode(before);
    EXPECT_EQ(float_mode(), before);
    EXPECT_GT(kept, 0.0f);
    EXPECT_EQ(flushed, 0.0f);
  })
      .join();
}
#endif

}  // namespace
}  // namespace spikeloom
