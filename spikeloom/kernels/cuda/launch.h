#pragma once
// How the functors of this folder run: one thread an index on a device, a loop on the host. Included by .cu
// files only.
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/host_device.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cuda/queue.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#endif

// Unrolled by the device's compiler, so that arrays indexed by the loop's counter stay in registers.
#ifdef __CUDA_ARCH__
#define SPIKELOOM_UNROLL _Pragma("unroll")
#define SPIKELOOM_UNROLL_BY_4 _Pragma("unroll 4")
#define SPIKELOOM_NO_UNROLL _Pragma("unroll 1")
#else
#define SPIKELOOM_UNROLL
#define SPIKELOOM_UNROLL_BY_4
#define SPIKELOOM_NO_UNROLL
#endif

namespace spikeloom::kernels::cuda {

constexpr int kBlockThreads = 256;
constexpr int kWarpLanes = 32;
/// Fewer indices than this are not worth the host's threads.
constexpr std::int64_t kHostParallelCount = 4096;

#ifdef __CUDACC__
/// Blocks of a functor that a multiprocessor has to hold at a time, which limits its registers: F::kMinBlocks
/// or 1.
template <class F, class = void>
struct MinBlocks : std::integral_constant<int, 1> {};
template <class F>
struct MinBlocks<F, std::void_t<decltype(F::kMinBlocks)>> : std::integral_constant<int, F::kMinBlocks> {};

template <class F>
__global__ void __launch_bounds__(kBlockThreads, MinBlocks<F>::value)
    run_each(const __grid_constant__ F functor, std::int64_t count) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kBlockThreads + threadIdx.x;
  if (i < count) functor(i);
}

template <class F>
__global__ void __launch_bounds__(kBlockThreads, MinBlocks<F>::value)
    run_each_counted(const __grid_constant__ F functor, std::int64_t count, unsigned long long* total) {
  __shared__ unsigned int warps[kBlockThreads / kWarpLanes];
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kBlockThreads + threadIdx.x;
  const unsigned int own = i < count ? functor(i) : 0u;
  const unsigned int warp = __reduce_add_sync(0xffffffffu, own);
  if (threadIdx.x % kWarpLanes == 0) warps[threadIdx.x / kWarpLanes] = warp;
  __syncthreads();
  if (threadIdx.x != 0) return;
  unsigned long long sum = 0;
  for (const unsigned int part : warps) sum += part;
  if (sum != 0) atomicAdd(total, sum);
}

template <class V>
__device__ V value_of_lane_behind(const V& value, int distance) {
  static_assert(sizeof(V) % sizeof(std::uint32_t) == 0, "shuffled in words");
  constexpr int kWords = sizeof(V) / sizeof(std::uint32_t);
  std::uint32_t words[kWords];
  memcpy(words, &value, sizeof(V));
#pragma unroll
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_down_sync(0xffffffffu, words[i], distance);
  V result;
  memcpy(&result, words, sizeof(V));
  return result;
}

template <int kLanes, class F>
__global__ void __launch_bounds__(kBlockThreads)
    run_rows(const __grid_constant__ F functor, std::int64_t rows) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kBlockThreads + threadIdx.x;
  const std::int64_t row = thread / kLanes;
  const int lane = static_cast<int>(thread % kLanes);
  auto value = row < rows ? functor.partial(row, lane) : typename F::Value{};
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = F::add(value, value_of_lane_behind(value, distance));
  }
  if (row < rows && lane == 0) functor.finish(row, value);
}

inline void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return;
  throw DeviceError(std::string(kernel) + ": the kernel was not launched: " + cudaGetErrorString(error));
}

inline unsigned int blocks_for(const char* kernel, std::int64_t threads) {
  const std::int64_t blocks = (threads + kBlockThreads - 1) / kBlockThreads;
  if (blocks > 0x7fffffff) {
    throw DeviceError(std::string(kernel) + ": " + std::to_string(threads) +
                      " threads are more than a launch can have; use smaller batches");
  }
  return static_cast<unsigned int>(blocks);
}
#else
[[noreturn]] inline void refuse_device(const char* kernel) {
  throw DeviceError(std::string(kernel) +
                    ": this build has no CUDA; configure with SPIKELOOM_CUDA=ON or use the CPU");
}
#endif

/// *flag = 1, from any number of threads.
SPIKELOOM_HOST_DEVICE inline void raise_flag(std::uint32_t* flag) {
#ifdef __CUDA_ARCH__
  atomicOr(flag, 1u);
#else
#pragma omp atomic write
  *flag = 1u;
#endif
}

/// functor(i) for i in [0, count); the calls may run in any order and at the same time.
template <class F>
void for_each(const Queue& queue, const char* kernel, std::int64_t count, const F& functor) {
  if (count <= 0) return;
  if (queue.on_device) {
#ifdef __CUDACC__
    run_each<<<blocks_for(kernel, count), kBlockThreads, 0, queue.stream>>>(functor, count);
    check_launch(kernel);
    return;
#else
    refuse_device(kernel);
#endif
  }
#pragma omp parallel for num_threads(num_threads()) schedule(static) if (count >= kHostParallelCount)
  for (std::int64_t i = 0; i < count; ++i) functor(i);
}

/// The same of a functor that returns an unsigned number: *total += their sum. total = nullptr: no sum.
template <class F>
void for_each_counted(const Queue& queue, const char* kernel, std::int64_t count, const F& functor,
                      unsigned long long* total) {
  if (count <= 0) return;
  if (queue.on_device) {
#ifdef __CUDACC__
    if (total != nullptr) {
      run_each_counted<<<blocks_for(kernel, count), kBlockThreads, 0, queue.stream>>>(functor, count, total);
    } else {
      run_each<<<blocks_for(kernel, count), kBlockThreads, 0, queue.stream>>>(functor, count);
    }
    check_launch(kernel);
    return;
#else
    refuse_device(kernel);
#endif
  }
  unsigned long long sum = 0;
#pragma omp parallel for num_threads(num_threads()) schedule(static) reduction(+ : sum) if (count >= kHostParallelCount)
  for (std::int64_t i = 0; i < count; ++i) sum += functor(i);
  if (total != nullptr) *total += sum;
}

/// Sums of rows: functor.partial(row, lane) is what one of kLanes lanes (a power of 2, 32 at most) has of a
/// row, a F::Value, copied bytewise; lanes are added up as a tree, lane l and l + d for d = kLanes / 2, ...,
/// 1, by F::add(lower, upper); functor.finish(row, sum) is called once. The host adds in the same order.
template <int kLanes, class F>
void reduce_rows(const Queue& queue, const char* kernel, std::int64_t rows, const F& functor) {
  if (rows <= 0) return;
  if (queue.on_device) {
#ifdef __CUDACC__
    run_rows<kLanes><<<blocks_for(kernel, rows * kLanes), kBlockThreads, 0, queue.stream>>>(functor, rows);
    check_launch(kernel);
    return;
#else
    refuse_device(kernel);
#endif
  }
#pragma omp parallel for num_threads(num_threads()) schedule(static) if (rows * kLanes >= kHostParallelCount)
  for (std::int64_t row = 0; row < rows; ++row) {
    typename F::Value values[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) values[lane] = functor.partial(row, lane);
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      for (int lane = 0; lane < distance; ++lane)
        values[lane] = F::add(values[lane], values[lane + distance]);
    }
    functor.finish(row, values[0]);
  }
}

}  // namespace spikeloom::kernels::cuda
