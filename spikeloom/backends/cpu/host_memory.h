#pragma once
#include "spikeloom/engine/buffer.h"

namespace spikeloom::backends {

/// The processor's memory.
class HostMemory : public engine::Memory {
 public:
  engine::Buffer allocate(std::int64_t count, engine::Type type) override;
  void to_host(const engine::Buffer& from, void* to) override;
  void from_host(const void* from, const engine::Buffer& to) override;
  void fill_zero(const engine::Buffer& buffer) override;
};

/// 64-byte aligned, uninitialised. Throws std::bad_alloc.
engine::Buffer allocate_host(std::int64_t count, engine::Type type);

}  // namespace spikeloom::backends
