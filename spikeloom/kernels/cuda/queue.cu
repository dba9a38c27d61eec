#include "spikeloom/kernels/cuda/launch.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {
namespace {

struct Increment {
  std::uint64_t* counter;
  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t) const { ++*counter; }
};

}  // namespace

bool built_with_cuda() {
#ifdef __CUDACC__
  return true;
#else
  return false;
#endif
}

int device_count() {
#ifdef __CUDACC__
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // forgotten, so that no later call reports it
#endif
  return 0;
}

void increment(const Queue& queue, std::uint64_t* counter) {
  for_each(queue, "increment", 1, Increment{counter});
}

}  // namespace spikeloom::kernels::cuda
