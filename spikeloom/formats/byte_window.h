#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/formats/byte_source.h"

namespace spikeloom::formats {

/// The part of a source that a decoder looks at: bytes are asked for, looked at in place and consumed. Its
/// memory is one buffer of `capacity` bytes (less if the source is smaller), whatever the size of the source.
class ByteWindow {
 public:
  static constexpr std::size_t kCapacity = std::size_t{1} << 18;  // stays in the second-level cache

  explicit ByteWindow(std::unique_ptr<ByteSource> source, std::size_t capacity = kCapacity);

  const std::string& name() const { return source_->name(); }
  /// Bytes of the whole source, or -1 if it does not know.
  std::int64_t source_size() const { return source_->size(); }
  /// Place of data() in the source.
  std::int64_t offset() const { return offset_; }
  const std::uint8_t* data() const { return buffer_.data() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  /// Drops the first `count` <= size() bytes.
  void consume(std::size_t count) {
    begin_ += count;
    offset_ += static_cast<std::int64_t>(count);
  }
  /// Makes size() at least `wanted`, reading as much as there is room for, and returns whether it is; false
  /// means that the source ends before. `wanted` must not be above the capacity. Throws as
  /// ByteSource::read().
  bool ensure(std::size_t wanted);

 private:
  std::unique_ptr<ByteSource> source_;
  std::vector<std::uint8_t> buffer_;
  std::size_t capacity_, begin_ = 0, end_ = 0;
  std::int64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace spikeloom::formats
