#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "spikeloom/base/errors.h"
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
      feed(piece, events);
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
      decoder_ = std::make_unique<PackedDecoder>(name_);
    } else {
      decoder_ = std::make_unique<TextDecoder>(name_, options_.columns);
    }
    const std::vector<std::uint8_t> head = std::move(head_);
    head_.clear();
    feed({head.data(), head.size()}, events);
  }

  void feed(Span<const std::uint8_t> piece, std::vector<events::Event>& events) {
    const bool knew = decoder_->sensor().has_value();
    decoder_->feed(piece, events);
    const auto sensor = decoder_->sensor();
    if (!knew && sensor && sensor->width > 0 && sensor->height > 0) check_(sensor->width, sensor->height);
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
