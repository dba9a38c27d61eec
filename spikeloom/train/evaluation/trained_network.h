#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/train/run/model_info.h"

namespace spikeloom::engine {
class Engine;
}

namespace spikeloom::train {

class Network;

/// What a network says about some samples.
struct Votes {
  int num_classes = 0;
  /// [samples, num_classes]: the share of each class's neurons and steps that fired, in [0, 1]; of an
  /// artificial network its last layer's outputs, averaged likewise.
  std::vector<float> values;
  /// Spikes / (neurons x samples x steps) of each layer with neurons; empty for an artificial network.
  std::vector<std::pair<std::string, double>> firing_rates;

  std::int64_t samples() const { return static_cast<std::int64_t>(values.size()) / num_classes; }
  Span<const float> of(std::int64_t sample) const {
    return {values.data() + sample * num_classes, static_cast<std::size_t>(num_classes)};
  }
  /// The class with the most votes; of equal ones the lowest.
  int best(std::int64_t sample) const;
};

/// A network in memory, with what its file says about it. Not thread-safe; several networks in several
/// threads are, if they use the same number of threads (arithmetic_scope.h). Needs no LibTorch headers.
class TrainedNetwork {
 public:
  /// Reads a model file, a checkpoint, or that of a run folder. `device`: cpu, cuda or cuda:N. Throws
  /// DataError (not there, cannot be read), FormatError (no safetensors file), CheckpointError (not a model,
  /// damaged, or of a newer version), DeviceError.
  static TrainedNetwork load(const std::string& run_or_model, const std::string& device = "cpu");
  /// A new network of info.recipe.network for samples of info.input, initialised from info.recipe.seed, to be
  /// trained by a loop of one's own. Throws ConfigError, ShapeError.
  static TrainedNetwork initialised(ModelInfo info);
  TrainedNetwork(TrainedNetwork&&) noexcept;
  TrainedNetwork& operator=(TrainedNetwork&&) noexcept;
  ~TrainedNetwork();

  const ModelInfo& info() const { return info_; }

  /// Runs `samples` samples through the network, without dropout. inputs: [T, samples, H, W, C], time
  /// outermost, channels last, as data::Loader's batches are, of the values that the network was trained on
  /// (docs/datasets.md); T = 1 (a still image, shown at every step) or the network's num_steps. All samples
  /// are in memory at once: give some hundred at a time. threads: as in TrainingRequest. The votes of a
  /// sample are those that evaluate_model() counts at the same batch size. Throws ShapeError with both sizes,
  /// NumericsError for an input that is not finite, ConfigError for a wrong number of threads.
  Votes forward(Span<const float> inputs, std::int64_t samples, int threads = 0);

  /// Writes a model file that load() and `spikeloom eval` read. Atomic. Throws DataError.
  void save(const std::string& path) const;

  /// What runs it (spikeloom/engine/engine.h): batches in, votes and gradients out, parameters by name. Keep
  /// an ArithmeticScope open while using it.
  engine::Engine& engine();

 private:
  TrainedNetwork(ModelInfo info, std::unique_ptr<Network> network);
  ModelInfo info_;
  std::unique_ptr<Network> network_;
};

}  // namespace spikeloom::train
