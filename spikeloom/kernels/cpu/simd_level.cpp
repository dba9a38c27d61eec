#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#include <hwy/highway.h>
// clang-format on

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "spikeloom/base/errors.h"

namespace spikeloom::kernels::cpu {
namespace {

std::atomic<const char*> chosen_level{nullptr};

const char* level_name(std::int64_t target) {
#if HWY_ARCH_X86
  if (target == HWY_AVX3 || target == HWY_AVX3_DL) return "avx512";
  if (target == HWY_AVX2) return "avx2";
#endif
  static_cast<void>(target);
  return "portable";
}

// What this machine and build have, before anything was forced down; best first.
const std::vector<std::int64_t>& machine_targets() {
  static const std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  return targets;
}

const char* choose(const std::string& name, const std::string& asked_by) {
  std::string names;
  std::int64_t allowed = 0;
  for (auto target = machine_targets().rbegin(); target != machine_targets().rend(); ++target) {
    allowed |= *target;
    if (name == level_name(*target)) {
      hwy::SetSupportedTargetsForTest(allowed);
      hwy::GetChosenTarget().Update(allowed);
      chosen_level = level_name(*target);
      return level_name(*target);
    }
    names += (names.empty() ? "" : ", ") + std::string(level_name(*target));
  }
  throw ConfigError(asked_by + " '" + name +
                    "' is not a SIMD level of this machine and build; use one of: " + names);
}

const char* first_choice() {
  const char* best = level_name(machine_targets().front());
  const char* forced = std::getenv("SPIKELOOM_SIMD");
  return forced != nullptr ? choose(forced, "environment variable SPIKELOOM_SIMD:") : choose(best, "");
}

}  // namespace

const char* simd_level() {
  if (const char* level = chosen_level) return level;
  static const char* const first = first_choice();  // thread-safe; tried again if it throws
  return first;
}

std::vector<std::string> available_simd_levels() {
  std::vector<std::string> names;
  for (const std::int64_t target : machine_targets()) names.emplace_back(level_name(target));
  return names;
}

bool has_fast_bfloat16() {
#if HWY_ARCH_X86 && defined(__GNUC__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

void set_simd_level(const std::string& name) { choose(name, "set_simd_level:"); }

}  // namespace spikeloom::kernels::cpu
