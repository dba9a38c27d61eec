#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr int kDvsCifar10SensorSide = 128;
constexpr std::int64_t kFirstTestNumber = 900;
constexpr std::int64_t kPaperTrainTenths = 8;
constexpr const char* kDvsCifar10Suffix = ".aedat";
/// Items of the kSplit stream: 0..9 draw the test part of a class, this one the validation samples.
constexpr std::uint64_t kValidationItem = 10;

formats::EventReaderOptions dvs_cifar10_reader_options(const DataSettings& settings) {
  formats::EventReaderOptions options = options_of_set(dvs_cifar10_source().info, settings, "aedat2",
                                                       kDvsCifar10SensorSide, kDvsCifar10SensorSide);
  options.chip = "dvs128";  // the headers do not say it
  return options;
}

std::string file_prefix(const std::string& class_name) { return "cifar10_" + class_name + "_"; }

std::vector<Recording> class_recordings(const fs::path& root, std::size_t label) {
  const std::string& name = dvs_cifar10_source().info.class_names[label];
  return list_recordings(root / name, static_cast<int>(label), file_prefix(name), 0, kDvsCifar10Suffix);
}

bool recognizes_dvs_cifar10(const fs::path& root) {
  const auto& names = dvs_cifar10_source().info.class_names;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return has_recording(root / name, file_prefix(name), 0, kDvsCifar10Suffix);
  });
}

bool comes_before(const Recording& a, const Recording& b) {
  return std::tie(a.number, a.label) < std::tie(b.number, b.label);
}

/// All recordings by (number, class): any first part of them holds the classes equally often.
std::vector<Recording> all_recordings(const fs::path& root, std::size_t classes) {
  std::vector<Recording> all;
  for (std::size_t label = 0; label < classes; ++label) {
    for (Recording& recording : class_recordings(root, label)) all.push_back(std::move(recording));
  }
  std::sort(all.begin(), all.end(), comes_before);
  return all;
}

struct NumberParts {
  Indices train, test;
};

NumberParts split_by_number(const std::vector<Recording>& all) {
  NumberParts parts;
  for (std::size_t i = 0; i < all.size(); ++i) {
    (all[i].number < kFirstTestNumber ? parts.train : parts.test).push_back(static_cast<std::int64_t>(i));
  }
  return parts;
}

/// The paper's random 8,000 and 2,000, the same share of each class (Wu et al. 2019, section "Datasets").
NumberParts split_at_random(const std::vector<Recording>& all, std::size_t classes, std::uint64_t seed) {
  NumberParts parts;
  for (std::size_t label = 0; label < classes; ++label) {
    Indices of_class;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].label == static_cast<int>(label)) of_class.push_back(static_cast<std::int64_t>(i));
    }
    const auto count = static_cast<std::int64_t>(of_class.size());
    const Indices order = random_permutation(count, seed, RandomPurpose::kSplit, label);
    for (std::int64_t i = 0; i < count; ++i) {
      (i < count * kPaperTrainTenths / 10 ? parts.train : parts.test)
          .push_back(of_class[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
    }
  }
  std::sort(parts.train.begin(), parts.train.end());
  std::sort(parts.test.begin(), parts.test.end());
  return parts;
}

DataSplits open_dvs_cifar10(const Source& source, const DataSettings& settings, int num_steps,
                            const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random", "paper"});
  const RecordingFormat format =
      recording_format(info, settings, num_steps, dvs_cifar10_reader_options(settings), kDvsCifar10SensorSide,
                       kDvsCifar10SensorSide);
  const std::vector<Recording> all = all_recordings(root, info.class_names.size());
  const bool paper = settings.split == "paper";
  const NumberParts parts =
      paper ? split_at_random(all, info.class_names.size(), settings.split_seed) : split_by_number(all);
  const bool test_only = wanted == Parts::kTest;
  if (parts.train.empty() && !test_only) {
    throw DataError(fmt::format("{} in {} has no training recordings (numbers 0 to {}). Expected: {}",
                                info.title, root.string(), kFirstTestNumber - 1, info.layout));
  }

  SplitSummary summary;
  summary.title = info.title;
  summary.random_validation = settings.split != "default";
  if (!test_only)
    summary.training = hold_out(parts.train, settings, summary.random_validation, kValidationItem);
  const Indices tested = first_of(parts.test, settings.test_limit);
  summary.test = static_cast<std::int64_t>(tested.size());
  summary.test_available = static_cast<std::int64_t>(parts.test.size());
  summary.how_tested = paper ? fmt::format("20 % of each class, drawn, split_seed {}", settings.split_seed)
                             : fmt::format("numbers {} to 999 of each class", kFirstTestNumber);
  summary.remark = partial_remark(info, "all", static_cast<std::int64_t>(all.size()), "recordings");

  const auto part = [&](const Indices& indices) {
    std::vector<Recording> chosen;
    for (const std::int64_t i : indices) chosen.push_back(all[static_cast<std::size_t>(i)]);
    return std::make_shared<const RecordingDataset>(info.name, info.class_names, std::move(chosen), format);
  };
  DataSplits splits;
  if (!test_only) splits.train = part(summary.training.train);
  if (!summary.training.validation.empty()) splits.validation = part(summary.training.validation);
  if (tested.empty()) {
    splits.test_missing =
        fmt::format("{} in {} has no test recordings ({}) for split '{}'. To get them: {}", info.title,
                    root.string(), summary.how_tested, settings.split, info.how_to_get);
  } else {
    splits.test = part(tested);
  }
  splits.description = describe_splits(summary, settings);
  return splits;
}

