#include "spikeloom/formats/events/write_events.h"

#include <algorithm>

namespace spikeloom::formats {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 14;       // events encoded at a time
constexpr std::size_t kFlushBytes = std::size_t{1} << 18;  // bytes written at a time

}  // namespace

EventFileWriter::EventFileWriter(const std::string& path, const std::string& format, int width, int height)
    : encoder_(make_event_encoder(format, width, height)), file_(path), bytes_(encoder_->header(0)) {}

void EventFileWriter::write(const events::Event* events, std::size_t count) {
  for (std::size_t done = 0; done < count;) {
    const std::size_t piece = std::min(kPiece, count - done);
    encoder_->encode(events + done, piece, bytes_);
    done += piece;
    num_events_ += static_cast<std::int64_t>(piece);
    if (bytes_.size() >= kFlushBytes) flush();
  }
}

void EventFileWriter::commit() {
  flush();
  const std::vector<std::uint8_t> header = encoder_->header(num_events_);
  if (header != encoder_->header(0)) file_.write_at(0, header.data(), header.size());
  file_.commit();
}

void EventFileWriter::flush() {
  file_.write(bytes_.data(), bytes_.size());
  bytes_.clear();
}

void write_events(const std::string& path, const std::string& format, const events::EventStream& stream) {
  EventFileWriter writer(path, format, stream.width, stream.height);
  writer.write(stream.events.data(), stream.events.size());
  writer.commit();
}

std::string event_format_of_suffix(const std::string& path) {
  struct Suffix {
    const char* suffix;
    const char* format;
  };
  constexpr Suffix kSuffixes[] = {{".raw", "evt3"},     {".dat", "dat"}, {".aedat", "aedat2"},
                                  {".bin", "atis-bin"}, {".npy", "npy"}, {".csv", "csv"}};
  for (const Suffix& entry : kSuffixes) {
    const std::string suffix = entry.suffix;
    if (path.size() > suffix.size() &&
        path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0) {
      return entry.format;
    }
  }
  return "";
}

}  // namespace spikeloom::formats
