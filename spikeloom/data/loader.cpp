#include "spikeloom/data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/base/threads.h"

namespace spikeloom::data {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::int64_t kLargestChunk = 16;
constexpr int kMostWorkers = 1024;
constexpr int kMostPrefetch = 4096;

struct AlignedDelete {
  void operator()(float* data) const { ::operator delete (data, std::align_val_t{kAlignment}); }
};
using AlignedFloats = std::unique_ptr<float, AlignedDelete>;

/// Not cleared: every float of a batch is written before it is handed out.
AlignedFloats allocate_floats(std::int64_t count) {
  const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
  return AlignedFloats(static_cast<float*>(::operator new (bytes, std::align_val_t{kAlignment})));
}

void check(const Dataset* dataset, const LoaderSettings& settings) {
  const auto refuse = [](const std::string& message) { throw ConfigError("loader: " + message); };
  if (dataset == nullptr) refuse("there is no data set to load from");
  if (settings.batch_size < 1)
    refuse(fmt::format("batch_size must be at least 1, not {}", settings.batch_size));
  if (settings.epoch < 0) refuse(fmt::format("epoch must not be negative, it is {}", settings.epoch));
  if (settings.workers < 0 || settings.workers > kMostWorkers) {
    refuse(fmt::format("workers must be between 0 and {}, not {}", kMostWorkers, settings.workers));
  }
  if (settings.prefetch < 1 || settings.prefetch > kMostPrefetch) {
    refuse(fmt::format("prefetch must be between 1 and {}, not {}", kMostPrefetch, settings.prefetch));
  }
  if (settings.parts < 1 || settings.part < 0 || settings.part >= settings.parts) {
    refuse(fmt::format("there is no part {} of {} parts", settings.part, settings.parts));
  }
  // No set comes near; it keeps the products below from overflowing.
  if (settings.batch_size > (std::int64_t{1} << 31) ||
      dataset->shape().sample_size() > (std::int64_t{1} << 60) / settings.batch_size) {
    refuse(fmt::format("a batch of {} samples of {} floats is too large", settings.batch_size,
                       dataset->shape().sample_size()));
  }
}

}  // namespace

// Workers take chunks of samples in order, from the oldest batch that is not given out completely; a batch
// may be begun only when its slot of the ring is free. What they write depends on the sample alone, so how
// the chunks fall to the workers does not matter.
class Loader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, const LoaderSettings& settings);
  ~Impl();
  void start();
  std::int64_t num_batches() const { return num_batches_; }
  const Batch* next();

 private:
  struct Slot {
    AlignedFloats inputs;
    std::vector<std::int64_t> labels;
    std::int64_t unfinished = 0;  ///< samples not yet written
    std::int64_t failed_sample = std::numeric_limits<std::int64_t>::max();
    std::exception_ptr failure;  ///< of failed_sample, the first in order
  };
  struct Chunk {
    std::int64_t batch = 0, first = 0, count = 0;
  };
  struct Failure {
    std::int64_t sample = 0;
    std::exception_ptr exception;
  };

  Slot& slot_of(std::int64_t batch) { return slots_[static_cast<std::size_t>(batch) % slots_.size()]; }
  BatchPart share_of(std::int64_t batch) const {
    return part_of(std::min(settings_.batch_size, size_ - batch * settings_.batch_size), settings_.part,
                   settings_.parts);
  }
  std::int64_t batch_samples(std::int64_t batch) const { return share_of(batch).count; }
  bool can_take() const {
    return batch_to_give_ < num_batches_ &&
           batch_to_give_ < held_batch_ + static_cast<std::int64_t>(slots_.size());
  }
  Chunk take_chunk();
  Failure fill(const Chunk& chunk, Slot& slot, std::vector<float>& scratch) const;
  static void finish(const Chunk& chunk, Slot& slot, Failure failure);
  void work();

  const std::shared_ptr<const Dataset> dataset_;
  const LoaderSettings settings_;
  const SampleShape shape_;
  const std::int64_t size_;
  std::int64_t num_batches_ = 0;
  std::int64_t chunk_size_ = 1;
  std::vector<std::int64_t> order_;  ///< empty: 0, 1, 2, ...

  std::mutex mutex_;
  std::condition_variable work_available_;
  std::condition_variable batch_ready_;
  bool stopping_ = false;
  std::int64_t batch_to_give_ = 0;   ///< the batch that the next chunk comes from,
  std::int64_t sample_to_give_ = 0;  ///< and its first sample in that batch
  std::int64_t held_batch_ = 0;      ///< oldest batch whose slot is in use
  std::vector<Slot> slots_;

  std::int64_t next_batch_ = 0;  ///< what next() returns next; the caller's thread only
  std::exception_ptr failure_;
  Batch batch_;
  std::vector<float> scratch_;
  std::vector<std::thread> workers_;
};

