#pragma once
// Which data a training ran on, in a few hundred bytes: so that a run is not resumed on other data unnoticed.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/data/registry.h"

namespace spikeloom::data {

/// A part's samples in their order. Hashes are 128-bit XXH3, 32 hexadecimal digits.
struct PartFingerprint {
  std::int64_t samples = 0;
  std::string names;   ///< hash of Dataset::origin().name of each
  std::string sizes;   ///< hash of Dataset::origin().bytes of each
  std::string labels;  ///< hash of each label
};

struct Fingerprint {
  std::string shape;  ///< of a sample: "8x2x34x34" (steps, channels, height, width)
  std::vector<std::string> class_names;
  std::optional<PartFingerprint> train, validation, test;  ///< none: there is no such part
};

/// The fingerprint of a data set's parts. Cheap: nothing is read but what opening the set has read and the
/// sizes of recordings' files; the same wherever the files lie. Contents that change while count, names,
/// sizes and labels stay are not noticed.
Fingerprint fingerprint(const DataSplits& splits);

/// What differs, for one line: "the training part has 21 samples instead of 22". "" if nothing does.
std::string difference(const Fingerprint& before, const Fingerprint& now);

}  // namespace spikeloom::data
