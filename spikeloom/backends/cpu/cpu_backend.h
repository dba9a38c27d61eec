#pragma once
// The processor: packed spikes and compact state by our own kernels, event-driven products where few spikes
// come in, dense ones by whoever gives them (products.h). Needs no LibTorch.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/backends/cpu/event_paths.h"
#include "spikeloom/backends/cpu/host_memory.h"
#include "spikeloom/backends/products.h"
#include "spikeloom/backends/queue_backend.h"
#include "spikeloom/kernels/dropout_params.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::backends {

/// Limits of a stage's event-driven products, by name: what is measured once for a machine and a network.
struct Crossover {
  std::string stage;
  engine::EventLimits limits;
};

class CpuBackend : public QueueBackend {
 public:
  CpuBackend(const model::ComputeSettings& compute, std::unique_ptr<DenseProducts> products);
  ~CpuBackend() override;

  std::string name() const override { return "cpu"; }
  engine::Memory& memory() override { return memory_; }
  std::string refusal(const model::Program& program, const model::Stage& stage) const override;
  std::string path(const model::Program& program, const model::Stage& stage) const override;
  void attach(const model::Program& program, engine::ParameterStore& parameters) override;

  Slicing slicing(std::int64_t batch, bool static_input, bool training) const override;
  engine::Buffer slice(const engine::Buffer& values, std::int64_t steps, std::int64_t batch,
                       std::int64_t first, std::int64_t count) override;
  engine::Activation join(const std::vector<engine::Samples>& slices, int stage) override;

  engine::Buffer current(int stage, engine::Samples& samples, const engine::Pass& pass) override;
  engine::Buffer add(engine::Buffer a, const engine::Buffer& b) override;
  engine::Buffer sum_steps(engine::Buffer gradient, std::int64_t count) override;
  void fire(int stage, engine::Buffer current, engine::Samples& samples, const engine::Pass& pass) override;
  engine::Buffer fire_backward(int stage, engine::Samples& samples,
                               std::vector<engine::OutputGradient> gradients,
                               const engine::Pass& pass) override;
  std::vector<engine::OutputGradient> current_backward(int stage, engine::Samples& samples,
                                                       engine::Buffer grad_current,
                                                       const engine::Pass& pass) override;
  void update(const engine::UpdateRule& rule, const std::vector<engine::SlotUpdate>& slots,
              engine::Moments& moments) override;
  double firing_rate(int stage, const engine::Buffer& current, const engine::Samples& samples,
                     double scale) override;

  /// Times the event-driven and the dense arithmetic of each product that has both, at a batch size, and
  /// takes what it finds from then on; before that the densities of the settings hold for every stage. Some
  /// seconds for a large network. Empty where nothing is to be chosen (another path than auto, exact state,
  /// few filters).
  std::vector<Crossover> measure_crossovers(std::int64_t batch);
  /// Takes measured ones. Throws ConfigError for a stage that the program does not have.
  void set_crossovers(const std::vector<Crossover>& crossovers);

 protected:
  kernels::cuda::Queue queue() const override { return {}; }
  engine::Type output_gradient_type() const override;

 private:
  /// A stage's weights as its products want them, as long as they do not change.
  struct Converted {
    std::uint64_t dense_version = 0, event_version = 0;
    bool dense_folded = false, event_folded = false;
    engine::Buffer dense;
    std::shared_ptr<const kernels::FixedPointWeights> event;
  };
  /// A stage's spikes as the product of another one works on their bits.
  struct Seen {
    kernels::PackedImages images;  ///< with average pooling, if the edge has it
    const std::uint8_t* bits = nullptr;
    std::int64_t spikes = 0;
  };
  /// NeuNorm's map [T, N, P], and what comes out of it.
  struct NeuNormValues {
    engine::Buffer x, values;
  };
  struct ProductState;
  struct NeuronState;

