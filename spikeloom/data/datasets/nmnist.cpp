#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr int kNmnistSensorSide = 34;
constexpr int kNmnistNumDigits = 5;
constexpr int kNmnistClasses = 10;
constexpr const char* kNmnistSuffix = ".bin";

formats::EventReaderOptions nmnist_reader_options(const DataSettings& settings) {
  return options_of_set(nmnist_source().info, settings, "atis-bin", kNmnistSensorSide, kNmnistSensorSide);
}

bool recognizes_nmnist(const fs::path& root) {
  for (const char* part : {"Train", "Test"}) {
    for (int digit = 0; digit < kNmnistClasses; ++digit) {
      if (has_recording(root / part / std::to_string(digit), "", kNmnistNumDigits, kNmnistSuffix))
        return true;
    }
  }
  return false;
}

std::vector<Recording> digit_recordings(const fs::path& part, int digit) {
  return list_recordings(part / std::to_string(digit), digit, "", kNmnistNumDigits, kNmnistSuffix);
}

/// All recordings of Train or Test in the order of their official numbers.
std::vector<Recording> part_recordings(const fs::path& part) {
  std::vector<Recording> all;
  for (int digit = 0; digit < kNmnistClasses; ++digit) {
    for (Recording& recording : digit_recordings(part, digit)) all.push_back(std::move(recording));
  }
  std::sort(all.begin(), all.end(),
            [](const Recording& a, const Recording& b) { return a.number < b.number; });
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].number == all[i - 1].number) {
      throw DataError(
          fmt::format("{} and {} have the same number: remove the one that is in the wrong folder",
                      all[i - 1].path, all[i].path));
    }
  }
  return all;
}

DataSplits open_nmnist(const Source& source, const DataSettings& settings, int num_steps,
                       const fs::path& root, Parts parts) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random"});
  const RecordingFormat format = recording_format(info, settings, num_steps, nmnist_reader_options(settings),
                                                  kNmnistSensorSide, kNmnistSensorSide);
  const bool test_only = parts == Parts::kTest;
  const std::vector<Recording> training =
      test_only ? std::vector<Recording>{} : part_recordings(root / "Train");
  if (training.empty() && !test_only) {
    throw DataError(fmt::format("{} in {} has no training recordings. Expected: {}. To get it: {}",
                                info.title, root.string(), info.layout, info.how_to_get));
  }
  const std::vector<Recording> test = part_recordings(root / "Test");

  SplitSummary summary;
  summary.title = info.title;
  summary.random_validation = settings.split == "random";
  const auto training_count = static_cast<std::int64_t>(training.size());
  if (!test_only)
    summary.training = hold_out(all_indices(training_count), settings, summary.random_validation);
  summary.test_available = static_cast<std::int64_t>(test.size());
  const Indices tested = first_of(all_indices(summary.test_available), settings.test_limit);
  summary.test = static_cast<std::int64_t>(tested.size());
  summary.how_tested = "official";
  if (!test_only) summary.remark = partial_remark(info, "train", training_count, "recordings in Train");
  if (!test.empty()) {
    const std::string remark = partial_remark(info, "test", summary.test_available, "recordings in Test");
    if (!remark.empty()) summary.remark += (summary.remark.empty() ? "" : ", ") + remark;
  }

  const auto part = [&](const std::vector<Recording>& recordings, const Indices& indices) {
    std::vector<Recording> chosen;
    for (const std::int64_t i : indices) chosen.push_back(recordings[static_cast<std::size_t>(i)]);
    return std::make_shared<const RecordingDataset>(info.name, info.class_names, std::move(chosen), format);
  };
  DataSplits splits;
  if (!test_only) splits.train = part(training, summary.training.train);
  if (!summary.training.validation.empty()) splits.validation = part(training, summary.training.validation);
  if (test.empty()) {
    splits.test_missing = fmt::format(
        "{} in {} has no test part: the folder Test/<digit>/<5 digits>.bin is missing or empty. To get it: "
        "{}",
        info.title, root.string(), info.how_to_get);
  } else {
    splits.test = part(test, tested);
  }
  splits.description = describe_splits(summary, settings);
  return splits;
}

void verify_nmnist(const Source& source, const VerifyRequest& request, const fs::path& root,
                   VerifyReport& report) {
  for (std::size_t part = 0; part < report.counts.size(); ++part) {
    const fs::path folder = root / (part == 0 ? "Train" : "Test");
    for (std::size_t digit = 0; digit < kNmnistClasses; ++digit) {
      const std::vector<Recording> recordings = digit_recordings(folder, static_cast<int>(digit));
      report.counts[part].per_class[digit] = static_cast<std::int64_t>(recordings.size());
      verify_recordings((folder / std::to_string(digit)).string(), recordings,
                        file_reader(nmnist_reader_options(request.settings)),
                        source.info.splits[part].per_class[digit], request, report);
    }
  }
}

}  // namespace

const Source& nmnist_source() {
  static const Source source = [] {
    Source nmnist{};
    DatasetInfo& info = nmnist.info;
    info.name = "n-mnist";
    info.title = "N-MNIST";
    info.description =
        "MNIST seen by a moving event camera, 34 x 34, about 0.3 s in three saccades, 10 classes, 60,000 "
        "training "
        "and 10,000 test recordings";
    info.home_page = "https://www.garrickorchard.com/datasets/n-mnist";
    info.how_to_get = "spikeloom data fetch n-mnist, or download Train.zip and Test.zip from " +
                      info.home_page +
                      " and unpack them in DATA/nmnist, which makes DATA/nmnist/Train and DATA/nmnist/Test";
    info.citation =
        "Orchard, Jayawant, Cohen, Thakor: Converting static image datasets to spiking neuromorphic datasets "
        "using "
        "saccades, Frontiers in Neuroscience 9 (2015)";
    info.licence = "CC BY-SA 4.0";
    info.folders = {"nmnist", "N-MNIST", "NMNIST", "n-mnist"};
    info.layout = "Train/<digit>/<5 digits>.bin and Test/<digit>/<5 digits>.bin (a part of them will do)";
    info.is_recordings = true;
    info.sensor_width = info.sensor_height = kNmnistSensorSide;
    // Its authors' folder on Mendeley Data, MD5 as SpikingJelly and tonic check them.
    const std::string mendeley = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/";
    info.downloads = {{"Train.zip", mendeley + "39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
                       "20959b8e626244a1b502305a9e6e2031"},
                      {"Test.zip", mendeley + "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
                       "69ca8762b2fe404d9b9bad1103e97832"}};
    info.splits = mnist_source().info.splits;
    info.class_names = mnist_source().info.class_names;
    nmnist.recognizes = recognizes_nmnist;
    nmnist.open = open_nmnist;
    nmnist.verify = verify_nmnist;
    return nmnist;
  }();
  return source;
}

}  // namespace spikeloom::data
