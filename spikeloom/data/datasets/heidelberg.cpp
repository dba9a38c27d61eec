#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/recording_splits.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/formats/events/hdf5/hdf5_spikes.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// Inputs: the channels of the cochlea, a row of pixels.
constexpr int kChannels = 700;

events::EventStream read_recording(const Recording& recording, ReadNotes&) {
  // The recordings of a file are mostly asked for in turn.
  thread_local std::unique_ptr<formats::Hdf5SpikeFile> file;
  thread_local std::string path;
  if (file == nullptr || path != recording.path) {
    file = nullptr;
    file = std::make_unique<formats::Hdf5SpikeFile>(recording.path);
    path = recording.path;
  }
  return {kChannels, 1, file->read(recording.number)};
}

/// shd_train.h5, ssc_valid.h5, ...
fs::path part_path(const Source& source, const fs::path& root, const std::string& part) {
  return root / (source.info.name + "_" + part + ".h5");
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The recordings of a file with their labels; none if the file is not there.
std::vector<Recording> part_recordings(const Source& source, const fs::path& path) {
  std::vector<Recording> recordings;
  if (!is_file(path)) return recordings;
  const std::vector<std::int64_t> labels = formats::Hdf5SpikeFile(path.string()).labels();
  const auto classes = static_cast<std::int64_t>(source.info.class_names.size());
  if (labels.empty()) throw FormatError("has no labels", path.string());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) {
      throw FormatError(fmt::format("recording {} has label {}, there are {} classes", i, labels[i], classes),
                        path.string());
    }
    recordings.push_back({path.string(), static_cast<std::int64_t>(i), static_cast<int>(labels[i]),
                          fmt::format("recording {}", i)});
  }
  return recordings;
}

DataSplits open_heidelberg(const Source& source, const DataSettings& settings, int num_steps,
                           const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random"});
  if (settings.downsample != 1) {
    throw ConfigError(
        fmt::format("{} has one row of {} inputs: it is not made smaller", info.name, kChannels), "", 0,
        "data.downsample");
  }
  refuse_reader_settings(info, settings, true);
  RecordingFormat format = recording_format(info, settings, num_steps, {}, kChannels, 1);
  format.reader = read_recording;
  format.cache_scope.clear();
  format.channels = info.channels;
  RecordingParts parts;
  const bool test_only = wanted == Parts::kTest;
  if (!test_only) {
    parts.train = part_recordings(source, part_path(source, root, "train"));
    parts.validation = part_recordings(source, part_path(source, root, "valid"));
  }
  parts.test = part_recordings(source, part_path(source, root, "test"));
  if (parts.train.empty() && !test_only) {
    throw DataError(fmt::format("{} in {} has no training recordings. Expected: {}. To get it: {}",
                                info.title, root.string(), info.layout, info.how_to_get));
  }
  parts.random_validation = settings.split == "random";
  parts.how_tested = "official";
  if (!test_only)
    parts.remark = partial_remark(info, "train", static_cast<std::int64_t>(parts.train.size()),
                                  "recordings for training");
  parts.test_missing = fmt::format("{} has no test part: {} is missing. To get it: {}", info.title,
                                   part_path(source, root, "test").string(), info.how_to_get);
  return make_recording_splits(info.name, info.title, info.class_names, parts, settings, format);
}

void verify_heidelberg(const Source& source, const VerifyRequest& request, const fs::path& root,
                       VerifyReport& report) {
  for (std::size_t i = 0; i < report.counts.size(); ++i) {
    const fs::path path = part_path(source, root, source.info.splits[i].name);
    FileCheck check{path.string(), false, "missing", !is_file(path)};
    try {
      const std::vector<Recording> recordings = part_recordings(source, path);
      std::int64_t done = 0;
      for (const Recording& recording : recordings) {
        ++report.counts[i].per_class[static_cast<std::size_t>(recording.label)];
        if (report.depth == VerifyDepth::kFull) {
          ReadNotes notes;
          read_recording(recording, notes);
          if (request.progress)
            request.progress(path.string(), ++done, static_cast<std::int64_t>(recordings.size()));
        }
      }
      const auto found = static_cast<std::int64_t>(recordings.size());
      if (is_file(path)) {
        check.ok = found == source.info.splits[i].samples();
        check.missing = found < source.info.splits[i].samples();
        check.message = fmt::format("{} of {} recordings", with_separators(found),
                                    with_separators(source.info.splits[i].samples()));
      }
    } catch (const Error& error) {
      check.message = error.what();
    }
    report.checks.push_back(check);
  }
}

