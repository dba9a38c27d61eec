#pragma once
// A device: packed spikes and compact state by the kernels of kernels/cuda, dense products by whoever gives
// them (products.h). The same code runs on the host's queue, where all of it is tested. Needs no LibTorch.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/backends/device/device.h"
#include "spikeloom/backends/products.h"
#include "spikeloom/backends/queue_backend.h"
#include "spikeloom/kernels/cuda/dropout.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::backends {

/// Forward, loss, backward and update read nothing back, wait for nothing and take all memory from
/// Device::memory(), so that a step can be captured and replayed; what changes from step to step comes by
/// prepare(), outside of the captured sequence. A batch is never parted.
class DeviceBackend : public QueueBackend {
 public:
  DeviceBackend(const model::ComputeSettings& compute, std::unique_ptr<Device> device,
                std::unique_ptr<DenseProducts> products);
  ~DeviceBackend() override;

  std::string name() const override { return device_->name(); }
  engine::Memory& memory() override { return device_->memory(); }
  std::string refusal(const model::Program& program, const model::Stage& stage) const override;
  std::string path(const model::Program& program, const model::Stage& stage) const override;
  void attach(const model::Program& program, engine::ParameterStore& parameters) override;

  /// Rounds weights again that somebody has written since.
  void prepare(std::uint64_t iteration, double learning_rate) override;
  engine::Buffer current(int stage, engine::Samples& samples, const engine::Pass& pass) override;
  void fire(int stage, engine::Buffer current, engine::Samples& samples, const engine::Pass& pass) override;
  engine::Buffer fire_backward(int stage, engine::Samples& samples,
                               std::vector<engine::OutputGradient> gradients,
                               const engine::Pass& pass) override;
  std::vector<engine::OutputGradient> current_backward(int stage, engine::Samples& samples,
                                                       engine::Buffer grad_current,
                                                       const engine::Pass& pass) override;
  void update(const engine::UpdateRule& rule, const std::vector<engine::SlotUpdate>& slots,
              engine::Moments& moments) override;
  void wait() override { device_->wait(); }
  bool captures() const override { return device_->queue().on_device; }
  /// Waits for the device.
  double firing_rate(int stage, const engine::Buffer& current, const engine::Samples& samples,
                     double scale) override;

 protected:
  kernels::cuda::Queue queue() const override { return device_->queue(); }
  engine::Type output_gradient_type() const override;
  engine::Buffer rounded(int slot) const override;

 private:
  struct NeuronState;
  /// The one stage that reads another's output, and how.
  struct Reader {
    int stage = model::kNoStage;
    model::Edge edge;
  };

  engine::Type type_of(const model::Stage& stage) const {
    return QueueBackend::type_of(*program_, stage, bfloat16_);
  }
  /// Makes the rounded copies of all weights that products take so, if the weights have changed.
  void refresh();
  engine::Buffer weight_of(const model::Stage& stage) const;

  kernels::cuda::DropoutDraw draw_of(const model::Stage& stage, const engine::Pass& pass) const;
  void drop(const kernels::cuda::DropoutDraw& draw, const engine::Samples& samples, std::int64_t steps,
            const engine::Buffer& from, const engine::Buffer& to) const;
  /// What a product takes: [T * N, H, W, C].
  engine::Buffer gather(const model::Stage& stage, const engine::Samples& samples, const engine::Pass& pass);
  engine::Buffer values_of_spikes(const model::Stage& stage, const engine::Activation& from,
                                  const kernels::cuda::DropoutDraw& draw);
  engine::Buffer pooled_values(const model::Edge& edge, const engine::Activation& from);
  /// The gradient of what a product takes -> that of the output which its edge reads.
  engine::OutputGradient gather_backward(const model::Stage& stage, const engine::Samples& samples,
                                         const engine::Pass& pass, engine::Buffer gradient);
  void neunorm_gradient(const model::Edge& edge, const engine::Activation& from,
                        engine::OutputGradient& gradient);
  /// Spreads the gradient behind a pooling that gives spikes over the whole images.
  void pool_gradient(const model::Edge& edge, const engine::Activation& from,
                     engine::OutputGradient& gradient);
  void bias_gradient(const model::Stage& stage, const engine::Buffer& grad_current);

  /// Those of a stage as its reader pools them.
  kernels::PackedImages images_read(int stage, const engine::Samples& samples) const;
  /// Whether the neurons write what the reader's product takes.
  bool writes_pooled(int stage, const engine::Pass& pass) const;
  void fire_spikes(int stage, const engine::Buffer& current, engine::Samples& samples,
                   const engine::Pass& pass);
  engine::Buffer values_backward(const model::Stage& stage, const engine::Activation& own,
                                 const engine::OutputGradient& gradient);

  std::unique_ptr<Device> device_;
  std::unique_ptr<DenseProducts> products_;
  bool compact_, bfloat16_;
  std::vector<Reader> readers_;          ///< of each stage; of the last one none
  std::vector<engine::Buffer> rounded_;  ///< of each slot; empty where products take floats
  std::uint64_t rounded_version_ = 0;    ///< of the parameters that rounded_ was made from
};

}  // namespace spikeloom::backends
