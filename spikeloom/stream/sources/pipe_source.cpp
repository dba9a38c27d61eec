#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/events/event_format.h"
#include "spikeloom/stream/sources/packed_events.h"
#include "spikeloom/stream/sources/source.h"
#include "spikeloom/stream/sources/text_events.h"

namespace spikeloom::stream {
namespace {

class PipeSource : public LiveSource {
 public:
  PipeSource(const std::string& path, const PipeOptions& options, SensorCheck check)
      : name_(path == "-" ? "standard input" : path), options_(options), check_(std::move(check)) {
    TextDecoder columns_are_right(name_, options.columns);
    // Without O_NONBLOCK opening a pipe waits for its writer, deaf to Ctrl-C.
    if (path != "-") descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor_ < 0) throw DataError(path + ": cannot be opened: " + std::strerror(errno));
  }
  ~PipeSource() override {
    if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
  }

  State read(std::vector<events::Event>& events, std::chrono::milliseconds timeout) override {
    events.clear();
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return State::kGoesOn;
    std::uint8_t bytes[kReadEvents * kPackedEventBytes];
    const ssize_t size = ::read(descriptor_, bytes, sizeof bytes);
    if (size < 0) {
      if (errno == EAGAIN || errno == EINTR) return State::kGoesOn;
      throw DataError(name_ + ": cannot be read: " + std::strerror(errno));
    }
    if (size == 0) {
      if (!decoder_ && !head_.empty()) choose(true, events);
      if (decoder_) decoder_->finish(events);
      return State::kEnd;
    }
    const Span<const std::uint8_t> piece{bytes, static_cast<std::size_t>(size)};
    if (decoder_) {
      decoder_->feed(piece, events);
    } else {
      head_.insert(head_.end(), piece.begin(), piece.end());
      choose(false, events);
    }
    return State::kGoesOn;
  }

  const std::string& name() const override { return name_; }

 private:
  /// By the first bytes, once they tell.
  void choose(bool is_all, std::vector<events::Event>& events) {
    constexpr std::size_t kMagicBytes = 8;
    bool is_packed = options_.format == PipeOptions::Format::kPacked;
    if (options_.format == PipeOptions::Format::kAuto) {
      const std::size_t known = std::min(head_.size(), kMagicBytes);
      is_packed = std::memcmp(head_.data(), kPackedMagic, known) == 0;
      if (is_packed && known < kMagicBytes && !is_all) return;
    }
    if (is_packed) {
      decoder_ = std::make_unique<PackedDecoder>(name_, check_);
    } else {
      if (options_.format == PipeOptions::Format::kAuto) refuse_recordings();
      decoder_ = std::make_unique<TextDecoder>(name_, options_.columns, check_);
    }
    const std::vector<std::uint8_t> head = std::move(head_);
    head_.clear();
    decoder_->feed({head.data(), head.size()}, events);
  }

  /// Bytes that are those of a file, of some format, or no text at all.
  void refuse_recordings() const {
    const Span<const std::uint8_t> head{head_.data(), head_.size()};
    const formats::EventFormat* format = formats::recognize_event_format({head, -1});
    std::string what;
    if (format != nullptr && format->key != std::string("csv")) {
      what = "looks like a recording (" + std::string(format->name) + ")";
    } else if (formats::is_archive(head.data(), head.size())) {
      what = "looks like an archive or a compressed file";
    } else if (format == nullptr && std::any_of(head.begin(), head.end(), is_no_text)) {
      what = "is not text, nor does it begin as packed events do";
    }
    if (what.empty()) return;
    throw FormatError(
        what +
            ": expected are packed events (SPKEVT1) or csv, t,x,y,p; give the recording's file name as "
            "SOURCE, or convert it (spikeloom convert FILE - --to packed)",
        name_, 0);
  }

  static bool is_no_text(std::uint8_t byte) {
    return byte == 0x7f || (byte < 0x20 && (byte < '\t' || byte > '\r'));
  }

  std::string name_;
  PipeOptions options_;
  SensorCheck check_;
  int descriptor_ = STDIN_FILENO;
  std::vector<std::uint8_t> head_;
  std::unique_ptr<EventDecoder> decoder_;
};

}  // namespace

std::unique_ptr<LiveSource> pipe_source(const std::string& path, const PipeOptions& options,
                                        const SensorCheck& check) {
  return std::make_unique<PipeSource>(path, options, check);
}

}  // namespace spikeloom::stream
