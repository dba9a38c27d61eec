#include "spikeloom/formats/compressed_block.h"

#include <fmt/format.h>
#include <lz4frame.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/cut_short.h"

namespace spikeloom::formats {

/// Frames of one kind, decompressed a piece at a time.
class CompressedBlock::Decompressor {
 public:
  struct Step {
    std::size_t consumed = 0, produced = 0;
    bool frame_ended = false;
    const char* error = nullptr;  // a library's constant, or null
  };
  virtual ~Decompressor() = default;
  virtual void reset() = 0;
  virtual Step step(const std::uint8_t* in, std::size_t in_size, void* out, std::size_t out_size) = 0;
};

class CompressedBlock::Lz4 : public Decompressor {
 public:
  Lz4() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) != 0) throw std::bad_alloc();
  }
  ~Lz4() override { LZ4F_freeDecompressionContext(context_); }
  Lz4(const Lz4&) = delete;
  Lz4& operator=(const Lz4&) = delete;

  void reset() override { LZ4F_resetDecompressionContext(context_); }
  Step step(const std::uint8_t* in, std::size_t in_size, void* out, std::size_t out_size) override {
    Step step;
    step.consumed = in_size;
    step.produced = out_size;
    const std::size_t hint = LZ4F_decompress(context_, out, &step.produced, in, &step.consumed, nullptr);
    if (LZ4F_isError(hint) != 0) return {0, 0, false, LZ4F_getErrorName(hint)};
    step.frame_ended = hint == 0;
    return step;
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

class CompressedBlock::Zstd : public Decompressor {
 public:
  Zstd() : context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdWindowLog);
  }
  ~Zstd() override { ZSTD_freeDCtx(context_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  void reset() override { ZSTD_DCtx_reset(context_, ZSTD_reset_session_only); }
  Step step(const std::uint8_t* in, std::size_t in_size, void* out, std::size_t out_size) override {
    ZSTD_inBuffer input{in, in_size, 0};
    ZSTD_outBuffer output{out, out_size, 0};
    const std::size_t hint = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(hint) != 0) return {0, 0, false, ZSTD_getErrorName(hint)};
    return {input.pos, output.pos, hint == 0, nullptr};
  }

 private:
  ZSTD_DCtx* context_;
};

CompressedBlock::CompressedBlock(BlockCompression compression) {
  if (compression == BlockCompression::kLz4) decompressor_ = std::make_unique<Lz4>();
  if (compression == BlockCompression::kZstd) decompressor_ = std::make_unique<Zstd>();
}

CompressedBlock::~CompressedBlock() = default;

void CompressedBlock::begin(std::int64_t size) {
  left_ = size;
  frame_open_ = false;
  if (decompressor_) decompressor_->reset();
}

std::size_t CompressedBlock::available(ByteWindow& window) const {
  if (left_ == 0) return 0;
  if (!window.ensure(1)) {
    if (left_ < 0) return 0;
    throw CutShort(
        fmt::format("the file ends within a packet, {} before the packet's end; fetch the file again, or "
                    "read what is whole (--partial, data.partial)",
                    counted(left_, "byte")),
        window.name(), window.offset());
  }
  if (left_ < 0) return window.size();
  return static_cast<std::size_t>(std::min<std::int64_t>(left_, static_cast<std::int64_t>(window.size())));
}

void CompressedBlock::consume(ByteWindow& window, std::size_t count) {
  window.consume(count);
  if (left_ > 0) left_ -= static_cast<std::int64_t>(count);
}

std::size_t CompressedBlock::read(ByteWindow& window, void* destination, std::size_t size) {
  auto* out = static_cast<std::uint8_t*>(destination);
  std::size_t total = 0;
  while (total < size) {
    if (left_ > 0 &&
        !window.ensure(1)) {  // cut off: what the decompressor still holds, then what is there, then throw
      const std::size_t held =
          decompressor_ ? decompressor_->step(window.data(), 0, out + total, size - total).produced : 0;
      total += held;
      if (held > 0) continue;
      if (total > 0) return total;
    }
    const std::size_t here = available(window);
    if (!decompressor_) {
      const std::size_t count = std::min(here, size - total);
      if (count == 0) return total;
      std::memcpy(out + total, window.data(), count);
      consume(window, count);
      total += count;
      continue;
    }
    if (here == 0 && !frame_open_) return total;
    // At the end of the block the decompressor may still hold contents that found no room before.
    const Decompressor::Step step = decompressor_->step(window.data(), here, out + total, size - total);
    if (step.error != nullptr) {
      throw FormatError(fmt::format("damaged compressed data ({}); fetch the file again", step.error),
                        window.name(), window.offset());
    }
    consume(window, step.consumed);
    total += step.produced;
    frame_open_ = !step.frame_ended;
    if (step.consumed == 0 && step.produced == 0 && frame_open_) {
      if (left_ < 0) {
        if (total > 0) return total;
        throw CutShort(
            "compressed data that the end of the file cuts off; fetch the file again, or read what is whole "
            "(--partial, data.partial)",
            window.name(), window.offset());
      }
      throw FormatError("compressed data that ends within a frame; fetch the file again", window.name(),
                        window.offset());
    }
  }
  return total;
}

void CompressedBlock::skip(ByteWindow& window) {
  while (const std::size_t here = available(window)) consume(window, here);
  frame_open_ = false;
}

}  // namespace spikeloom::formats