std::vector<std::int64_t> epoch_order(std::int64_t size, const LoaderSettings& settings) {
  if (settings.shuffle) {
    return random_permutation(size, settings.seed, RandomPurpose::kShuffle,
                              static_cast<std::uint64_t>(settings.epoch));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

Loader::Impl::Impl(std::shared_ptr<const Dataset> dataset, const LoaderSettings& settings)
    : dataset_((check(dataset.get(), settings), std::move(dataset))),
      settings_(settings),
      shape_(dataset_->shape()),
      size_(dataset_->size()) {
  num_batches_ = settings.drop_last ? size_ / settings.batch_size
                                    : (size_ + settings.batch_size - 1) / settings.batch_size;
  if (settings.first_batch < 0 || settings.first_batch > num_batches_) {
    throw ConfigError(
        fmt::format("loader: first_batch must be between 0 and the {} batches of the epoch, not {}",
                    num_batches_, settings.first_batch));
  }
  if (settings.shuffle) order_ = epoch_order(size_, settings);
  next_batch_ = batch_to_give_ = held_batch_ = settings.first_batch;
  chunk_size_ = settings.workers == 0
                    ? settings.batch_size
                    : std::clamp<std::int64_t>(settings.batch_size / settings.parts / (4 * settings.workers),
                                               1, kLargestChunk);

  const std::int64_t ahead = settings.workers == 0 ? 0 : settings.prefetch;
  const std::int64_t slots = std::min(ahead + 1, num_batches_ - settings.first_batch);
  const std::int64_t whole = std::min(settings.batch_size, size_);
  const std::int64_t samples = (whole + settings.parts - 1) / settings.parts;  // of the largest part
  slots_.resize(static_cast<std::size_t>(slots));
  for (Slot& slot : slots_) {
    slot.inputs = allocate_floats(samples * shape_.sample_size());
    slot.labels.resize(static_cast<std::size_t>(samples));
  }
}

void Loader::Impl::start() {
  if (slots_.empty()) return;
  for (int i = 0; i < settings_.workers; ++i) workers_.emplace_back([this] { work(); });
}

Loader::Impl::~Impl() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  work_available_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

/// The next chunk in order; begins its batch's slot. Under the lock, if can_take().
Loader::Impl::Chunk Loader::Impl::take_chunk() {
  const std::int64_t samples = batch_samples(batch_to_give_);
  if (sample_to_give_ == 0) {
    Slot& slot = slot_of(batch_to_give_);
    slot.unfinished = samples;
    slot.failed_sample = std::numeric_limits<std::int64_t>::max();
    slot.failure = nullptr;
  }
  const Chunk chunk{batch_to_give_, sample_to_give_, std::min(chunk_size_, samples - sample_to_give_)};
  sample_to_give_ += chunk.count;
  if (sample_to_give_ == samples) {
    ++batch_to_give_;
    sample_to_give_ = 0;
  }
  return chunk;
}

/// Writes the chunk's samples into the batch; stops at the first that fails.
Loader::Impl::Failure Loader::Impl::fill(const Chunk& chunk, Slot& slot, std::vector<float>& scratch) const {
  const AugmentKey key{settings_.seed, settings_.epoch};
  const BatchPart share = share_of(chunk.batch);
  const std::int64_t samples = share.count, step = shape_.step_size();
  for (std::int64_t i = chunk.first; i < chunk.first + chunk.count; ++i) {
    try {
      const std::int64_t position = chunk.batch * settings_.batch_size + share.first + i;
      const std::int64_t index = order_.empty() ? position : order_[static_cast<std::size_t>(position)];
      slot.labels[static_cast<std::size_t>(i)] = dataset_->label(index);
      float* first_step = slot.inputs.get() + i * step;
      if (shape_.num_steps == 1) {
        dataset_->read(index, settings_.augment ? &key : nullptr, first_step);
        continue;
      }
      // A sample's steps lie apart in the batch, whose outermost index is time.
      scratch.resize(static_cast<std::size_t>(shape_.sample_size()));
      dataset_->read(index, settings_.augment ? &key : nullptr, scratch.data());
      for (std::int64_t t = 0; t < shape_.num_steps; ++t) {
        std::memcpy(first_step + t * samples * step, scratch.data() + t * step,
                    static_cast<std::size_t>(step) * sizeof(float));
      }
    } catch (...) {
      return {i, std::current_exception()};
    }
  }
  return {};
}

void Loader::Impl::finish(const Chunk& chunk, Slot& slot, Failure failure) {
  slot.unfinished -= chunk.count;
  if (failure.exception != nullptr && failure.sample < slot.failed_sample) {
    slot.failed_sample = failure.sample;
    slot.failure = std::move(failure.exception);
  }
}

void Loader::Impl::work() {
  flush_denormals();
  std::vector<float> scratch;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    work_available_.wait(lock, [this] { return stopping_ || can_take(); });
    if (stopping_) return;
    const Chunk chunk = take_chunk();
    lock.unlock();
    Slot& slot = slot_of(chunk.batch);
    Failure failure = fill(chunk, slot, scratch);
    lock.lock();
    finish(chunk, slot, std::move(failure));
    if (slot.unfinished == 0) batch_ready_.notify_one();
  }
}

const Batch* Loader::Impl::next() {
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  if (next_batch_ == num_batches_) return nullptr;
  std::unique_lock<std::mutex> lock(mutex_);
  Slot& slot = slot_of(next_batch_);
  // What the caller held until now is free; the ring moves on by one.
  held_batch_ = next_batch_;
  if (settings_.workers == 0) {
    lock.unlock();
    const Chunk chunk = take_chunk();
    finish(chunk, slot, fill(chunk, slot, scratch_));
  } else {
    work_available_.notify_all();
    // Begun and complete: a slot is also without unfinished samples before its batch is begun.
    batch_ready_.wait(lock, [&] { return batch_to_give_ > next_batch_ && slot.unfinished == 0; });
    lock.unlock();
  }
  if (slot.failure != nullptr) {
    failure_ = slot.failure;
    std::rethrow_exception(failure_);
  }
  const BatchPart share = share_of(next_batch_);
  batch_ = {slot.inputs.get(), slot.labels.data(), share.count, next_batch_,
            share.first,       share.whole,        share.spare};
  ++next_batch_;
  return &batch_;
}

BatchPart part_of(std::int64_t whole, int part, int parts) {
  BatchPart share;
  share.whole = whole;
  share.first = whole * part / parts;
  share.count = whole * (part + 1) / parts - share.first;
  share.spare = share.count == 0;
  if (share.spare) share.count = 1;
  return share;
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderSettings settings)
    : impl_(std::make_unique<Impl>(std::move(dataset), settings)) {
  impl_->start();
}

Loader::~Loader() = default;

std::int64_t Loader::num_batches() const { return impl_->num_batches(); }

const Batch* Loader::next() { return impl_->next(); }

}  // namespace spikeloom::data
