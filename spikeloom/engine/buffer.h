#pragma once
// Memory that a backend computes in, whoever made it: the processor's, a device's, a library's tensor.
#include <cstdint>
#include <memory>

#include "spikeloom/kernels/bfloat16.h"

namespace spikeloom::engine {

enum class Type : std::uint8_t { kFloat, kBFloat16, kByte, kInt64, kDouble };

constexpr std::int64_t bytes_of(Type type) {
  switch (type) {
    case Type::kFloat:
      return 4;
    case Type::kBFloat16:
      return 2;
    case Type::kByte:
      return 1;
    case Type::kInt64:
    case Type::kDouble:
      break;
  }
  return 8;
}

/// Values in a row, in the memory order of their owner's arithmetic (channels innermost). Copies share them.
struct Buffer {
  std::shared_ptr<void> owner;  ///< frees the memory; nullptr: whoever made the buffer keeps it alive
  void* data = nullptr;
  std::int64_t count = 0;  ///< values
  Type type = Type::kFloat;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t bytes() const { return count * bytes_of(type); }
  float* floats() const { return static_cast<float*>(data); }
  std::uint8_t* octets() const { return static_cast<std::uint8_t*>(data); }
  void reset() { *this = Buffer(); }
};

/// Memory of somebody else as a buffer; it has to live as long.
template <class T>
Buffer view_of(const T* data, std::int64_t count, Type type) {
  return {nullptr, const_cast<T*>(data), count, type};
}

/// Calls function(pointer of the element type): float or kernels::BFloat16.
template <class Function>
void with_pointer(const Buffer& buffer, const Function& function) {
  if (buffer.type == Type::kBFloat16) {
    function(static_cast<kernels::BFloat16*>(buffer.data));
  } else {
    function(static_cast<float*>(buffer.data));
  }
}

/// Where buffers come from.
class Memory {
 public:
  virtual ~Memory() = default;
  /// Uninitialised, 64-byte aligned.
  virtual Buffer allocate(std::int64_t count, Type type) = 0;
  /// Between this memory and the processor's; waits until it is done.
  virtual void to_host(const Buffer& from, void* to) = 0;
  virtual void from_host(const void* from, const Buffer& to) = 0;
  virtual void fill_zero(const Buffer& buffer) = 0;
};

}  // namespace spikeloom::engine
