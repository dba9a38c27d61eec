#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/augment_images.h"

namespace spikeloom::data {

/// What one sample of a set looks like. In memory a sample is [num_steps, height, width, channels] floats:
/// time outermost, channels last.
struct SampleShape {
  std::int64_t num_steps = 1;  ///< 1 for a still image, which the network is shown unchanged at every step
  std::int64_t channels = 0;   ///< 1 or 3 (grey, red-green-blue), or 2 (polarity: 0 off, 1 on)
  std::int64_t height = 0;     ///< pixels
  std::int64_t width = 0;      ///< pixels
  bool is_static = true;       ///< still image

  /// Floats of one time step.
  std::int64_t step_size() const { return channels * height * width; }
  /// Floats of one sample.
  std::int64_t sample_size() const { return num_steps * step_size(); }
};

/// Which random numbers augment a sample: the stream is RandomStream(seed, kAugment, index, epoch), so that a
/// sample's augmentation depends on (seed, epoch, index) only, not on threads or on what was read before.
struct AugmentKey {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
};

/// What pixel values in [0, 1] were standardised by, a number a channel: (value - mean) / deviation.
struct Standardization {
  std::vector<double> mean, deviation;
};

/// Still images as they lie in memory, so that samples can be made of them elsewhere (on a GPU).
struct RawImages {
  const std::uint8_t* pixels = nullptr;  ///< [count, height, width, channels]
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  const float* table = nullptr;  ///< [channels, 256]: the float of each byte
  /// What the table standardises by; nullptr: it does not.
  const Standardization* standardization = nullptr;
};

/// Told now and then, on the thread that asked, how many samples of how many are prepared; false ends it.
using PrepareProgress = std::function<bool(std::int64_t done, std::int64_t total)>;

/// What tells a sample apart from the others of its set, wherever the set lies.
struct SampleOrigin {
  std::string name;        ///< a file's name and the place in it, or the position in the set's official order
  std::int64_t bytes = 0;  ///< size of the file; 0: not a file of its own, or not known
  std::string shown;       ///< the name for people, where it can be shorter; else empty

  const std::string& for_people() const { return shown.empty() ? name : shown; }
};

/// One split of a data set: labelled samples, addressed by 0 .. size() - 1. Thread-safe, but for
/// prepare(); what read() gives never changes.
class Dataset {
 public:
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  /// Registered name of the set, for example "cifar10".
  virtual const std::string& name() const = 0;
  /// Number of samples.
  virtual std::int64_t size() const = 0;
  /// Shape of every sample.
  virtual SampleShape shape() const = 0;
  /// Names of the classes; a label is an index into it.
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Label of a sample, 0 .. class_names().size() - 1. Throws ShapeError if the index is outside the set.
  virtual int label(std::int64_t index) const = 0;
  /// Where a sample comes from, without reading it (fingerprint.h). Throws ShapeError if the index is outside
  /// the set.
  virtual SampleOrigin origin(std::int64_t /*index*/) const { return {}; }
  /// Writes a sample, [num_steps, height, width, channels] floats, shape().sample_size() of them: pixel
  /// values in [0, 1] (or standardised), or event counts. `augment` nullptr: as it is on disk. Throws
  /// ShapeError if the index is outside the set, FormatError or DataError naming the file if it is damaged or
  /// gone.
  virtual void read(std::int64_t index, const AugmentKey* augment, float* sample) const = 0;
  /// The images that the samples are made of, and others (training and validation may return the same
  /// pixels); owned by the data set, they never change. nullptr: not a set of still images in memory.
  virtual const RawImages* raw_images() const { return nullptr; }
  /// What read() does to make a sample: image_draw() of raw_images() and its table, through
  /// kernels::cuda::augment_images, is the sample that read() writes, to the last bit. Throws ShapeError if
  /// the index is outside the set, DataError if there are no raw_images().
  virtual kernels::cuda::ImageDraw image_draw(std::int64_t /*index*/, const AugmentKey* /*augment*/) const {
    throw DataError(name() + " does not hold still images in memory");
  }
  /// Does once what makes read() fast from then on (recordings are binned into a cache), with all threads.
  /// Changes no sample; not needed. Before read() is used from several threads. false if `progress` ended it.
  virtual bool prepare(const PrepareProgress& /*progress*/) const { return true; }

 protected:
  Dataset() = default;
};

}  // namespace spikeloom::data
