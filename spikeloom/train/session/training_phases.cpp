// The part of a training session that changes T on the way (schedule.num_steps): network, data and optimiser
// are taken over as by a run that is resumed.
#include <filesystem>

#include "spikeloom/base/files.h"
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
  if (num_steps == network_->settings().num_steps) return;
  resumed_optimizer_ = optimizer_state(runner_->optimizer(), network_->engine());
  runner_.reset();
  enter_phase(num_steps);
  make_runner();
  take_crossovers(false);
}

void TrainingSession::prepare_phase() {
  if (prepared_) return;
  prepare(train_, "train");
  prepare(validation_, "validation");
  ranks_.meet("the training samples");
  prepared_ = true;
}

void TrainingSession::take_crossovers(bool may_measure) {
  if (uses_device_backend() || recipe_.network.compute.crossover != model::Crossover::kMeasured) return;
  const std::string file = run_path() + "/" + kCrossoverFile;
  if (ranks_.leads()) {
    const bool known = (request_.resume || !may_measure) && read_crossovers(file, *network_);
    if (!known && may_measure) measure_crossovers(file, *network_, own_batch());
  }
  if (ranks_.alone()) return;
  // One path in all processes, and one that another number of them would take as well.
  const bool there = ranks_.leads() && std::filesystem::exists(file);
  const std::string text = ranks_.share(there ? read_text_file(file) : "", "measured crossovers");
  if (!ranks_.leads() && !text.empty()) apply_crossovers(text, file, *network_);
}

double TrainingSession::work_left() const {
  const std::int64_t end = total_iterations();
  std::int64_t done = state_.iteration, phase_end = 0;
  double work = 0.0;
  for (const StepsPhase& phase : steps_phases(recipe_)) {
    phase_end += batches_per_epoch_ * phase.epochs;
    const std::int64_t batches = std::max<std::int64_t>(std::min(phase_end, end) - done, 0);
    work += static_cast<double>(batches * phase.num_steps);
    done += batches;
  }
  return work / steps_now();
}

}  // namespace spikeloom::train
