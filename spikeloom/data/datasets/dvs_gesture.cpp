#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/recording_splits.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr int kDvsGestureSensorSide = 128;
constexpr const char* kTrainList = "trials_to_train.txt";
constexpr const char* kTestList = "trials_to_test.txt";

struct Span {
  std::int64_t begin_us = 0, end_us = 0;
};

std::string piece_of(const Span& span) { return fmt::format("{} {}", span.begin_us, span.end_us); }

Span span_of(const std::string& piece) {
  Span span;
  std::istringstream(piece) >> span.begin_us >> span.end_us;
  return span;
}

formats::EventReaderOptions dvs_gesture_reader_options(const DataSettings& settings) {
  return options_of_set(dvs_gesture_source().info, settings, "auto", kDvsGestureSensorSide,
                        kDvsGestureSensorSide);
}

/// The events of one gesture: those with begin <= t < end. What was left out of its file is told with the
/// first of the file's gestures.
events::EventStream read_gesture(const Recording& recording, const formats::EventReaderOptions& options,
                                 ReadNotes& notes) {
  // A file holds some twelve gestures, mostly asked for in turn.
  thread_local events::EventStream whole;
  thread_local ReadNotes whole_notes;
  thread_local std::string read;
  const std::string wanted = recording.path + '\0' + options_text(options);
  if (read != wanted) {
    read.clear();
    whole_notes = {};
    whole = read_recording_file(recording.path, options, whole_notes);
    read = wanted;
  }
  if (recording.number == 0) notes = whole_notes;
  const Span span = span_of(recording.piece);
  events::EventStream gesture{kDvsGestureSensorSide, kDvsGestureSensorSide, {}};
  for (const events::Event& event : whole.events) {
    if (event.t_us >= span.begin_us && event.t_us < span.end_us) gesture.events.push_back(event);
  }
  return gesture;
}

RecordingReader gesture_reader(const DataSettings& settings) {
  const formats::EventReaderOptions options = dvs_gesture_reader_options(settings);
  return [options](const Recording& recording, ReadNotes& notes) {
    return read_gesture(recording, options, notes);
  };
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::istringstream text(read_text_file(path.string()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

/// class (1 to 11), first and last microsecond, from a line of a labels file.
Recording parse_gesture(const std::string& line, std::size_t number, const fs::path& labels,
                        const fs::path& events, std::size_t classes) {
  std::int64_t values[3] = {};
  const char* at = line.data();
  const char* const end = at + line.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, values[i]);
    const bool last = i == 2;
    if (error != std::errc{} || (last ? next != end : next == end || *next != ',')) {
      throw FormatError(fmt::format("line {} is not 'class,startTime_usec,endTime_usec': '{}'", number, line),
                        labels.string());
    }
    at = next + 1;
  }
  if (values[0] < 1 || values[0] > static_cast<std::int64_t>(classes) || values[1] >= values[2]) {
    throw FormatError(
        fmt::format("line {}: class {} from {} to {} us: classes run from 1 to {}, and a gesture ends after "
                    "it begins",
                    number, values[0], values[1], values[2], classes),
        labels.string());
  }
  return {events.string(), 0, static_cast<int>(values[0] - 1), piece_of({values[1], values[2]})};
}

/// The gestures of all trials of a list, in its order. Trials whose files are not there are left out.
std::vector<Recording> gestures_of(const fs::path& root, const char* list, std::size_t classes) {
  std::vector<Recording> gestures;
  std::error_code ignored;
  if (!fs::is_regular_file(root / list, ignored)) return gestures;
  for (const std::string& trial : lines_of(root / list)) {
    if (trial.empty()) continue;
    const fs::path events = root / fs::path(trial).filename();
    const fs::path labels = root / (events.stem().string() + "_labels.csv");
    if (!fs::is_regular_file(events, ignored)) continue;
    const std::vector<std::string> lines = lines_of(labels);
    std::int64_t in_trial = 0;
    for (std::size_t i = 1; i < lines.size(); ++i) {  // the first names the columns
      if (lines[i].empty()) continue;
      Recording gesture = parse_gesture(lines[i], i + 1, labels, events, classes);
      gesture.number = in_trial++;
      gestures.push_back(std::move(gesture));
    }
  }
  return gestures;
}

bool recognizes_dvs_gesture(const fs::path& root) {
  std::error_code ignored;
  return fs::is_regular_file(root / kTrainList, ignored) || fs::is_regular_file(root / kTestList, ignored);
}

DataSplits open_dvs_gesture(const Source& source, const DataSettings& settings, int num_steps,
                            const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  check_split_name(settings, info.name, {"default", "random"});
  RecordingFormat format = recording_format(info, settings, num_steps, dvs_gesture_reader_options(settings),
                                            kDvsGestureSensorSide, kDvsGestureSensorSide);
  format.reader = gesture_reader(settings);
  RecordingParts parts;
  const bool test_only = wanted == Parts::kTest;
  if (!test_only) parts.train = gestures_of(root, kTrainList, info.class_names.size());
  parts.test = gestures_of(root, kTestList, info.class_names.size());
  if (parts.train.empty() && !test_only) {
    throw DataError(fmt::format("{} in {} has no training recordings. Expected: {}. To get it: {}",
                                info.title, root.string(), info.layout, info.how_to_get));
  }
  parts.random_validation = settings.split == "random";
  parts.how_tested = "official";
  parts.test_missing = fmt::format("{} in {} has none of the trials of {}. To get them: {}", info.title,
                                   root.string(), kTestList, info.how_to_get);
  if (!test_only)
    parts.remark =
        partial_remark(info, "train", static_cast<std::int64_t>(parts.train.size()), "gestures for training");
  return make_recording_splits(info.name, info.title, info.class_names, parts, settings, format);
}

void verify_dvs_gesture(const Source& source, const VerifyRequest& request, const fs::path& root,
                        VerifyReport& report) {
  for (std::size_t part = 0; part < report.counts.size(); ++part) {
    const char* const list = part == 0 ? kTrainList : kTestList;
    try {
      const std::vector<Recording> gestures = gestures_of(root, list, source.info.class_names.size());
      for (const Recording& gesture : gestures) {
        ++report.counts[part].per_class[static_cast<std::size_t>(gesture.label)];
      }
      verify_recordings((root / list).string(), gestures, gesture_reader(request.settings),
                        source.info.splits[part].samples(), request, report);
    } catch (const Error& error) {
      report.checks.push_back({(root / list).string(), false, error.what()});
    }
  }
}

}  // namespace

