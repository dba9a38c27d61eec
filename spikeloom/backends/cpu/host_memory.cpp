#include "spikeloom/backends/cpu/host_memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace spikeloom::backends {

engine::Buffer allocate_host(std::int64_t count, engine::Type type) {
  constexpr std::size_t kAlignment = 64;
  const auto bytes = static_cast<std::size_t>(count * engine::bytes_of(type));
  void* const data = std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment);
  if (data == nullptr) throw std::bad_alloc();
  return {std::shared_ptr<void>(data, &std::free), data, count, type};
}

engine::Buffer HostMemory::allocate(std::int64_t count, engine::Type type) {
  return allocate_host(count, type);
}

void HostMemory::to_host(const engine::Buffer& from, void* to) {
  if (from.count > 0) std::memcpy(to, from.data, static_cast<std::size_t>(from.bytes()));
}

void HostMemory::from_host(const void* from, const engine::Buffer& to) {
  if (to.count > 0) std::memcpy(to.data, from, static_cast<std::size_t>(to.bytes()));
}

void HostMemory::fill_zero(const engine::Buffer& buffer) {
  if (buffer.count > 0) std::memset(buffer.data, 0, static_cast<std::size_t>(buffer.bytes()));
}

}  // namespace spikeloom::backends
