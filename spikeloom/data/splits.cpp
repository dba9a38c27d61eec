#include "spikeloom/data/splits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

std::string count_text(std::int64_t used, std::int64_t available) {
  return used == available ? with_separators(used)
                           : with_separators(used) + " of " + with_separators(available);
}

}  // namespace

Indices all_indices(std::int64_t size) {
  Indices indices(static_cast<std::size_t>(size));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return indices;
}

void check_split_name(const DataSettings& settings, const std::string& dataset,
                      const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), settings.split) != choices.end()) return;
  throw ConfigError(fmt::format("{} has no split '{}'; choose one of: {}", dataset, settings.split,
                                fmt::join(choices, ", ")),
                    "", 0, "data.split");
}

TrainingPart hold_out(const Indices& official, const DataSettings& settings, bool random,
                      std::uint64_t item) {
  const auto size = static_cast<std::int64_t>(official.size());
  const std::int64_t held = settings.validation_samples;
  if (held >= size) {
    throw ConfigError(fmt::format("{} of the {} found would leave nothing to train on; use fewer",
                                  with_separators(held), counted(size, "training sample")),
                      "", 0, "data.validation_samples");
  }
  TrainingPart part;
  part.available = size - held;
  if (random && held > 0) {
    Indices order = random_permutation(size, settings.split_seed, RandomPurpose::kSplit, item);
    std::sort(order.begin(), order.begin() + part.available);
    std::sort(order.begin() + part.available, order.end());
    for (std::int64_t i = 0; i < size; ++i) {
      (i < part.available ? part.train : part.validation)
          .push_back(official[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
    }
  } else {
    part.train.assign(official.begin(), official.begin() + part.available);
    part.validation.assign(official.begin() + part.available, official.end());
  }
  part.train = first_of(std::move(part.train), settings.train_limit);
  return part;
}

Indices first_of(Indices indices, std::int64_t limit) {
  if (limit > 0 && limit < static_cast<std::int64_t>(indices.size())) {
    indices.resize(static_cast<std::size_t>(limit));
  }
  return indices;
}

void add_remark(const std::string& remark, std::string& all) {
  if (!remark.empty()) all += (all.empty() ? "" : ", ") + remark;
}

namespace {

/// "1 of 3 classes is not in the test part: 'b'"; "" if each class is there.
std::string missing_classes(const std::string& part, const Dataset& dataset) {
  const std::vector<std::string>& class_names = dataset.class_names();
  std::vector<bool> there(class_names.size());
  for (std::int64_t i = 0; i < dataset.size(); ++i) there[static_cast<std::size_t>(dataset.label(i))] = true;
  std::vector<std::string> missing;
  for (std::size_t label = 0; label < class_names.size(); ++label) {
    if (!there[label]) missing.push_back("'" + class_names[label] + "'");
  }
  if (missing.empty()) return "";
  constexpr std::size_t kNamed = 5;
  const std::size_t count = missing.size();
  missing.resize(std::min(count, kNamed));
  return fmt::format("{} of {} classes {} not in the {} part: {}{}", count, class_names.size(),
                     count == 1 ? "is" : "are", part, fmt::join(missing, ", "),
                     count > kNamed ? ", ..." : "");
}

}  // namespace

void add_missing_classes(const DataSplits& splits, std::string& all) {
  for (const auto& [part, dataset] :
       {std::make_pair("training", splits.train), std::make_pair("validation", splits.validation),
        std::make_pair("test", splits.test)}) {
    if (dataset != nullptr) add_remark(missing_classes(part, *dataset), all);
  }
}

std::string describe_splits(const SplitSummary& summary, const DataSettings& settings) {
  const TrainingPart& training = summary.training;
  std::string text = summary.title + ":";
  if (training.available == 0) {
    text +=
        fmt::format(" {} test ({})", count_text(summary.test, summary.test_available), summary.how_tested);
    return summary.remark.empty() ? text : text + "; " + summary.remark;
  }
  text += fmt::format(" {} training",
                      count_text(static_cast<std::int64_t>(training.train.size()), training.available));
  if (training.validation.empty()) {
    text += ", no validation";
  } else {
    text += fmt::format(", {} validation ({})",
                        with_separators(static_cast<std::int64_t>(training.validation.size())),
                        summary.official_validation ? "official"
                        : summary.random_validation
                            ? fmt::format("drawn from the training part, split_seed {}", settings.split_seed)
                            : "the last of the training part");
  }
  text += summary.test_available == 0
              ? ", no test part"
              : fmt::format(", {} test ({})", count_text(summary.test, summary.test_available),
                            summary.how_tested);
  return summary.remark.empty() ? text : text + "; " + summary.remark;
}

std::string partial_remark(const DatasetInfo& info, const std::string& split, std::int64_t found,
                           const std::string& noun) {
  for (const SplitInfo& official : info.splits) {
    if (official.name == split && official.samples() != found) {
      return fmt::format("{} of {} {}", with_separators(found), with_separators(official.samples()), noun);
    }
  }
  return "";
}

}  // namespace spikeloom::data
