#include <cstdlib>
#include <new>
#include <stdexcept>

#include "array.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#endif

namespace spikeloom::kernels::cuda::test {
namespace {

#ifdef __CUDACC__
void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}
#endif

}  // namespace

void* allocate(const Queue& queue, std::size_t bytes) {
#ifdef __CUDACC__
  if (queue.on_device) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes));
    return memory;
  }
#endif
  (void)queue;
  return ::operator new (bytes, std::align_val_t{16});
}

void release(const Queue& queue, void* memory) {
#ifdef __CUDACC__
  if (queue.on_device) {
    cudaFree(memory);
    return;
  }
#endif
  (void)queue;
  ::operator delete (memory, std::align_val_t{16});
}

void copy_in(const Queue& queue, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
#ifdef __CUDACC__
  if (queue.on_device) return check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
#endif
  (void)queue;
  std::memcpy(to, from, bytes);
}

void copy_out(const Queue& queue, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
#ifdef __CUDACC__
  if (queue.on_device) {
    check(cudaDeviceSynchronize());
    return check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
  }
#endif
  (void)queue;
  std::memcpy(to, from, bytes);
}

}  // namespace spikeloom::kernels::cuda::test
