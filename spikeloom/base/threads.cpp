#include "spikeloom/base/threads.h"

#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "spikeloom/base/errors.h"

namespace spikeloom {
namespace {

int default_num_threads() {
  if (const char* text = std::getenv("SPIKELOOM_NUM_THREADS")) {
    const int count = std::atoi(text);
    if (count >= 1 && count <= 1024) return count;
  }
  // The affinity mask, not the number of processors: containers and batch systems hand out a part of the
  // machine.
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  const unsigned hardware = std::thread::hardware_concurrency();
  return hardware > 0 ? static_cast<int>(hardware) : 1;
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{default_num_threads()};
  return count;
}

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int count) {
  if (count < 1 || count > 1024) {
    throw ConfigError("the number of threads must be between 1 and 1024, not " + std::to_string(count));
  }
  thread_count().store(count, std::memory_order_relaxed);
}

void flush_denormals() {
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
}

}  // namespace spikeloom
