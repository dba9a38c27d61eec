#include "spikeloom/formats/events/aedat/aedat4.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/compressed_block.h"
#include "spikeloom/formats/events/aedat/aedat4_streams.h"
#include "spikeloom/formats/events/aedat/flat_buffer.h"
#include "spikeloom/formats/events/records/careful_reader.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr char kAedat4Name[] = "AEDAT4";
constexpr char kMark[] = "#!AER-DAT4.0\r\n";
constexpr std::size_t kMarkBytes = sizeof(kMark) - 1;
constexpr std::size_t kAedat4EventBytes = 16, kPacketHeaderBytes = 8;
constexpr std::size_t kPieceBytes = std::size_t{1} << 16;
constexpr std::int64_t kMaxHeaderBytes = std::int64_t{1} << 24;

struct Header {
  BlockCompression compression = BlockCompression::kNone;
  std::int64_t table_place = -1;
  std::string streams_xml;
};

class Aedat4Reader : public CarefulReader {
 public:
  Aedat4Reader(ByteWindow window, const Header& header, const EventReaderOptions& options)
      : CarefulReader(options),
        window_(std::move(window)),
        block_(header.compression),
        table_place_(header.table_place),
        piece_(kPieceBytes) {
    const std::vector<Aedat4Stream> cameras = event_streams(parse_aedat4_streams(header.streams_xml));
    for (const Aedat4Stream& camera : cameras) cameras_.push_back(camera.source);
    if (cameras.empty() && !options.camera.empty() && options.camera != "0") {
      throw ConfigError(
          fmt::format("{}: camera '{}': the header lists no cameras, so only the first one (0) can "
                      "be read",
                      window_.name(), options.camera));
    }
    if (cameras.empty()) return;
    const Aedat4Stream& camera = cameras[choose_camera(cameras, options.camera, window_.name())];
    stream_ = camera.number;
    if (options.width == 0 && options.height == 0) {
      width_ = camera.width;
      height_ = camera.height;
    }
  }

  const char* format() const override { return kAedat4Name; }
  std::vector<std::string> cameras() const override { return cameras_; }

 private:
  [[noreturn]] void refuse_cut(const std::string& what) const {
    throw CutShort(what + "; fetch the file again, or read what is whole (--partial, data.partial)",
                   window_.name(), packet_offset_);
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError(what + "; fetch the file again", window_.name(), packet_offset_);
  }

