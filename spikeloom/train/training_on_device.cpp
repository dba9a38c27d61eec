// The part of a training session that asks a device for its steps: nobody waits for a step, sums are read now
// and then.
#include <ATen/core/Tensor.h>

#include <chrono>
#include <limits>

#include "spikeloom/train/schedule.h"
#include "spikeloom/train/training_session.h"

namespace spikeloom::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

void TrainingSession::move_to_device() {
  ops::prepare_arithmetic(device_, recipe_.network.compute.precision == model::Precision::kBf16);
  if (!device_.is_cpu()) network_->to(device_);
  ops::reset_peak_memory(device_);  // behind the first use of the device: LibTorch knows none before
  if (recipe_.network.kind == model::NetworkKind::kAnn) {  // LibTorch's autograd and optimisers
    optimizer_ = std::make_unique<Optimizer>(network_->parameters(), recipe_.optimizer);
    optimizer_->load_state(resumed_optimizer_);
    return;
  }
  const std::int64_t batch = std::min(recipe_.training.batch_size, splits_.train->size());
  device_trainer_ = std::make_unique<DeviceTrainer>(*network_, recipe_.optimizer, recipe_.loss, recipe_.seed,
                                                    splits_.train->shape().num_steps, batch);
  device_trainer_->load_optimizer_state(resumed_optimizer_);
  if (const auto* images = splits_.train->raw_images()) {
    device_images_ = std::make_shared<const DeviceImages>(*images, device_);
  }
}

OptimizerState TrainingSession::optimizer_state() const {
  return device_trainer_ ? device_trainer_->optimizer_state() : optimizer_->state();
}

void TrainingSession::collect_from_device(std::int64_t samples, double seconds) {
  const auto sums = device_trainer_->collect(samples);
  state_.train_seconds += seconds;
  session_seconds_ += seconds;
  session_samples_ += samples;
  state_.epoch_rates.add(sums.activity);
  state_.log_rates.add(sums.activity);
  const double mean = samples > 0 ? sums.loss / static_cast<double>(samples) : 0.0;
  state_.epoch_metrics.add(mean, sums.correct, samples);
  state_.log_metrics.add(mean, sums.correct, samples);
  if (!sums.finite) check_finite(std::numeric_limits<double>::quiet_NaN());
}

bool TrainingSession::train_epoch_on_device() {
  if (stopped()) return false;
  if (reached_limit()) return true;
  constexpr double kShowSeconds = 0.5;  // that long nothing is read, unless it is asked for
  data::LoaderSettings loading;
  loading.batch_size = recipe_.training.batch_size;
  loading.shuffle = true;
  loading.augment = true;
  loading.seed = recipe_.seed;
  loading.epoch = state_.epoch;
  loading.workers = recipe_.training.workers;
  loading.first_batch = state_.batch;
  const ops::StreamScope stream(device_, ops::StreamScope::Order::kAlone);
  DeviceFeed feed(splits_.train, loading, device_images_, device_);
  std::int64_t uncollected = 0;
  double waited = 0.0;
  auto start = Clock::now();
  const auto collect = [&] {
    if (uncollected == 0) return;
    const double loss_before = state_.epoch_metrics.loss_sum;
    const std::int64_t samples = uncollected;
    // The device is waited for first: its time is part of the steps'.
    ops::synchronize(device_);
    collect_from_device(samples, seconds_since(start));
    loader_wait_seconds_ += feed.wait_seconds() - waited;
    waited = feed.wait_seconds();
    uncollected = 0;
    log_if_due();
    observer_.progressed(
        progress_now((state_.epoch_metrics.loss_sum - loss_before) / static_cast<double>(samples)));
    start = Clock::now();
  };
  while (const std::int64_t samples = feed.next(*device_trainer_)) {
    device_trainer_->step(samples, state_.iteration,
                          learning_rate_at(recipe_.optimizer, recipe_.schedule, recipe_.training.epochs,
                                           batches_per_epoch_, state_.iteration));
    ++state_.batch;
    ++state_.iteration;
    uncollected += samples;
    const bool log = state_.iteration % recipe_.training.log_every == 0;
    if (log || reached_limit() || stopped() || checkpoint_due() || seconds_since(start) > kShowSeconds) {
      collect();
    }
    if (reached_limit()) return true;
    if (stopped()) return false;
    if (checkpoint_due()) {
      save_checkpoint();
      start = Clock::now();  // no part of the training's time
    }
  }
  collect();
  return true;
}

}  // namespace spikeloom::train