void verify_dvs_cifar10(const Source& source, const VerifyRequest& request, const fs::path& root,
                        VerifyReport& report) {
  for (std::size_t label = 0; label < source.info.class_names.size(); ++label) {
    const std::vector<Recording> recordings = class_recordings(root, label);
    report.counts[0].per_class[label] = static_cast<std::int64_t>(recordings.size());
    verify_recordings((root / source.info.class_names[label]).string(), recordings,
                      file_reader(dvs_cifar10_reader_options(request.settings)),
                      source.info.splits[0].per_class[label], request, report);
  }
}

}  // namespace

const Source& dvs_cifar10_source() {
  static const Source source = [] {
    Source dvs{};
    DatasetInfo& info = dvs.info;
    info.name = "dvs-cifar10";
    info.title = "DVS-CIFAR10";
    info.description =
        "CIFAR-10 images moved before an event camera, 128 x 128, about 1.3 s, 10 classes, 10,000 recordings "
        "without "
        "official split";
    info.home_page = "https://doi.org/10.6084/m9.figshare.4724671";
    info.how_to_get =
        "spikeloom data fetch dvs-cifar10, or download one archive a class (CIFAR10-DVS) from " +
        info.home_page +
        " and unpack them in DATA/dvs-cifar10, which makes DATA/dvs-cifar10/airplane and so on";
    info.citation =
        "Li, Liu, Ji, Li, Shi: CIFAR10-DVS: an event-stream dataset for object classification, Frontiers in "
        "Neuroscience 11 (2017)";
    info.licence = "as stated on its home page";
    info.folders = {"dvs-cifar10", "DVS-CIFAR10", "CIFAR10DVS", "cifar10-dvs"};
    info.layout =
        "<class>/cifar10_<class>_<number>.aedat, 10 classes, numbers 0 to 999 (a part of them will do)";
    info.is_recordings = true;
    info.sensor_width = info.sensor_height = kDvsCifar10SensorSide;
    // figshare 4724671, MD5 as SpikingJelly checks them.
    const std::string figshare = "https://ndownloader.figshare.com/files/";
    info.downloads = {{"airplane.zip", figshare + "7712788", "0afd5c4bf9ae06af762a77b180354fdd"},
                      {"automobile.zip", figshare + "7712791", "8438dfeba3bc970c94962d995b1b9bdd"},
                      {"bird.zip", figshare + "7712794", "a9c207c91c55b9dc2002dc21c684d785"},
                      {"cat.zip", figshare + "7712812", "52c63c677c2b15fa5146a8daf4d56687"},
                      {"deer.zip", figshare + "7712815", "b6bf21f6c04d21ba4e23fc3e36c8a4a3"},
                      {"dog.zip", figshare + "7712818", "f379ebdf6703d16e0a690782e62639c3"},
                      {"frog.zip", figshare + "7712842", "cad6ed91214b1c7388a5f6ee56d08803"},
                      {"horse.zip", figshare + "7712851", "e7cbbf77bec584ffbf913f00e682782a"},
                      {"ship.zip", figshare + "7712836", "41c7bd7d6b251be82557c6cce9a7d5c9"},
                      {"truck.zip", figshare + "7712839", "89f3922fd147d9aeff89e76a2b0b70a7"}};
    info.splits = {{"all", std::vector<std::int64_t>(10, 1000)}};
    info.class_names = cifar10_source().info.class_names;
    dvs.recognizes = recognizes_dvs_cifar10;
    dvs.open = open_dvs_cifar10;
    dvs.verify = verify_dvs_cifar10;
    return dvs;
  }();
  return source;
}

}  // namespace spikeloom::data
