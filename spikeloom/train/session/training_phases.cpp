// The part of a training session that changes T on the way (schedule.num_steps): network, data and optimiser
// are taken over as by a run that is resumed.
#include "spikeloom/train/network/crossovers.h"
#include "spikeloom/train/recipe/schedule.h"
#include "spikeloom/train/session/training_session.h"
#include "spikeloom/train/steps/optimizer.h"

namespace spikeloom::train {

void TrainingSession::enter_phase(int num_steps) {
  network_->set_num_steps(num_steps);
  // Still images are shown at every step; recordings are binned for their number of steps.
  if (num_steps == recipe_.network.num_steps || splits_.train->shape().is_static) {
    train_ = splits_.train;
    validation_ = splits_.validation;
  } else {
    const data::DataSplits splits = data::open_dataset(recipe_.data, num_steps, request_.data_dir);
    train_ = splits.train;
    validation_ = splits.validation;
  }
  prepared_ = false;
}

void TrainingSession::change_phase(int num_steps) {
  if (num_steps != network_->settings().num_steps) {
    resumed_optimizer_ = optimizer_state(runner_->optimizer(), network_->engine());
    runner_.reset();
    enter_phase(num_steps);
    make_runner();
    take_crossovers(false);
  }
  if (prepared_) return;
  prepare(train_, "train");
  prepare(validation_, "validation");
  prepared_ = true;
}

void TrainingSession::take_crossovers(bool may_measure) {
  if (uses_device_backend() || recipe_.network.compute.crossover != model::Crossover::kMeasured) return;
  const std::string file = folder_->file(kCrossoverFile);
  if ((request_.resume || !may_measure) && read_crossovers(file, *network_)) return;
  if (may_measure) measure_crossovers(file, *network_, recipe_.training.batch_size);
}

double TrainingSession::work_left() const {
  const std::int64_t left = total_iterations() - state_.iteration;
  std::int64_t in_epoch = batches_per_epoch_ - state_.batch, counted = 0;
  double work = 0.0;
  for (int epoch = state_.epoch; counted < left; ++epoch, in_epoch = batches_per_epoch_) {
    const std::int64_t batches = std::min(in_epoch, left - counted);
    work += static_cast<double>(batches) * num_steps_at(recipe_, epoch) / steps_now();
    counted += batches;
  }
  return work;
}

}  // namespace spikeloom::train
