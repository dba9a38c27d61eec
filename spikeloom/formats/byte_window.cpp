#include "spikeloom/formats/byte_window.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace spikeloom::formats {

ByteWindow::ByteWindow(std::unique_ptr<ByteSource> source, std::size_t capacity)
    : source_(std::move(source)), capacity_(capacity), offset_(source_->position()) {
  const std::int64_t left = source_->size() < 0 ? -1 : source_->size() - source_->position();
  // A byte more than the source says it has, so that its end is met without another buffer.
  if (left >= 0 && left < static_cast<std::int64_t>(capacity_)) capacity = static_cast<std::size_t>(left) + 1;
  buffer_.resize(capacity);
}

bool ByteWindow::ensure(std::size_t wanted) {
  if (size() >= wanted) return true;
  if (ended_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, size());
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ < wanted) {
    // The source may hold more than it said (a file that grows).
    if (end_ == buffer_.size()) buffer_.resize(capacity_);
    const std::size_t room = buffer_.size() - end_;
    const std::size_t count = source_->read(buffer_.data() + end_, room);
    end_ += count;
    if (count < room) {
      ended_ = true;
      break;
    }
  }
  return size() >= wanted;
}

}  // namespace spikeloom::formats
