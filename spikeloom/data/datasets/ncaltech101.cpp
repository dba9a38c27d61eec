#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/recording_splits.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// The recordings are of different sizes; the images were made to fit in this (Orchard et al. 2015).
constexpr int kWidth = 240, kHeight = 180;
constexpr const char* kPrefix = "image_";
constexpr const char* kNcaltech101Suffix = ".bin";
constexpr int kNcaltech101NumDigits = 4;
/// Numbers that this divides are for the test.
constexpr std::int64_t kTestShare = 5;

struct CaltechClass {
  const char* name;
  std::int64_t recordings;
};

/// In order of their names' bytes; "Faces" of Caltech-101 is not among them. Counts: as tonic checks them
/// (tonic/datasets/ncaltech101.py, cls_count), 8,709 together.
constexpr CaltechClass kNcaltech101Classes[] = {{"BACKGROUND_Google", 467},
                                                {"Faces_easy", 435},
                                                {"Leopards", 200},
                                                {"Motorbikes", 798},
                                                {"accordion", 55},
                                                {"airplanes", 800},
                                                {"anchor", 42},
                                                {"ant", 42},
                                                {"barrel", 47},
                                                {"bass", 54},
                                                {"beaver", 46},
                                                {"binocular", 33},
                                                {"bonsai", 128},
                                                {"brain", 98},
                                                {"brontosaurus", 43},
                                                {"buddha", 85},
                                                {"butterfly", 91},
                                                {"camera", 50},
                                                {"cannon", 43},
                                                {"car_side", 123},
                                                {"ceiling_fan", 47},
                                                {"cellphone", 59},
                                                {"chair", 62},
                                                {"chandelier", 107},
                                                {"cougar_body", 47},
                                                {"cougar_face", 69},
                                                {"crab", 73},
                                                {"crayfish", 70},
                                                {"crocodile", 50},
                                                {"crocodile_head", 51},
                                                {"cup", 57},
                                                {"dalmatian", 67},
                                                {"dollar_bill", 52},
                                                {"dolphin", 65},
                                                {"dragonfly", 68},
                                                {"electric_guitar", 75},
                                                {"elephant", 64},
                                                {"emu", 53},
                                                {"euphonium", 64},
                                                {"ewer", 85},
                                                {"ferry", 67},
                                                {"flamingo", 67},
                                                {"flamingo_head", 45},
                                                {"garfield", 34},
                                                {"gerenuk", 34},
                                                {"gramophone", 51},
                                                {"grand_piano", 99},
                                                {"hawksbill", 100},
                                                {"headphone", 42},
                                                {"hedgehog", 54},
                                                {"helicopter", 88},
                                                {"ibis", 80},
                                                {"inline_skate", 31},
                                                {"joshua_tree", 64},
                                                {"kangaroo", 86},
                                                {"ketch", 114},
                                                {"lamp", 61},
                                                {"laptop", 81},
                                                {"llama", 78},
                                                {"lobster", 41},
                                                {"lotus", 66},
                                                {"mandolin", 43},
                                                {"mayfly", 40},
                                                {"menorah", 87},
                                                {"metronome", 32},
                                                {"minaret", 76},
                                                {"nautilus", 55},
                                                {"octopus", 35},
                                                {"okapi", 39},
                                                {"pagoda", 47},
                                                {"panda", 38},
                                                {"pigeon", 45},
                                                {"pizza", 53},
                                                {"platypus", 34},
                                                {"pyramid", 57},
                                                {"revolver", 82},
                                                {"rhino", 59},
                                                {"rooster", 49},
                                                {"saxophone", 40},
                                                {"schooner", 63},
                                                {"scissors", 39},
                                                {"scorpion", 84},
                                                {"sea_horse", 57},
                                                {"snoopy", 35},
                                                {"soccer_ball", 64},
                                                {"stapler", 45},
                                                {"starfish", 86},
                                                {"stegosaurus", 59},
                                                {"stop_sign", 64},
                                                {"strawberry", 35},
                                                {"sunflower", 85},
                                                {"tick", 49},
                                                {"trilobite", 86},
                                                {"umbrella", 75},
                                                {"watch", 239},
                                                {"water_lilly", 37},
                                                {"wheelchair", 59},
                                                {"wild_cat", 34},
                                                {"windsor_chair", 56},
                                                {"wrench", 39},
                                                {"yin_yang", 60}};

formats::EventReaderOptions ncaltech101_reader_options(const DataSettings& settings) {
  return options_of_set(ncaltech101_source().info, settings, "atis-bin", kWidth, kHeight);
}

bool recognizes_ncaltech101(const fs::path& root) {
  return std::any_of(
      std::begin(kNcaltech101Classes), std::end(kNcaltech101Classes), [&](const CaltechClass& one) {
        return has_recording(root / one.name, kPrefix, kNcaltech101NumDigits, kNcaltech101Suffix);
      });
}