  /// Makes at least `size` bytes of the packet's contents lie at piece_[begin_], if it has as many.
  bool ensure(std::size_t size) {
    if (end_ - begin_ >= size) return true;
    std::memmove(piece_.data(), piece_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    while (end_ < size && fill()) continue;
    return end_ >= size;
  }

  /// Reads contents after those at hand; false if there are no more. Where the file is cut off it gives what
  /// there is before it throws.
  bool fill() {
    const std::size_t count = block_.read(window_, piece_.data() + end_, piece_.size() - end_);
    end_ += count;
    return count > 0;
  }

  /// Goes to the events of the next packet that has some; false at the end of the file.
  bool next_packet() {
    for (;;) {
      packet_offset_ = window_.offset();
      packet_gave_events_ = false;
      if (table_place_ > 0 && packet_offset_ == table_place_) {
        check_table();
        return false;
      }
      if (table_place_ > 0 && packet_offset_ > table_place_) refuse("the data table begins within a packet");
      if (!window_.ensure(kPacketHeaderBytes)) {
        if (table_place_ > 0) {
          refuse_cut(
              fmt::format("the file ends before the data table at byte {}: it is cut short", table_place_));
        }
        if (window_.size() == 0) return false;
        refuse_cut("the file ends within the header of a packet");
      }
      const auto stream = static_cast<std::int32_t>(load_little_endian_u32(window_.data()));
      const auto size = static_cast<std::int32_t>(load_little_endian_u32(window_.data() + 4));
      if (stream < 0) refuse(fmt::format("a packet of stream {}", stream));
      if (size < 0) refuse(fmt::format("a packet of {} bytes", size));
      if (table_place_ > 0 && size > table_place_ - packet_offset_ - std::int64_t{kPacketHeaderBytes}) {
        refuse(fmt::format("a packet of {} bytes that reaches into the data table", size));
      }
      window_.consume(kPacketHeaderBytes);
      block_.begin(size);
      if (stream_ >= 0 && stream != stream_) {
        block_.skip(window_);
        continue;
      }
      if (open_packet(stream)) return true;
    }
  }

  /// Finds the events of the packet; false, and past it, if it has none.
  bool open_packet(std::int32_t stream) {
    begin_ = end_ = 0;
    fill();
    constexpr std::size_t kPrefixBytes = 4, kSmallest = 12;
    if (!ensure(kSmallest)) refuse("a packet too short for a FlatBuffer");
    if (std::memcmp(piece_.data() + 8, "EVTS", 4) != 0) {
      if (stream_ >= 0) refuse("a packet of the stream of events that is marked as something else");
      block_.skip(window_);
      return false;
    }
    stream_ = stream;  // a header that lists no streams: the first with events is it
    const std::int64_t packet_bytes = load_little_endian_u32(piece_.data());
    const FlatTable table({piece_.data() + kPrefixBytes, end_ - kPrefixBytes});
    bool damaged = !table.valid();
    const auto elements = table.reference(0, &damaged);
    if (damaged || (elements && *elements + 4 > static_cast<std::int64_t>(end_ - kPrefixBytes))) {
      fill();  // throws where the file ends here
      refuse("a damaged packet of events");
    }
    std::int64_t skipped = packet_bytes;
    left_ = 0;
    if (elements) {
      left_ = *table.number(*elements);
      skipped = *elements + 4;
      if (skipped + left_ * std::int64_t{kAedat4EventBytes} > packet_bytes) {
        refuse(fmt::format("a packet of {} that claims to hold {}", counted(packet_bytes, "byte"),
                           counted(left_, "event")));
      }
    }
    after_ = packet_bytes - skipped - left_ * std::int64_t{kAedat4EventBytes};
    begin_ = kPrefixBytes;
    drop(skipped);
    if (left_ == 0) finish_packet();
    return left_ > 0;
  }

  /// Drops contents of the packet.
  void drop(std::int64_t bytes) {
    while (bytes > 0) {
      if (!ensure(1)) refuse(fmt::format("a packet that lacks its last {}", counted(bytes, "byte")));
      const std::size_t step =
          static_cast<std::size_t>(std::min<std::int64_t>(bytes, static_cast<std::int64_t>(end_ - begin_)));
      begin_ += step;
      bytes -= static_cast<std::int64_t>(step);
    }
  }

  void finish_packet() {
    drop(after_);
    if (ensure(1)) refuse("a packet that holds more than it says");
  }

  void check_table() {
    block_.begin(-1);
    begin_ = end_ = 0;
    if (!ensure(1)) refuse_cut("the data table is missing: the file is cut short");
    do {
      begin_ = end_;
    } while (ensure(1));
  }

  void decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    while (*count < capacity && !ended_) {
      if (left_ == 0) {
        ended_ = !next_packet();
        continue;
      }
      if (!ensure(kAedat4EventBytes)) refuse(fmt::format("a packet that lacks {}", counted(left_, "event")));
      const auto here = static_cast<std::size_t>(std::min<std::int64_t>(
          left_,
          static_cast<std::int64_t>(std::min((end_ - begin_) / kAedat4EventBytes, capacity - *count))));
      for (std::size_t i = 0; i < here; ++i) {
        const std::uint8_t* bytes = piece_.data() + begin_;
        const auto x = static_cast<std::int16_t>(load_little_endian_u16(bytes + 8));
        const auto y = static_cast<std::int16_t>(load_little_endian_u16(bytes + 10));
        if (keep_pixel(x, y, window_.name(), packet_offset_)) {
          events[(*count)++] = {static_cast<std::int64_t>(load_little_endian_u64(bytes)),
                                static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                                static_cast<std::uint8_t>(bytes[12] != 0 ? 1 : 0)};
        }
        begin_ += kAedat4EventBytes;
        --left_;
        packet_gave_events_ = true;
      }
      if (left_ == 0) finish_packet();
    }
  }

