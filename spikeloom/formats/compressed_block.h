#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "spikeloom/formats/byte_source.h"
#include "spikeloom/formats/byte_window.h"

namespace spikeloom::formats {

enum class BlockCompression { kNone, kLz4, kZstd };

/// The contents of the next `size` bytes of a window, decompressed as they are read: LZ4 frames or ZSTD
/// frames, one after the other. Memory is that of the decompressor: at most 8 MiB for LZ4 (its largest block)
/// and 32 MiB for ZSTD (kZstdWindowLog); a frame that wants more is refused.
class CompressedBlock {
 public:
  static constexpr int kZstdWindowLog = 25;

  explicit CompressedBlock(BlockCompression compression);
  ~CompressedBlock();
  CompressedBlock(const CompressedBlock&) = delete;
  CompressedBlock& operator=(const CompressedBlock&) = delete;

  /// Goes to the block that begins at the window's place. The block before must have been read to its end.
  /// With size -1 it goes to the end of the source.
  void begin(std::int64_t size);
  /// The next bytes of the contents; fewer than `size` at the end, and where the source ends within the
  /// block: CutShort is thrown by the next call, once what there is has been given. Throws FormatError
  /// (offset in the window's source) if they are damaged.
  std::size_t read(ByteWindow& window, void* destination, std::size_t size);
  /// Takes what is left of the block off the window, undecompressed.
  void skip(ByteWindow& window);

 private:
  class Decompressor;
  class Lz4;
  class Zstd;

  /// Bytes of the block at the window's place; 0 at its end.
  std::size_t available(ByteWindow& window) const;
  void consume(ByteWindow& window, std::size_t count);

  std::unique_ptr<Decompressor> decompressor_;  // null: not compressed
  std::int64_t left_ = 0;                       // bytes of the block still to be taken off, -1: up to the end
  bool frame_open_ = false;
};

}  // namespace spikeloom::formats
