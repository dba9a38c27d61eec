#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/data/dataset.h"

namespace spikeloom::data {

struct LoaderSettings {
  std::int64_t batch_size = 1;
  bool shuffle = false;  ///< order of the epoch: random_permutation(size, seed, kShuffle, epoch)
  bool augment = false;  ///< samples are read with AugmentKey{seed, epoch}
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  int workers = 1;               ///< threads that read ahead; 0: samples are read inside next()
  std::int64_t first_batch = 0;  ///< start here, as if the batches before had been read (resume)
  bool drop_last = false;        ///< leave out a last batch that is not full
  int prefetch = 4;              ///< batches read ahead at most
  /// Processes that train together: of each batch this loader reads the samples of part `part` of `parts`,
  /// the parts one after the other in the batch's order, their sizes differing by 1 at most.
  int part = 0, parts = 1;
};

/// The samples of an epoch in the order in which a Loader with these settings gives them.
std::vector<std::int64_t> epoch_order(std::int64_t size, const LoaderSettings& settings);

/// The samples of a batch that one of several parts has.
struct BatchPart {
  std::int64_t first = 0, count = 0, whole = 0;
  /// The batch has fewer samples than there are parts: this one sample belongs to another part, and must not
  /// be counted a second time.
  bool spare = false;
};
/// Of a batch of `whole` samples.
BatchPart part_of(std::int64_t whole, int part, int parts);

/// A batch in buffers of the loader.
struct Batch {
  const float* inputs = nullptr;         ///< [T, size, H, W, C], 64-byte aligned; T = 1 for still images
  const std::int64_t* labels = nullptr;  ///< [size]
  std::int64_t size = 0;                 ///< samples; less than batch_size in the last batch and in parts
  std::int64_t index = 0;                ///< number of the batch in the epoch, from 0
  std::int64_t first = 0, whole = 0;     ///< which of how many samples of the batch these are
  bool spare = false;                    ///< BatchPart::spare
};

/// One pass (epoch) over a data set in batches, read ahead by worker threads into a ring of reusable buffers.
/// Order and content depend on the data set and on batch_size, shuffle, augment, seed and epoch only, never
/// on the number of workers or of parts. Memory: prefetch + 1 batches, or parts of them. Used from one
/// thread.
class Loader {
 public:
  /// Starts the workers. Throws ConfigError if a setting is out of range.
  Loader(std::shared_ptr<const Dataset> dataset, LoaderSettings settings);
  /// Stops the workers, at any time: waits for the samples in flight only.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Batches of the whole epoch, those before first_batch included.
  std::int64_t num_batches() const;

  /// The next batch in order, or nullptr at the end. The batch and its buffers stay valid until the next
  /// call. Rethrows what reading a sample threw when that sample's batch is due (of several the first in
  /// order), and again in every later call.
  const Batch* next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom::data
