#include "spikeloom/backends/cpu/convert.h"

#include <type_traits>

#include "spikeloom/backends/cpu/host_memory.h"
#include "spikeloom/base/threads.h"

namespace spikeloom::backends {

engine::Buffer converted(const engine::Buffer& from, engine::Type type) {
  if (from.type == type) return from;
  engine::Buffer to = allocate_host(from.count, type);
  const std::int64_t count = from.count;
  with_pointer(from, [&](const auto* source) {
    with_pointer(to, [&](auto* target) {
      using Value = std::remove_reference_t<decltype(*target)>;
#pragma omp parallel for simd schedule(static) num_threads(num_threads()) if (count >= 1 << 15)
      for (std::int64_t i = 0; i < count; ++i) {
        target[i] = kernels::from_float<Value>(kernels::to_float(source[i]));
      }
    });
  });
  return to;
}

}  // namespace spikeloom::backends
