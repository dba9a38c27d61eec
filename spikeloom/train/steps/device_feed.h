#pragma once
// Internal to train: batches on their way to a device.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/loader.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/steps/batch_source.h"

namespace spikeloom::train {

/// Still images, as bytes, on a device: brought there once, for all epochs.
struct DeviceImages {
  DeviceImages(const data::RawImages& images, const at::Device& device);
  at::Tensor bytes;  ///< uint8 [count, H, W, C]
  at::Tensor table;  ///< float [C, 256]
};

/// One epoch of a data set as batches in the buffers of a trainer, the same samples as a data::Loader gives.
/// Still images lie on the device as bytes; only what happens to each is sent, and the device crops, mirrors,
/// changes and standardises. Everything else is read by a Loader's workers and copied from pinned memory,
/// beside the step before.
class DeviceFeed : public BatchSource {
 public:
  /// images: of the data set, or nullptr where it has none (data::Dataset::raw_images).
  DeviceFeed(std::shared_ptr<const data::Dataset> dataset, const data::LoaderSettings& settings,
             std::shared_ptr<const DeviceImages> images, const at::Device& device, StepRunner& runner);
  ~DeviceFeed() override;

  /// Asks for the next batch to be written into the runner's buffers. Waits only where the device is several
  /// batches behind, or the loader has none ready.
  const engine::Batch* next() override;

 private:
  /// Host memory of one batch under way.
  struct Slot {
    at::Tensor host, staged;  ///< inputs, or draws as bytes
    at::Tensor labels;
    std::unique_ptr<ops::DeviceEvent> copied, used;
  };

  /// What was written, as the part of a batch that it is.
  const engine::Batch* give(const engine::Batch& batch, std::int64_t first, std::int64_t whole, bool spare);
  const engine::Batch* next_images();
  const engine::Batch* next_loaded();
  at::Tensor tensor_of(const engine::Buffer& buffer) const;
  Slot& next_slot();

  std::shared_ptr<const data::Dataset> dataset_;
  data::LoaderSettings settings_;
  std::shared_ptr<const DeviceImages> images_;
  at::Device device_;
  StepRunner& runner_;
  std::vector<Slot> slots_;
  std::size_t slot_ = 0;
  std::vector<std::int64_t> order_;  ///< of images
  std::int64_t batch_ = 0;
  engine::Batch given_;
  std::unique_ptr<data::Loader> loader_;
};

}  // namespace spikeloom::train
