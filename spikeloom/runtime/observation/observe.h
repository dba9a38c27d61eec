#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/report/observations.h"

namespace spikeloom::runtime {

struct ObservationRequest {
  std::string model;           ///< run folder, model file or checkpoint
  std::string data_dir;        ///< "" = search (data/registry.h)
  std::string split = "test";  ///< "train", "validation" or "test"
  std::int64_t samples = 500;  ///< evenly spaced over the part; 0 = all
  /// Of which samples the spikes are shown; none: of one of each of the first `num_rasters` classes.
  std::vector<std::int64_t> rasters;
  int num_rasters = 4;
  int num_hardest = 12;
  std::int64_t raster_neurons = 48;  ///< shown of a layer: of those that fired, evenly spaced
  int threads = 1;
  /// Ends early once it is true: observe() then throws DataError.
  const std::atomic<bool>* stop = nullptr;
};

/// Runs a trained network over samples of the set that it was trained on and counts what it does. The same
/// for any number of threads. Throws what load_model() and data::open_dataset() throw; DataError where the
/// set has no such part, other classes or samples of another shape than the model; ConfigError for a sample
/// that is not there.
report::Observations observe(const ObservationRequest& request);

}  // namespace spikeloom::runtime
