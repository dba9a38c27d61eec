#include "spikeloom/train/machine/arithmetic_scope.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <omp.h>

#include "spikeloom/base/float_mode.h"
#include "spikeloom/base/threads.h"

namespace spikeloom::train {
namespace {

// LibTorch calls whatever libblas.so.3 is; OpenBLAS has threads of its own.
int blas_threads() {
  using GetThreads = int (*)();
  void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_get_num_threads");
  return symbol != nullptr ? reinterpret_cast<GetThreads>(symbol)() : 0;
}

void set_blas_threads(int count) {
  using SetThreads = void (*)(int);
  if (count < 1 || count == blas_threads()) return;
  if (void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
    reinterpret_cast<SetThreads>(symbol)(count);
  }
}

void set_torch_threads(int count) {
  if (count != at::get_num_threads()) at::set_num_threads(count);
}

// Each thread of OpenMP's pool has its own mode; a thread keeps its number while the pool lives.
void set_float_modes(std::vector<unsigned>& modes) {
  int team = 1;
#pragma omp parallel num_threads(static_cast <int>(modes.size()))
  {
    auto& mode = modes[static_cast<std::size_t>(omp_get_thread_num())];
    const unsigned before = float_mode();
    set_float_mode(mode);
    mode = before;
    if (omp_get_thread_num() == 0) team = omp_get_num_threads();
  }
  modes.resize(static_cast<std::size_t>(team));  // OpenMP may give fewer threads
}

}  // namespace

ArithmeticScope::ArithmeticScope(int threads)
    : threads_(threads == 0 ? num_threads() : threads), threads_before_(num_threads()) {
  set_num_threads(threads_);  // throws first
  torch_threads_before_ = at::get_num_threads();
  blas_threads_before_ = blas_threads();
  set_torch_threads(threads_);
  // Before the mode: threads that the BLAS starts here inherit the caller's.
  set_blas_threads(threads_);
  float_modes_.assign(static_cast<std::size_t>(threads_), arithmetic_float_mode());
  set_float_modes(float_modes_);
}

ArithmeticScope::~ArithmeticScope() {
  set_float_modes(float_modes_);
  set_blas_threads(blas_threads_before_);
  set_torch_threads(torch_threads_before_);
  set_num_threads(threads_before_);
}

}  // namespace spikeloom::train
