#include "spikeloom/data/datasets/recording_splits.h"

#include <memory>
#include <utility>

#include "spikeloom/base/random.h"

namespace spikeloom::data {

DataSplits make_recording_splits(const std::string& name, const std::string& title,
                                 const std::vector<std::string>& class_names, const RecordingParts& parts,
                                 const DataSettings& settings, const RecordingFormat& format) {
  const auto count = [](const std::vector<Recording>& recordings) {
    return static_cast<std::int64_t>(recordings.size());
  };
  const auto part = [&](const std::vector<Recording>& recordings, const Indices& indices) {
    std::vector<Recording> chosen;
    for (const std::int64_t i : indices) chosen.push_back(recordings[static_cast<std::size_t>(i)]);
    return std::make_shared<const RecordingDataset>(name, class_names, std::move(chosen), format);
  };
  SplitSummary summary;
  summary.title = title;
  summary.random_validation = parts.random_validation;
  summary.official_validation = !parts.validation.empty();
  DataSettings held = settings;
  if (summary.official_validation) held.validation_samples = 0;
  const bool test_only = parts.train.empty() && parts.validation.empty();
  if (!test_only)
    summary.training =
        hold_out(all_indices(count(parts.train)), held, parts.random_validation, parts.validation_item);
  summary.test_available = count(parts.test);
  const Indices tested = first_of(all_indices(summary.test_available), settings.test_limit);
  summary.test = static_cast<std::int64_t>(tested.size());
  summary.how_tested = parts.how_tested;
  summary.remark = parts.remark;

  DataSplits splits;
  if (!test_only) splits.train = part(parts.train, summary.training.train);
  if (test_only) {
    // Nothing was asked of it.
  } else if (summary.official_validation) {
    summary.training.validation = first_of(all_indices(count(parts.validation)), settings.validation_samples);
    splits.validation = part(parts.validation, summary.training.validation);
  } else if (!summary.training.validation.empty()) {
    splits.validation = part(parts.train, summary.training.validation);
  }
  if (parts.test.empty()) {
    splits.test_missing = parts.test_missing;
  } else {
    splits.test = part(parts.test, tested);
  }
  if (parts.tell_missing_classes) add_missing_classes(splits, summary.remark);
  splits.description = describe_splits(summary, settings);
  return splits;
}

std::vector<bool> test_fold(const std::vector<Recording>& all, std::size_t num_classes, std::int64_t folds,
                            std::int64_t fold, std::uint64_t seed) {
  std::vector<bool> is_test(all.size());
  std::int64_t running = 0;
  for (std::size_t label = 0; label < num_classes; ++label) {
    std::vector<std::size_t> of_class;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].label == static_cast<int>(label)) of_class.push_back(i);
    }
    const Indices order =
        random_permutation(static_cast<std::int64_t>(of_class.size()), seed, RandomPurpose::kSplit, label);
    for (const std::int64_t position : order) {
      is_test[of_class[static_cast<std::size_t>(position)]] = running++ % folds == fold;
    }
  }
  return is_test;
}

}  // namespace spikeloom::data
