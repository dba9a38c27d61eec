#pragma once
// Internal to train: the batches of an epoch, in the memory of whoever trains on them.
#include <memory>

#include "spikeloom/data/loader.h"
#include "spikeloom/train/steps/step_runner.h"

namespace spikeloom::train {

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// The next batch, valid until the next call, or nullptr at the end of the epoch.
  virtual const engine::Batch* next() = 0;
  /// How long next() waited for the loader's workers, seconds.
  double wait_seconds() const { return wait_seconds_; }

 protected:
  double wait_seconds_ = 0.0;
};

/// A loader's batches as they are, for a network on the CPU.
class HostBatches : public BatchSource {
 public:
  HostBatches(std::shared_ptr<const data::Dataset> dataset, const data::LoaderSettings& settings,
              Network& network);
  const engine::Batch* next() override;

 private:
  data::SampleShape shape_;
  data::Loader loader_;
  Network& network_;
  engine::Batch batch_;
};

}  // namespace spikeloom::train
