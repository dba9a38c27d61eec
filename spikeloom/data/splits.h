#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {

struct DataSplits;

/// Positions of samples in the official order of a set.
using Indices = std::vector<std::int64_t>;

/// A training part after validation samples were held out of it and the limit applied.
struct TrainingPart {
  Indices train;
  Indices validation;
  std::int64_t available = 0;  ///< training samples before train_limit
};

/// 0 .. size - 1.
Indices all_indices(std::int64_t size);

/// Throws ConfigError listing the choices unless settings.split is one of them.
void check_split_name(const DataSettings& settings, const std::string& dataset,
                      const std::vector<std::string>& choices);

/// Holds settings.validation_samples of `official` out: the last ones, or, if `random`, those that
/// random_permutation(size, split_seed, kSplit, item) puts last, in official order; then applies train_limit.
/// Throws ConfigError if nothing would remain to train on.
TrainingPart hold_out(const Indices& official, const DataSettings& settings, bool random,
                      std::uint64_t item = 0);

/// The first `limit` of them; all if limit is 0.
Indices first_of(Indices indices, std::int64_t limit);

/// What the one line of DataSplits::description is made of.
struct SplitSummary {
  std::string title;
  TrainingPart training;  ///< available 0: only the test part was asked for
  bool random_validation = false;
  bool official_validation = false;
  std::int64_t test = 0;            ///< after test_limit
  std::int64_t test_available = 0;  ///< before; 0 = no test part
  std::string how_tested;           ///< "official"
  std::string remark;               ///< what is missing of the complete set; may be empty
};

/// Puts a remark after what is there, with ", " between.
void add_remark(const std::string& remark, std::string& all);

/// Puts "1 of 3 classes is not in the test part: 'b'" after what is there, for each part that lacks some.
void add_missing_classes(const DataSplits& splits, std::string& all);

std::string describe_splits(const SplitSummary& summary, const DataSettings& settings);

/// "1,000 of 60,000 recordings in Train" if found differs from what info says about the split, else "".
std::string partial_remark(const DatasetInfo& info, const std::string& split, std::int64_t found,
                           const std::string& noun);

}  // namespace spikeloom::data
