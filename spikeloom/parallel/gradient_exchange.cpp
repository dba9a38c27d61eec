#include "spikeloom/parallel/gradient_exchange.h"

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::parallel {

GradientExchange::GradientExchange(Communicator& communicator, GradientFormat format,
                                   std::int64_t bucket_bytes)
    : communicator_(communicator),
      format_(format),
      bucket_count_(std::max<std::int64_t>(bucket_bytes / static_cast<std::int64_t>(sizeof(float)), 1)),
      thread_([this] { work(); }) {}

GradientExchange::~GradientExchange() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GradientExchange::ready(int, const engine::Buffer& gradient) {
  if (!begun_) {
    begun_ = true;
    if (step_sums_) {
      sums_ = step_sums_();
      Bucket bucket;
      bucket.doubles = &sums_;
      send(std::move(bucket));
    }
  }
  if (!gradient) return;  // of a slot that has none, in all processes
  if (gradient.type != engine::Type::kFloat) throw ShapeError("gradients that are exchanged must be float");
  if (gradient.count >= bucket_count_) {
    Bucket bucket;
    bucket.values = gradient.floats();
    bucket.count = gradient.count;
    bucket.parts.push_back(gradient);  // lives as long
    send(std::move(bucket));
    return;
  }
  open_.together.insert(open_.together.end(), gradient.floats(), gradient.floats() + gradient.count);
  open_.parts.push_back(gradient);
  if (static_cast<std::int64_t>(open_.together.size()) >= bucket_count_) send_together();
}

void GradientExchange::send_together() {
  if (open_.parts.empty()) return;
  open_.count = static_cast<std::int64_t>(open_.together.size());
  send(std::exchange(open_, Bucket()));
}

void GradientExchange::send(Bucket bucket) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(bucket));
  }
  changed_.notify_all();
}

void GradientExchange::wait() {
  send_together();
  begun_ = false;
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return failure_ != nullptr || (waiting_.empty() && !busy_); });
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  for (const Bucket& bucket : sent_) {
    const float* from = bucket.together.data();
    for (const engine::Buffer& part : bucket.parts) {
      if (bucket.values != nullptr) continue;  // it lies where it belongs
      std::copy_n(from, part.count, part.floats());
      from += part.count;
    }
  }
  sent_.clear();
}

void GradientExchange::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || (failure_ == nullptr && !waiting_.empty()); });
    if (stopping_) return;
    busy_ = true;
    Bucket bucket = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    std::exception_ptr failure;
    try {
      reduce(bucket);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    sent_.push_back(std::move(bucket));
    busy_ = false;
    failure_ = failure;
    changed_.notify_all();
  }
}

void GradientExchange::reduce(const Bucket& bucket) {
  if (bucket.doubles != nullptr) {
    communicator_.all_reduce(bucket.doubles->data(), static_cast<std::int64_t>(bucket.doubles->size()),
                             "sums of a training step");
    return;
  }
  float* const values = bucket.values != nullptr ? bucket.values : const_cast<float*>(bucket.together.data());
  if (format_ == GradientFormat::kBfloat16) return reduce_rounded(values, bucket.count);
  communicator_.all_reduce(values, bucket.count, "gradients");
}

void DeviceGradientExchange::ready(int, const engine::Buffer& gradient) {
  if (!gradient) return;  // of a slot that has none, in all processes
  if (gradient.type != engine::Type::kFloat) throw ShapeError("gradients that are exchanged must be float");
  device_.begin(gradient.floats(), gradient.count);
}

void DeviceGradientExchange::wait() {
  device_.finish("gradients");
  if (!step_sums_) return;
  sums_ = step_sums_();
  host_.all_reduce(sums_.data(), static_cast<std::int64_t>(sums_.size()), "sums of a training step");
}

// Gloo adds no bfloat16. Each process gets one part of every other's gradient, adds them up in the order of
// the ranks, and gives the sum to all.
void GradientExchange::reduce_rounded(float* values, std::int64_t count) {
  using kernels::BFloat16;
  const std::int64_t size = communicator_.size(), part = (count + size - 1) / size;
  const auto bytes = part * static_cast<std::int64_t>(sizeof(BFloat16));
  const auto whole = static_cast<std::size_t>(size * part);
  rounded_.assign(3 * whole, BFloat16{0});
  BFloat16 *const own = rounded_.data(), *const parts = own + whole, *const sums = parts + whole;
  for (std::int64_t i = 0; i < count; ++i) own[i] = kernels::from_float<BFloat16>(values[i]);
  communicator_.all_to_all(own, bytes, parts, "gradients");
  for (std::int64_t i = 0; i < part; ++i) {
    float sum = kernels::to_float(parts[i]);
    for (std::int64_t r = 1; r < size; ++r) sum += kernels::to_float(parts[r * part + i]);
    own[i] = kernels::from_float<BFloat16>(sum);
  }
  communicator_.all_gather(own, bytes, sums, "gradients");
  for (std::int64_t i = 0; i < count; ++i) values[i] = kernels::to_float(sums[i]);
}

}  // namespace spikeloom::parallel
