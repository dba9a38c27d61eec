#include "spikeloom/formats/events/partial_source.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

class PartialSource : public ByteSource {
 public:
  explicit PartialSource(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  const std::string& name() const override { return source_->name(); }
  std::int64_t position() const override { return source_->position(); }
  std::int64_t size() const override { return source_->size(); }
  std::unique_ptr<ByteSource> reopen() const override {
    std::unique_ptr<ByteSource> again = source_->reopen();
    return again == nullptr ? nullptr : partial_source(std::move(again));
  }

  std::size_t read(void* destination, std::size_t size) override {
    if (ended_) return 0;
    const std::int64_t begin = source_->position();
    try {
      return source_->read(destination, size);
    } catch (const FormatError&) {
      ended_ = true;
      // What this call has read is lost, as the source cannot go back.
      std::unique_ptr<ByteSource> again = source_->reopen();
      if (again == nullptr) return 0;
      source_ = std::move(again);
      return read_up_to_the_damage(begin, static_cast<char*>(destination), size);
    }
  }

 private:
  std::size_t read_up_to_the_damage(std::int64_t begin, char* destination, std::size_t size) {
    constexpr std::size_t kPiece = 1 << 12;
    std::size_t count = 0;
    try {
      std::vector<char> skipped(kPiece);
      while (source_->position() < begin) {
        const auto left = static_cast<std::size_t>(begin - source_->position());
        if (source_->read(skipped.data(), std::min(left, kPiece)) == 0) return 0;
      }
      while (count < size && source_->read(destination + count, 1) == 1) ++count;
    } catch (const FormatError&) {  // here it is
    }
    return count;
  }

  std::unique_ptr<ByteSource> source_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> partial_source(std::unique_ptr<ByteSource> source) {
  return std::make_unique<PartialSource>(std::move(source));
}

}  // namespace spikeloom::formats
