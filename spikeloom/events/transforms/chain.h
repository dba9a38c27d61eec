#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/events/transforms/transform.h"

namespace spikeloom::events {

/// What the random numbers of a recording's transforms depend on.
struct TransformKey {
  std::uint64_t seed = 0;
  std::int64_t index = 0;  ///< number of the recording, below 2^32
  std::int64_t epoch = 0;
};

/// Transforms one behind the other, from their texts: {"drop_background(filter_us=10000)",
/// "flip_left_right(probability=0.5)"}. Those that are random act only where random numbers are given: in
/// training. Cheap to copy; immutable; apply() is thread-safe for different recordings.
class TransformChain {
 public:
  TransformChain() = default;
  /// Throws ConfigError as parse_transform().
  explicit TransformChain(const std::vector<std::string>& texts);

  bool empty() const { return transforms_.empty(); }
  /// Whether apply() with a key differs from apply() without.
  bool has_random() const;
  /// Size of the sensor behind the chain. Throws ShapeError or ConfigError if a transform does not suit it.
  SensorSize output_size(SensorSize sensor) const;
  /// Transforms a recording in place. key null: what is random is left out, and random_crop crops the middle.
  /// Transform i (from 0) draws from RandomStream(key.seed, kAugment, key.index + (i + 1) * 2^32, key.epoch),
  /// so that none shifts the numbers of another. Throws ShapeError for an event outside the sensor, and what
  /// the transforms throw.
  void apply(EventStream& stream, const TransformKey* key) const;

  /// All transforms, each as transform_text().
  std::vector<std::string> texts() const;
  /// Those that act without random numbers, in one line: what frames depend on that are made once and kept.
  std::string fixed_text() const;

 private:
  std::vector<std::shared_ptr<const Transform>> transforms_;
};

}  // namespace spikeloom::events
