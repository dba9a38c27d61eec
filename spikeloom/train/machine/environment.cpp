#include "spikeloom/train/machine/environment.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <torch/version.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "spikeloom/base/json_text.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/base/version.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/machine/arithmetic_scope.h"

namespace spikeloom::train {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) {
      const auto colon = line.find(':');
      if (colon != std::string::npos && colon + 2 <= line.size()) return line.substr(colon + 2);
    }
  }
  return "unknown";
}

// LibTorch calls whatever libblas.so.3 is: only the loaded library knows. The reference BLAS is many times
// slower.
std::string blas_name() {
  using ConfigFunction = char* (*)();
  if (void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_get_config")) {
    return reinterpret_cast<ConfigFunction>(symbol)();
  }
  if (at::hasMKL()) return "MKL";
  return "reference BLAS or unknown (slow: install libopenblas0-pthread)";
}

std::string compiler_name() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_environment(const std::string& device) {
  return {{"spikeloom", kVersion},
          {"compiler", compiler_name()},
          {"libtorch", TORCH_VERSION},
          {"onednn", at::hasMKLDNN() ? "yes" : "no (convolutions will be slow)"},
          {"blas", blas_name()},
          {"processor", processor_name()},
          {"simd", kernels::cpu::simd_level()},
          {"bf16",
           kernels::cpu::has_fast_bfloat16() ? "fast" : "slow: products are computed in float and rounded"},
          {"threads", std::to_string(num_threads())},
          {"cuda", ops::describe_cuda()},
          {"device", device}};
}

std::string environment_json(const std::string& device) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : describe_environment(device)) json[name] = value;
  return json_text(json, 2) + "\n";
}

void release_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

void configure_threads(int count) {
  if (count < 1) set_num_threads(count);  // throws: 0 is no default here
  new ArithmeticScope(count);             // never closed: for the rest of the process
}

}  // namespace spikeloom::train
