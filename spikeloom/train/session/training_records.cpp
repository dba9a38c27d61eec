// The part of a training session that writes for TensorBoard what metrics.jsonl has, and what only pictures
// show.
#include <algorithm>
#include <cmath>
#include <limits>

#include "spikeloom/pictures/confusion_picture.h"
#include "spikeloom/pictures/raster_picture.h"
#include "spikeloom/train/network/membrane_potentials.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {
namespace {

void add_rates(formats::EventFile::Scalars& values, const LayerRates& rates) {
  for (const auto& [layer, rate] : rates) values.emplace_back("firing_rate/" + layer, rate);
}

double root_mean_square(const formats::Histogram& histogram) {
  const auto count = static_cast<double>(std::max<std::int64_t>(1, histogram.total()));
  return std::sqrt(histogram.sum_of_squares / count);
}

/// Samples whose membrane potentials are looked at: enough for a distribution, too few to cost time.
std::int64_t samples_to_look_at(const Network& network) {
  constexpr std::int64_t kMostValues = std::int64_t{1} << 19, kMostSamples = 16;
  std::int64_t largest = 1;
  for (const std::int64_t count : network.neuron_steps()) largest = std::max(largest, count);
  return std::clamp(kMostValues / largest, std::int64_t{1}, kMostSamples);
}

}  // namespace

void TrainingSession::open_records() {
  // Of a finished run that is made longer the test stays, as its line in metrics.jsonl does.
  const std::int64_t kept = keep_metrics_ ? std::numeric_limits<std::int64_t>::max() : state_.event_file_size;
  // Before: no name that a reader may have open is used again.
  const std::string name = formats::new_event_file_name(folder_->path());
  formats::cut_event_files(folder_->path(), state_.event_file, kept);
  if (recipe_.logging.tensorboard) records_.emplace(folder_->path(), name, recipe_, state_.iteration);
}

void TrainingSession::record_iteration(double learning_rate, const LayerRates& rates) {
  if (!records_) return;
  formats::EventFile::Scalars values = {
      {"train/loss", state_.log_metrics.loss()},
      {"train/accuracy", state_.log_metrics.accuracy()},
      {"train/learning_rate", learning_rate},
      {"speed/samples_per_s", static_cast<double>(session_samples_) / session_seconds_},
      {"speed/loader_wait_share", loader_wait_share()}};
  add_rates(values, rates);
  records_->scalars(state_.iteration, values);
}

void TrainingSession::record_epoch(const EpochReport& report) {
  if (!records_) return;
  formats::EventFile::Scalars values = {{"epoch/number", report.epoch + 1},
                                        {"epoch/train_loss", report.train_loss},
                                        {"epoch/train_accuracy", report.train_accuracy}};
  if (report.has_validation) {
    values.emplace_back("epoch/validation_loss", report.validation_loss);
    values.emplace_back("epoch/validation_accuracy", report.validation_accuracy);
  }
  if (report.has_average) {
    values.emplace_back("epoch/average_validation_loss", report.average_validation_loss);
    values.emplace_back("epoch/average_validation_accuracy", report.average_validation_accuracy);
  }
  for (const auto& [layer, rate] : report.firing_rates) {
    values.emplace_back("epoch_firing_rate/" + layer, rate);
  }
  records_->scalars(state_.iteration, values);

  TensorBoardLog::Histograms histograms;
  formats::EventFile::Scalars of_layers;  // also of those that do not fire
  for (std::size_t slot = 0; slot < network_->program().slots.size(); ++slot) {
    const std::vector<float> weights = network_->engine().read(static_cast<int>(slot));
    const auto histogram = formats::histogram_of({weights.data(), weights.size()});
    const std::string& name = network_->program().slots[slot].name;
    of_layers.emplace_back("weights_rms/" + name, root_mean_square(histogram));
    histograms.emplace_back("weights/" + name, histogram);
  }
  data::LoaderSettings loading;
  loading.batch_size = samples_to_look_at(*network_);
  loading.workers = 0;
  const auto& looked_at = validation_ != nullptr ? validation_ : train_;
  data::Loader loader(looked_at, loading);
  if (const data::Batch* batch = loader.next()) {
    const std::int64_t steps = network_->program().num_steps;
    for (const LayerPotentials& one :
         membrane_potentials(*network_, network_->batch_of(*batch, looked_at->shape()))) {
      histograms.emplace_back((one.fires ? "membrane_potential/" : "output/") + one.layer, one.histogram);
      if (!one.fires) {
        of_layers.emplace_back("output_rms/" + one.layer, root_mean_square(one.histogram));
        continue;
      }
      records_->picture(
          state_.iteration, "raster/" + one.layer,
          pictures::raster_picture({one.spikes.data(), one.spikes.size()}, static_cast<int>(steps)));
    }
  }
  records_->scalars(state_.iteration, of_layers);
  records_->histograms(state_.iteration, histograms);
}

void TrainingSession::record_confusion(const std::string& split, const EvaluationResult& result) {
  constexpr std::size_t kMostClasses = 512;  // more cannot be told apart in a picture
  if (!records_ || result.confusion.empty() || result.confusion.size() > kMostClasses) return;
  records_->picture(state_.iteration, "confusion/" + split, pictures::confusion_picture(result.confusion));
}

void TrainingSession::record_test(const EvaluationResult& test) {
  if (!records_) return;
  formats::EventFile::Scalars values = {{"test/loss", test.loss}, {"test/accuracy", test.accuracy}};
  for (const auto& [layer, rate] : test.firing_rates) values.emplace_back("test_firing_rate/" + layer, rate);
  records_->scalars(state_.iteration, values);
  record_confusion("test", test);
}

}  // namespace spikeloom::train
