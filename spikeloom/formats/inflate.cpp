#include "spikeloom/formats/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;
constexpr std::size_t kFirstPiece = 1 << 16;

}  // namespace

struct GzipReader::State {
  z_stream stream{};
  std::size_t consumed = 0;
  bool ended = false;
};

bool is_gzip(Span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

GzipReader::GzipReader(Span<const std::uint8_t> compressed, std::string file)
    : state_(new State), compressed_(compressed), file_(std::move(file)) {
  if (inflateInit2(&state_->stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
}

GzipReader::~GzipReader() { inflateEnd(&state_->stream); }

void GzipReader::fail(const std::string& reason) const {
  throw FormatError(reason, file_, static_cast<std::int64_t>(state_->consumed));
}

void GzipReader::append(std::size_t max_size, std::vector<std::uint8_t>& output) {
  z_stream& stream = state_->stream;
  std::size_t piece = kFirstPiece;
  while (max_size > 0 && !state_->ended) {
    const std::size_t wanted = std::min(piece, max_size);
    const std::size_t before = output.size();
    output.resize(before + wanted);
    const std::size_t available = std::min<std::size_t>(compressed_.size() - state_->consumed, 1u << 30);
    // zlib does not write through next_in; its type is not const unless ZLIB_CONST is defined.
    stream.next_in = const_cast<Bytef*>(compressed_.data() + state_->consumed);
    stream.avail_in = static_cast<uInt>(available);
    stream.next_out = output.data() + before;
    stream.avail_out = static_cast<uInt>(wanted);
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    const std::size_t produced = wanted - stream.avail_out;
    const std::size_t used = available - stream.avail_in;
    state_->consumed += used;
    output.resize(before + produced);
    max_size -= produced;
    if (result == Z_STREAM_END) {
      if (state_->consumed == compressed_.size()) {
        state_->ended = true;
      } else if (inflateReset(&stream) != Z_OK) {  // a gzip file may hold several members
        fail("cannot continue with the next gzip member");
      }
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail(fmt::format("damaged gzip data ({}); fetch the file again",
                       stream.msg != nullptr ? stream.msg : "unknown error"));
    } else if (produced == 0 && used == 0) {
      fail("gzip data cut short; fetch the file again");
    }
    piece = std::min<std::size_t>(std::max(piece, output.size()), 1u << 30);
  }
}

}  // namespace spikeloom::formats