  bool compact() const { return compute_.state == model::StateMode::kCompact; }
  engine::Type type_of(const model::Stage& stage) const {
    return QueueBackend::type_of(*program_, stage, bfloat16_);
  }
  kernels::NeuronParams neuron_of(const model::Stage& stage) const;
  /// The stage's normalisation of its product's current: by the batch's own statistics, which also move the
  /// running ones, where a backward pass follows, else by the running ones.
  engine::Buffer normalise(const model::Stage& stage, engine::Buffer current, engine::Samples& samples,
                           const engine::Pass& pass);
  engine::Buffer normalise_backward(const model::Stage& stage, engine::Samples& samples,
                                    engine::Buffer gradient, const engine::Pass& pass);
  /// folded: with the running statistics of the stage's normalisation in weights and bias, for inference.
  const engine::Buffer& dense_weight(const model::Stage& stage, bool folded);
  const kernels::FixedPointWeights& event_weight(const model::Stage& stage, bool folded);
  engine::Buffer weight_values(const model::Stage& stage, bool folded) const;
  engine::Buffer bias_values(const model::Stage& stage, bool folded) const;
  bool folds(const model::Stage& stage, const engine::Pass& pass) const;
  /// Only where stage.reads_spikes(); of a pooling that gives spikes these, which a stage keeps.
  Seen seen(const model::Stage& stage, const engine::Samples& samples) const;
  void pool_bits(const model::Stage& stage, engine::Samples& samples) const;
  EventChoice choose(const model::Stage& stage, const engine::Samples& samples,
                     const engine::Pass& pass) const;

  double dropout_rate(const model::Stage& stage, const engine::Pass& pass) const;
  void drop(const model::Stage& stage, const engine::Samples& samples, const engine::Pass& pass,
            std::int64_t steps, const engine::Buffer& from, const engine::Buffer& to) const;
  /// What a product takes: [T * N, H, W, C].
  engine::Buffer gather(const model::Stage& stage, const engine::Samples& samples, const engine::Pass& pass);
  engine::Buffer edge_values(const model::Stage& stage, const model::Edge& edge,
                             const engine::Samples& samples, engine::Type type, NeuNormValues* neunorm) const;
  std::vector<engine::OutputGradient> gather_backward(const model::Stage& stage,
                                                      const engine::Samples& samples,
                                                      const engine::Pass& pass, engine::Buffer gradient);
  engine::OutputGradient edge_backward(const model::Stage& stage, const model::Edge& edge,
                                       const engine::Samples& samples, const engine::Buffer& gradient);
  engine::Buffer unpooled(const model::Edge& edge, const engine::Activation& from,
                          const engine::Buffer& values, const engine::Buffer& gradient) const;
  /// Adds to a slot's gradient, or hands it over if it is the first.
  void add_gradient(int slot, engine::Buffer gradient);
  void add_neuron_gradients(const model::Stage& stage, const kernels::LifParameterGradients& gradients);

  engine::Buffer event_current(const model::Stage& stage, const engine::Samples& samples, bool folded,
                               EventChoice::Kind kind);
  engine::Buffer event_weight_gradient(const model::Stage& stage, const engine::Samples& samples,
                                       const engine::Buffer& grad_current, EventChoice::Kind kind) const;
  /// The layer whose input's gradient is to be computed in integers; open windows come first.
  std::optional<kernels::EventLayer> integer_input_layer(const model::Stage& stage,
                                                         const engine::Samples& samples) const;
  /// Bits of the open windows before a stage if its input's gradient is to be computed only there, else
  /// nullptr. `share`: of those that are, left alone if they were not looked at.
  const std::uint8_t* skip_windows(const model::Stage& stage, const engine::Samples& samples,
                                   double& share) const;

  std::int64_t fire_compact(const model::Stage& stage, const engine::Buffer& current, engine::Activation& own,
                            const engine::Pass& pass) const;
  std::int64_t fire_exact(const model::Stage& stage, const engine::Buffer& current, engine::Activation& own,
                          const engine::Pass& pass) const;
  std::int64_t fire_recurrent(const model::Stage& stage, const engine::Buffer& current,
                              engine::Activation& own, const engine::Pass& pass);
  engine::Buffer fire_recurrent_backward(const model::Stage& stage, const engine::Activation& own,
                                         const engine::Buffer& gradient);
  /// All gradients as one: that of the pooled output if they agree on a pooling, else that of the output.
  engine::OutputGradient combine(const engine::Activation& own,
                                 std::vector<engine::OutputGradient> gradients) const;
  engine::EventLimits measure(const model::Stage& stage, const kernels::PackedImages& images);

  model::ComputeSettings compute_;
  std::unique_ptr<DenseProducts> products_;
  HostMemory memory_;
  bool bfloat16_;
  std::vector<Converted> converted_;
  std::vector<engine::EventLimits> limits_;
};

}  // namespace spikeloom::backends
