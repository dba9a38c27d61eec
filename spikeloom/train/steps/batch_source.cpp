#include "spikeloom/train/steps/batch_source.h"

#include <chrono>

namespace spikeloom::train {

HostBatches::HostBatches(std::shared_ptr<const data::Dataset> dataset, const data::LoaderSettings& settings,
                         Network& network)
    : shape_(dataset->shape()), loader_(std::move(dataset), settings), network_(network) {}

const engine::Batch* HostBatches::next() {
  const auto start = std::chrono::steady_clock::now();
  const data::Batch* batch = loader_.next();
  if (batch == nullptr) return nullptr;
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  batch_ = network_.batch_of(*batch, shape_);
  return &batch_;
}

}  // namespace spikeloom::train
