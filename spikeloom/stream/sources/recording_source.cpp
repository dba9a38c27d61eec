#include <algorithm>
#include <thread>

#include "spikeloom/stream/event_queue.h"
#include "spikeloom/stream/sources/source.h"

namespace spikeloom::stream {
namespace {

class RecordingSource : public LiveSource {
 public:
  RecordingSource(const std::string& path, const formats::EventReaderOptions& options, double speed,
                  const SensorCheck& check)
      : name_(path), reader_(formats::open_events(path, options)), speed_(speed), piece_(kReadEvents) {
    if (reader_->width() > 0 && reader_->height() > 0) check(reader_->width(), reader_->height());
  }

  State read(std::vector<events::Event>& events, std::chrono::milliseconds timeout) override {
    events.clear();
    if (at_ == end_) {
      at_ = 0;
      end_ = reader_->read(piece_.data(), piece_.size());
      if (end_ == 0) return State::kEnd;
    }
    std::size_t until = end_;
    if (speed_ > 0.0) {
      const Clock::time_point now = Clock::now();
      if (!started_) {
        started_ = true;
        begin_ = now;
        first_us_ = piece_[at_].t_us;
      }
      until = at_;
      while (until < end_ && due(piece_[until]) <= now) ++until;
      if (until == at_) {
        std::this_thread::sleep_until(std::min(due(piece_[at_]), now + timeout));
        return State::kGoesOn;
      }
    }
    const auto from = piece_.begin() + static_cast<std::ptrdiff_t>(at_);
    events.assign(from, piece_.begin() + static_cast<std::ptrdiff_t>(until));
    at_ = until;
    return State::kGoesOn;
  }

  const std::string& name() const override { return name_; }
  std::int64_t left_out() const override { return reader_->dropped_events(); }
  std::string columns_by_value() const override { return reader_->columns_by_value(); }

 private:
  /// When the event is to come. Times of a damaged file may be anything: not beyond an hour's sleep at once.
  Clock::time_point due(const events::Event& event) const {
    constexpr double kMostSeconds = 1e6;
    const double seconds = 1e-6 * (static_cast<double>(event.t_us) - static_cast<double>(first_us_)) / speed_;
    return begin_ + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(std::min(std::max(seconds, 0.0), kMostSeconds)));
  }

  std::string name_;
  std::unique_ptr<formats::EventReader> reader_;
  double speed_;
  std::vector<events::Event> piece_;
  std::size_t at_ = 0, end_ = 0;
  bool started_ = false;
  Clock::time_point begin_;
  std::int64_t first_us_ = 0;
};

}  // namespace

std::unique_ptr<LiveSource> recording_source(const std::string& path,
                                             const formats::EventReaderOptions& options, double speed,
                                             const SensorCheck& check) {
  return std::make_unique<RecordingSource>(path, options, speed, check);
}

}  // namespace spikeloom::stream