Source heidelberg_source(const std::string& name, const std::string& title) {
  Source source{};
  DatasetInfo& info = source.info;
  info.name = name;
  info.title = title;
  info.home_page = "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/";
  info.how_to_get = fmt::format(
      "spikeloom data fetch {0}, or download the {0}_*.h5.zip from {1} and unpack them in "
      "DATA/{0}",
      name, info.home_page);
  info.citation =
      "Cramer, Stradmann, Schemmel, Zenke: The Heidelberg spiking data sets for the systematic evaluation of "
      "spiking "
      "neural networks, IEEE Transactions on Neural Networks and Learning Systems 33 (2022)";
  info.licence = "CC BY 4.0";
  info.is_recordings = true;
  info.sensor_width = kChannels;
  info.sensor_height = 1;
  info.channels = 1;
  source.open = open_heidelberg;
  source.verify = verify_heidelberg;
  return source;
}

std::string archive_url(const std::string& file) { return "https://zenkelab.org/datasets/" + file; }

}  // namespace

const Source& shd_source() {
  static const Source source = [] {
    Source shd = heidelberg_source("shd", "Spiking Heidelberg Digits");
    DatasetInfo& info = shd.info;
    info.description =
        "spoken digits, English and German, as spikes of 700 cochlea channels, about 1 s, 20 classes, 8,156 "
        "training "
        "and 2,264 test recordings";
    info.folders = {"shd", "SHD", "hdspikes"};
    info.layout = "shd_train.h5 and shd_test.h5";
    // MD5: published beside the files (md5sums.txt), as tonic and SpikingJelly check them.
    info.downloads = {
        {"shd_train.h5.zip", archive_url("shd_train.h5.zip"), "f3252aeb598ac776c1b526422d90eecb"},
        {"shd_test.h5.zip", archive_url("shd_test.h5.zip"), "1503a5064faa34311c398fb0a1ed0a6f"}};
    info.splits = {{"train", {}, 8156}, {"test", {}, 2264}};
    info.class_names = {"zero", "one",  "two",  "three", "four", "five", "six",   "seven",  "eight", "nine",
                        "null", "eins", "zwei", "drei",  "vier", "fünf", "sechs", "sieben", "acht",  "neun"};
    shd.recognizes = [](const fs::path& root) {
      return is_file(root / "shd_train.h5") || is_file(root / "shd_test.h5");
    };
    return shd;
  }();
  return source;
}

const Source& ssc_source() {
  static const Source source = [] {
    Source ssc = heidelberg_source("ssc", "Spiking Speech Commands");
    DatasetInfo& info = ssc.info;
    info.description =
        "35 spoken words as spikes of 700 cochlea channels, about 1 s, 75,466 training, 9,981 validation and "
        "20,382 "
        "test recordings";
    info.folders = {"ssc", "SSC", "hdspikes"};
    info.layout = "ssc_train.h5, ssc_valid.h5 and ssc_test.h5";
    info.downloads = {
        {"ssc_train.h5.zip", archive_url("ssc_train.h5.zip"), "d102be95e7144fcc0553d1f45ba94170"},
        {"ssc_valid.h5.zip", archive_url("ssc_valid.h5.zip"), "b4eee3516a4a90dd0c71a6ac23a8ae43"},
        {"ssc_test.h5.zip", archive_url("ssc_test.h5.zip"), "a35ff1e9cffdd02a20eb850c17c37748"}};
    info.splits = {{"train", {}, 75466}, {"valid", {}, 9981}, {"test", {}, 20382}};
    // The words' names are in the files (extra/keys); here they are their numbers.
    for (int word = 0; word < 35; ++word) info.class_names.push_back(fmt::format("word {}", word));
    ssc.recognizes = [](const fs::path& root) {
      return is_file(root / "ssc_train.h5") || is_file(root / "ssc_valid.h5") ||
             is_file(root / "ssc_test.h5");
    };
    return ssc;
  }();
  return source;
}

}  // namespace spikeloom::data
