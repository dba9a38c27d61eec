#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/report/observations.h"
#include "spikeloom/report/thinned.h"
#include "spikeloom/runtime/observation/work_counter.h"
#include "spikeloom/runtime/session.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::runtime {

/// How votes become probabilities.
struct Confidence {
  bool softmax =
      false;  ///< of vote_scale * vote; else a vote's share of the sum (softmax where one is negative)
  double vote_scale = 1.0;
  std::string words;

  /// Of each class, summing to 1.
  std::vector<double> of(Span<const float> votes) const;
};

/// As the recipe's loss takes them.
Confidence confidence_of(const train::Recipe& recipe);

/// Runs samples and counts what the network does meanwhile.
class SampleObserver {
 public:
  SampleObserver(std::shared_ptr<const Network> network, bool is_static, Confidence confidence);
  SampleObserver(const SampleObserver&) = delete;
  SampleObserver& operator=(const SampleObserver&) = delete;

  /// A sample [steps, H, W, C]; counted.
  report::Decision run(Span<const float> sample, int label);
  /// A sample whose spikes are written down; not counted.
  report::SampleRaster raster(Span<const float> sample, int label, std::int64_t neurons);
  /// Adds the counts of another one of the same network.
  void add(const SampleObserver& other);
  /// The counts as means.
  std::vector<report::LayerObservation> layers() const;

 private:
  void count_step();
  void record_step();
  report::Decision decide(int label) const;
  Span<const float> step_input() const;

  std::shared_ptr<const Network> network_;
  bool is_static_;
  Confidence confidence_;
  Session session_;
  WorkCounter work_;
  Span<const float> sample_;
  std::vector<float> mean_;  ///< of an artificial network's sample: its sum over the steps, 0 where it is 0
  report::SampleRaster* recording_ = nullptr;  ///< else counting
  struct StepVotes {
    int step = 0;
    std::vector<float> votes;
  };
  std::optional<report::Thinned<StepVotes>> step_votes_;  ///< while recording
  std::int64_t samples_ = 0, steps_ = 0;
  std::vector<std::int64_t> spikes_, additions_, macs_;  ///< [nodes]
  std::vector<report::Histogram> potentials_;            ///< [nodes]
};

}  // namespace spikeloom::runtime