const Source& dvs_gesture_source() {
  static const Source source = [] {
    Source gesture{};
    DatasetInfo& info = gesture.info;
    info.name = "dvs128-gesture";
    info.title = "DVS128 Gesture";
    info.description =
        "hand and arm gestures of 29 people under three lights, 128 x 128, about 6 s, 11 classes, 1,176 "
        "training and "
        "288 test recordings (98 and 24 files of 12)";
    info.home_page = "https://research.ibm.com/interactive/dvsgesture/";
    info.how_to_get =
        "its host gives it to browsers only: download DvsGesture.tar.gz (MD5 "
        "8a5c71fb11e24e5ca5b11866ca6c00a1) from "
        "https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8/folder/50167556794 and unpack it in "
        "DATA, which "
        "makes DATA/DvsGesture";
    info.citation =
        "Amir et al.: A low power, fully event-based gesture recognition system, Conference on Computer "
        "Vision and "
        "Pattern Recognition (2017)";
    info.licence = "CC BY 4.0";
    info.folders = {"DvsGesture", "dvs128-gesture", "dvs128-gesture/DvsGesture", "DVS128Gesture"};
    info.layout =
        "trials_to_train.txt, trials_to_test.txt, user<nn>_<light>.aedat and user<nn>_<light>_labels.csv (a "
        "part of "
        "the trials will do)";
    info.is_recordings = true;
    info.sensor_width = info.sensor_height = kDvsGestureSensorSide;
    info.splits = {{"train", {}, 1176}, {"test", {}, 288}};
    // As gesture_mapping.csv names them.
    info.class_names = {"hand_clapping",
                        "right_hand_wave",
                        "left_hand_wave",
                        "right_arm_clockwise",
                        "right_arm_counter_clockwise",
                        "left_arm_clockwise",
                        "left_arm_counter_clockwise",
                        "arm_roll",
                        "air_drums",
                        "air_guitar",
                        "other_gestures"};
    gesture.recognizes = recognizes_dvs_gesture;
    gesture.open = open_dvs_gesture;
    gesture.verify = verify_dvs_gesture;
    return gesture;
  }();
  return source;
}

}  // namespace spikeloom::data