std::vector<Recording> class_recordings(const fs::path& root, std::size_t label) {
  return list_recordings(root / kNcaltech101Classes[label].name, static_cast<int>(label), kPrefix,
                         kNcaltech101NumDigits, kNcaltech101Suffix);
}

DataSplits open_ncaltech101(const Source& source, const DataSettings& settings, int num_steps,
                            const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random"});
  const RecordingFormat format =
      recording_format(info, settings, num_steps, ncaltech101_reader_options(settings), kWidth, kHeight);
  std::vector<Recording> all;
  for (std::size_t label = 0; label < std::size(kNcaltech101Classes); ++label) {
    for (Recording& recording : class_recordings(root, label)) all.push_back(std::move(recording));
  }
  std::sort(all.begin(), all.end(), [](const Recording& a, const Recording& b) {
    return std::make_pair(a.number, a.label) < std::make_pair(b.number, b.label);
  });
  RecordingParts parts;
  if (settings.split == "random") {
    const std::vector<bool> is_test =
        test_fold(all, std::size(kNcaltech101Classes), kTestShare, 0, settings.split_seed);
    divide(
        all, [&](std::size_t i) { return is_test[i]; }, parts);
    parts.how_tested =
        fmt::format("one of {} of each class, drawn, split_seed {}", kTestShare, settings.split_seed);
  } else {
    divide(
        all, [&](std::size_t i) { return all[i].number % kTestShare == 0; }, parts);
    parts.how_tested = fmt::format("numbers divisible by {}", kTestShare);
  }
  if (parts.train.empty() && wanted != Parts::kTest) {
    throw DataError(fmt::format("{} in {} has no training recordings. Expected: {}", info.title,
                                root.string(), info.layout));
  }
  if (wanted == Parts::kTest) parts.train.clear();
  parts.test_missing = fmt::format("{} in {} has no test recordings ({}). To get them: {}", info.title,
                                   root.string(), parts.how_tested, info.how_to_get);
  parts.random_validation = true;
  parts.validation_item = std::size(kNcaltech101Classes);
  parts.remark = partial_remark(info, "all", static_cast<std::int64_t>(all.size()), "recordings");
  return make_recording_splits(info.name, info.title, info.class_names, parts, settings, format);
}

void verify_ncaltech101(const Source& source, const VerifyRequest& request, const fs::path& root,
                        VerifyReport& report) {
  for (std::size_t label = 0; label < std::size(kNcaltech101Classes); ++label) {
    const std::vector<Recording> recordings = class_recordings(root, label);
    report.counts[0].per_class[label] = static_cast<std::int64_t>(recordings.size());
    verify_recordings((root / kNcaltech101Classes[label].name).string(), recordings,
                      file_reader(ncaltech101_reader_options(request.settings)),
                      source.info.splits[0].per_class[label], request, report);
  }
}

}  // namespace

const Source& ncaltech101_source() {
  static const Source source = [] {
    Source caltech{};
    DatasetInfo& info = caltech.info;
    info.name = "n-caltech101";
    info.title = "N-Caltech101";
    info.description =
        "Caltech-101 images seen by a moving event camera, at most 240 x 180, about 0.3 s in three saccades, "
        "101 "
        "classes (one of them background), 8,709 recordings without official split";
    info.home_page = "https://www.garrickorchard.com/datasets/n-caltech101";
    info.how_to_get = "download Caltech101.zip (MD5 66201824eabb0239c7ab992480b50ba3) with a browser from " +
                      info.home_page +
                      " and unpack it in DATA/n-caltech101, which makes DATA/n-caltech101/Caltech101";
    info.citation =
        "Orchard, Jayawant, Cohen, Thakor: Converting static image datasets to spiking neuromorphic datasets "
        "using saccades, Frontiers in Neuroscience 9 (2015)";
    info.licence = "CC BY-SA 4.0";
    info.folders = {"n-caltech101", "n-caltech101/Caltech101", "N-Caltech101", "N-Caltech101/Caltech101",
                    "Caltech101"};
    info.layout = "<class>/image_<4 digits>.bin, 101 classes (a part of them will do)";
    info.is_recordings = true;
    info.sensor_width = kWidth;
    info.sensor_height = kHeight;
    SplitInfo all{"all", {}, 0};
    for (const CaltechClass& one : kNcaltech101Classes) {
      info.class_names.emplace_back(one.name);
      all.per_class.push_back(one.recordings);
    }
    info.splits = {all};
    caltech.recognizes = recognizes_ncaltech101;
    caltech.open = open_ncaltech101;
    caltech.verify = verify_ncaltech101;
    return caltech;
  }();
  return source;
}

}  // namespace spikeloom::data
