#pragma once
#include <string>
#include <vector>

#include "spikeloom/data/datasets/recording_dataset.h"

namespace spikeloom::data {

/// The parts of a set of recordings before samples are held out for validation and limits are applied.
struct RecordingParts {
  std::vector<Recording> train;
  std::vector<Recording> validation;  ///< official; empty if the set has none
  std::vector<Recording> test;
  std::string how_tested;             ///< "official"
  std::string test_missing;           ///< why test is empty
  std::string remark;                 ///< what is missing of the complete set; may be empty
  bool tell_missing_classes = false;  ///< say in the description which class is not in which part
  bool random_validation = false;
  std::uint64_t validation_item = 0;  ///< of the random stream that draws the validation samples (splits.h)
};

/// Makes the DataSplits of recordings: validation samples held out, limits applied. An official validation
/// part is used whole unless settings.validation_samples says how many of its first. Throws ConfigError if
/// nothing is left to train on.
DataSplits make_recording_splits(const std::string& name, const std::string& title,
                                 const std::vector<std::string>& class_names, const RecordingParts& parts,
                                 const DataSettings& settings, const RecordingFormat& format);

/// Moves every recording that `is_test` says into the test part.
template <class IsTest>
void divide(const std::vector<Recording>& all, const IsTest& is_test, RecordingParts& parts) {
  for (std::size_t i = 0; i < all.size(); ++i) (is_test(i) ? parts.test : parts.train).push_back(all[i]);
}

/// Which recordings a random division keeps for the test: of each class, in the order of a permutation that
/// depends on `seed`, those whose running number over all classes leaves `fold` when divided by `folds`. So
/// each recording is tested in exactly one of the folds, and the classes have their share in each.
std::vector<bool> test_fold(const std::vector<Recording>& all, std::size_t num_classes, std::int64_t folds,
                            std::int64_t fold, std::uint64_t seed);

}  // namespace spikeloom::data
