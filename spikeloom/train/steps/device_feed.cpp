#include "spikeloom/train/steps/device_feed.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "spikeloom/kernels/cuda/augment_images.h"

namespace spikeloom::train {
namespace {

using kernels::cuda::ImageDraw;

constexpr std::size_t kSlots = 4;  // batches that the host may be ahead of the device
constexpr auto kDrawBytes = static_cast<std::int64_t>(sizeof(ImageDraw));

bool changes_color(const ImageDraw& draw) {
  return draw.brightness != 1.0f || draw.contrast != 1.0f || draw.saturation != 1.0f;
}

at::Tensor bytes_on(std::int64_t count, const at::Device& device) {
  return at::empty({count}, at::TensorOptions(at::kByte).device(device));
}

}  // namespace

DeviceImages::DeviceImages(const data::RawImages& images, const at::Device& device) {
  const std::int64_t count = images.count * images.height * images.width * images.channels;
  // from_blob takes mutable pointers; nothing here writes to them.
  bytes = at::from_blob(const_cast<std::uint8_t*>(images.pixels), {count}, at::kByte).to(device);
  table = at::from_blob(const_cast<float*>(images.table), {images.channels, 256}, at::kFloat).to(device);
}

DeviceFeed::DeviceFeed(std::shared_ptr<const data::Dataset> dataset, const data::LoaderSettings& settings,
                       std::shared_ptr<const DeviceImages> images, const at::Device& device,
                       StepRunner& runner)
    : dataset_(std::move(dataset)),
      settings_(settings),
      images_(std::move(images)),
      device_(device),
      runner_(runner),
      slots_(kSlots),
      batch_(settings.first_batch) {
  const std::int64_t inputs = images_ != nullptr ? settings.batch_size * kDrawBytes
                                                 : settings.batch_size * dataset_->shape().sample_size();
  const at::ScalarType dtype = images_ != nullptr ? at::kByte : at::kFloat;
  for (Slot& slot : slots_) {
    slot.host = ops::empty_pinned({inputs}, dtype, device);
    slot.staged = at::empty({inputs}, at::TensorOptions(dtype).device(device));
    slot.labels = ops::empty_pinned({settings.batch_size}, at::kLong, device);
    slot.copied = std::make_unique<ops::DeviceEvent>(device);
    slot.used = std::make_unique<ops::DeviceEvent>(device);
  }
  if (images_ != nullptr) {
    order_ = data::epoch_order(dataset_->size(), settings);
  } else {
    loader_ = std::make_unique<data::Loader>(dataset_, settings);
  }
}

DeviceFeed::~DeviceFeed() {
  // The device may still read what is freed now.
  for (Slot& slot : slots_) slot.used->wait_on_host();
}

DeviceFeed::Slot& DeviceFeed::next_slot() {
  Slot& slot = slots_[slot_++ % kSlots];
  slot.used->wait_on_host();
  return slot;
}

// A buffer of the device, which LibTorch copies into.
at::Tensor DeviceFeed::tensor_of(const engine::Buffer& buffer) const {
  const auto dtype = buffer.type == engine::Type::kInt64 ? at::kLong : at::kFloat;
  return at::from_blob(buffer.data, {buffer.count}, at::TensorOptions(dtype).device(device_));
}

const engine::Batch* DeviceFeed::give(const engine::Batch& batch, std::int64_t first, std::int64_t whole,
                                      bool spare) {
  given_ = batch;
  given_.first = first;
  given_.whole = whole;
  given_.spare = spare;
  return &given_;
}

const engine::Batch* DeviceFeed::next() { return images_ != nullptr ? next_images() : next_loaded(); }

const engine::Batch* DeviceFeed::next_images() {
  const std::int64_t begin = batch_ * settings_.batch_size;
  const std::int64_t whole = std::min(settings_.batch_size, dataset_->size() - begin);
  if (whole <= 0 || (settings_.drop_last && whole < settings_.batch_size)) return nullptr;
  ++batch_;
  const data::BatchPart part = data::part_of(whole, settings_.part, settings_.parts);
  const std::int64_t samples = part.count, first = begin + part.first;
  Slot& slot = next_slot();
  const data::AugmentKey key{settings_.seed, settings_.epoch};
  bool color = false;
  for (std::int64_t i = 0; i < samples; ++i) {
    const std::int64_t sample = order_[static_cast<std::size_t>(first + i)];
    const ImageDraw draw = dataset_->image_draw(sample, settings_.augment ? &key : nullptr);
    color = color || changes_color(draw);
    std::memcpy(slot.host.data_ptr<std::uint8_t>() + i * kDrawBytes, &draw, sizeof draw);
    slot.labels.data_ptr<std::int64_t>()[i] = dataset_->label(sample);
  }
  const engine::Batch& batch = runner_.buffers(samples);
  slot.staged.copy_(slot.host, /*non_blocking=*/true);
  tensor_of(batch.labels).copy_(slot.labels.narrow(0, 0, samples), /*non_blocking=*/true);
  const auto shape = dataset_->shape();
  const at::Tensor workspace =
      bytes_on(color ? kernels::cuda::augment_images_workspace(samples) : 0, device_);
  kernels::cuda::augment_images(ops::queue_of(device_), {shape.height, shape.width, shape.channels}, samples,
                                images_->bytes.data_ptr<std::uint8_t>(),
                                reinterpret_cast<const ImageDraw*>(slot.staged.data_ptr<std::uint8_t>()),
                                images_->table.data_ptr<float>(), color, batch.input.floats(),
                                color ? workspace.data_ptr() : nullptr);
  slot.used->record();
  return give(batch, part.first, part.whole, part.spare);
}

const engine::Batch* DeviceFeed::next_loaded() {
  const auto start = std::chrono::steady_clock::now();
  const data::Batch* loaded = loader_->next();
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (loaded == nullptr) return nullptr;
  Slot& slot = next_slot();
  const std::int64_t samples = loaded->size, values = samples * dataset_->shape().sample_size();
  std::memcpy(slot.host.data_ptr<float>(), loaded->inputs, static_cast<std::size_t>(values) * sizeof(float));
  std::memcpy(slot.labels.data_ptr<std::int64_t>(), loaded->labels,
              static_cast<std::size_t>(samples) * sizeof(std::int64_t));
  const at::Tensor staged = slot.staged.narrow(0, 0, values);
  {
    // Beside the step that runs: the buffers of the step are written only when it is done.
    const ops::StreamScope beside(device_, ops::StreamScope::Order::kBeside);
    staged.copy_(slot.host.narrow(0, 0, values), /*non_blocking=*/true);
    slot.copied->record();
  }
  slot.copied->wait_on_stream();
  const engine::Batch& batch = runner_.buffers(samples);
  const at::Tensor input = tensor_of(batch.input);
  // Both in memory order [T, N, H, W, C]; an artificial network sees the mean over the steps.
  if (batch.input.count == values) {
    input.copy_(staged);
  } else {
    input.copy_(staged.view({dataset_->shape().num_steps, -1}).mean(0));
  }
  tensor_of(batch.labels).copy_(slot.labels.narrow(0, 0, samples), /*non_blocking=*/true);
  slot.used->record();
  return give(batch, loaded->first, loaded->whole, loaded->spare);
}

}  // namespace spikeloom::train
