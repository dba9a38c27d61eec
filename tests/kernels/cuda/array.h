#pragma once
// Arrays in the memory of a queue, for tests that run on the host and, where there is one, on a device.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::cuda::test {

/// Memory of a queue, a multiple of 16 bytes. Each throws std::runtime_error when CUDA refuses.
void* allocate(const Queue& queue, std::size_t bytes);
void release(const Queue& queue, void* memory);
void copy_in(const Queue& queue, void* to, const void* from, std::size_t bytes);
void copy_out(const Queue& queue, void* to, const void* from, std::size_t bytes);  ///< waits for the queue

/// An array between two guards, full of `poison` bytes (0xff: NaN, all bits set) where it has no values yet.
/// shift: so many elements away from an address that is a multiple of 16.
template <class T>
class Array {
 public:
  Array(const Queue& queue, std::int64_t count, std::int64_t shift = 0, std::uint8_t poison = 0xff)
      : queue_(queue),
        count_(static_cast<std::size_t>(count)),
        before_(kGuard + static_cast<std::size_t>(shift) * sizeof(T)) {
    memory_ = allocate(queue_, bytes());
    std::vector<std::uint8_t> image(bytes(), kGuardByte);
    std::memset(image.data() + before_, poison, count_ * sizeof(T));
    copy_in(queue_, memory_, image.data(), image.size());
  }
  Array(const Queue& queue, const std::vector<T>& values, std::int64_t shift = 0)
      : Array(queue, static_cast<std::int64_t>(values.size()), shift) {
    copy_in(queue_, data(), values.data(), count_ * sizeof(T));
  }
  ~Array() { release(queue_, memory_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() { return reinterpret_cast<T*>(static_cast<std::uint8_t*>(memory_) + before_); }

  /// Read back; the guards are looked at.
  std::vector<T> values() const {
    std::vector<std::uint8_t> image(bytes());
    copy_out(queue_, image.data(), memory_, image.size());
    const std::size_t end = before_ + count_ * sizeof(T);
    for (std::size_t i = 0; i < image.size(); i = i + 1 == before_ ? end : i + 1) {
      if (image[i] != kGuardByte) {
        ADD_FAILURE() << "byte " << static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(before_)
                      << " of an array of " << count_ * sizeof(T) << " bytes was written";
        break;
      }
    }
    std::vector<T> result(count_);
    if (count_ > 0) std::memcpy(result.data(), image.data() + before_, count_ * sizeof(T));
    return result;
  }
  T value() const { return values().front(); }

 private:
  static constexpr std::size_t kGuard = 64;
#ifdef __SANITIZE_ADDRESS__
  static constexpr std::size_t kGuardBehind = 0;  // the sanitizer sees reads as well
#else
  static constexpr std::size_t kGuardBehind = kGuard;
#endif
  static constexpr std::uint8_t kGuardByte = 0xa5;
  std::size_t bytes() const { return before_ + count_ * sizeof(T) + kGuardBehind; }

  Queue queue_;
  std::size_t count_, before_;
  void* memory_ = nullptr;
};

/// A workspace of exactly so many bytes.
class Workspace {
 public:
  Workspace(const Queue& queue, std::int64_t bytes) : bytes_(queue, bytes) {}
  ~Workspace() { bytes_.values(); }  // looks at the guards
  void* data() { return bytes_.data(); }

 private:
  Array<std::uint8_t> bytes_;
};

/// Runs every test on a host queue and on a device queue.
class QueueTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    queue.on_device = std::string(GetParam()) == "device";
    if (queue.on_device && device_count() == 0) {
      GTEST_SKIP() << (built_with_cuda() ? "this machine has no CUDA device" : "this build has no CUDA");
    }
  }
  Queue queue;
};

inline std::string queue_name(const testing::TestParamInfo<const char*>& info) { return info.param; }

#define SPIKELOOM_ON_ALL_QUEUES(suite) \
  INSTANTIATE_TEST_SUITE_P(Queues, suite, testing::Values("host", "device"), queue_name)

using kernels::test::floats_of;
using kernels::test::values_of;

}  // namespace spikeloom::kernels::cuda::test