  /// Of a packet that gave events, the contents after the last of them; else the bytes of the file from where
  /// it begins.
  std::int64_t unread_after_cut() const override {
    if (packet_gave_events_) return static_cast<std::int64_t>(end_ - begin_);
    return window_.offset() + static_cast<std::int64_t>(window_.size()) - packet_offset_;
  }

  ByteWindow window_;
  std::vector<std::string> cameras_;
  CompressedBlock block_;
  std::int64_t table_place_;
  std::vector<std::uint8_t> piece_;  // contents of the packet that are still to be looked at: [begin_, end_)
  std::size_t begin_ = 0, end_ = 0;
  std::int64_t left_ = 0, after_ = 0;  // events of the packet still to be read, and bytes after them
  bool packet_gave_events_ = false;
  bool ended_ = false;
  std::int64_t stream_ = -1;
  std::int64_t packet_offset_ = 0;
};

[[noreturn]] void refuse_header(const ByteWindow& window, const std::string& what) {
  throw FormatError(what + "; fetch the file again", window.name(), window.offset());
}

std::vector<std::uint8_t> header_bytes(ByteWindow& window) {
  if (!window.ensure(kMarkBytes + 4) || std::memcmp(window.data(), kMark, kMarkBytes) != 0) {
    refuse_header(window, "the header of an AEDAT4 file is cut short or damaged");
  }
  const std::int64_t size = load_little_endian_u32(window.data() + kMarkBytes);
  window.consume(kMarkBytes);
  if (size > kMaxHeaderBytes) {
    refuse_header(window, fmt::format("a header of {} bytes; up to {} are read", size, kMaxHeaderBytes));
  }
  window.consume(4);
  std::vector<std::uint8_t> bytes;
  while (static_cast<std::int64_t>(bytes.size()) < size) {
    if (!window.ensure(1))
      refuse_header(window, fmt::format("the file ends within its header of {} bytes", size));
    const auto wanted = static_cast<std::size_t>(size) - bytes.size();
    const std::size_t step = std::min(wanted, window.size());
    bytes.insert(bytes.end(), window.data(), window.data() + step);
    window.consume(step);
  }
  return bytes;
}

Header read_header(ByteWindow& window) {
  const std::vector<std::uint8_t> bytes = header_bytes(window);
  const FlatTable table{Span<const std::uint8_t>(bytes)};
  bool damaged = !table.valid();
  const auto compression_place = table.field(0, 4, &damaged);
  const auto table_place = table.field(1, 8, &damaged);
  const auto text_place = table.reference(2, &damaged);
  Header header;
  if (table_place)
    header.table_place = static_cast<std::int64_t>(load_little_endian_u64(bytes.data() + *table_place));
  if (text_place) {
    const auto length = table.number(*text_place);
    damaged = damaged || !length || *text_place + 4 + *length > static_cast<std::int64_t>(bytes.size());
    if (!damaged) {
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(*text_place + 4);
      header.streams_xml.assign(begin, begin + static_cast<std::ptrdiff_t>(*length));
    }
  }
  if (damaged) refuse_header(window, "a damaged header");
  const std::uint32_t compression = compression_place ? *table.number(*compression_place) : 0;
  if (compression > 4) refuse_header(window, fmt::format("compression {} is not known", compression));
  if (compression == 1 || compression == 2) header.compression = BlockCompression::kLz4;
  if (compression >= 3) header.compression = BlockCompression::kZstd;
  if (header.table_place < -1) {
    refuse_header(window, fmt::format("a data table at byte {}", header.table_place));
  }
  return header;
}

std::unique_ptr<EventReader> open_aedat4(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                         const EventReaderOptions& options) {
  ByteWindow window(std::move(source));
  const Header header = read_header(window);
  return std::make_unique<Aedat4Reader>(std::move(window), header, options);
}

bool recognizes_aedat4(const RecordingStart& start) {
  return start.bytes.size() >= kMarkBytes && std::memcmp(start.bytes.data(), kMark, kMarkBytes) == 0;
}

}  // namespace

EventFormat aedat4_format() { return {"aedat4", kAedat4Name, recognizes_aedat4, open_aedat4}; }

}  // namespace spikeloom::formats
