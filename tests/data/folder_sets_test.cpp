#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// Recording i of class c has i + 1 on-events at (c, 5).
void write_recording(const std::string& folder, int c, int i) {
  const std::vector<MadeEvent> events(static_cast<std::size_t>(i + 1),
                                      {100, static_cast<std::uint8_t>(c), 5, 1});
  write_bytes(folder + "/" + std::string(1, static_cast<char>('a' + c)) + "/r" + std::to_string(i) + ".aedat",
              aedat2_bytes(events));
}

void write_classes(const std::string& folder, int classes, int each) {
  for (int c = 0; c < classes; ++c) {
    for (int i = 0; i < each; ++i) write_recording(folder, c, i);
  }
}

DataSettings settings_for(const std::string& folder) {
  DataSettings settings;
  settings.dataset = "folder";
  settings.folder = folder;
  return settings;
}

/// (class, number) of every recording of a part.
std::set<std::pair<int, int>> members(const Dataset* part) {
  std::set<std::pair<int, int>> found;
  for (std::int64_t i = 0; part != nullptr && i < part->size(); ++i) {
    const auto sample = read_sample(*part, i);
    const int label = part->label(i);
    found.emplace(label, static_cast<int>(sample[static_cast<std::size_t>((5 * 128 + label) * 2 + 1)]) - 1);
  }
  return found;
}

TEST(Folder, ClassesAreItsSubFolders) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 3, 20);
  write_bytes(folder / "mine/.hidden/x", {1});
  write_bytes(folder / "mine/a/.DS_Store", {1});
  write_bytes(folder / "mine/readme.txt", {1});
  for (const std::string& named : {folder / "mine", std::string("mine")}) {
    DataSettings settings = settings_for(named);
    settings.validation_samples = 6;
    const DataSplits splits = open_dataset(settings, 1, folder.path().string());
    EXPECT_EQ(splits.train->class_names(), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(splits.train->shape().width, 128);
    const auto train = members(splits.train.get()), validation = members(splits.validation.get()),
               test = members(splits.require_test().get());
    EXPECT_EQ(validation.size(), 6u);
    EXPECT_EQ(train.size() + validation.size() + test.size(), 60u);
    std::set<std::pair<int, int>> all = train;
    all.insert(validation.begin(), validation.end());
    all.insert(test.begin(), test.end());
    EXPECT_EQ(all.size(), 60u) << "the parts are disjoint";
    EXPECT_GT(test.size(), 4u);
    EXPECT_LT(test.size(), 24u);
  }
}

TEST(Folder, MoreRecordingsMoveNoOtherBetweenTheParts) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 2, 20);
  const auto before = members(open_dataset(settings_for(folder / "mine"), 1, "").require_test().get());
  write_classes(folder / "mine", 3, 30);
  const auto after = members(open_dataset(settings_for(folder / "mine"), 1, "").require_test().get());
  for (const auto& recording : before) EXPECT_EQ(after.count(recording), 1u);
  for (const auto& recording : after) {
    if (recording.first < 2 && recording.second < 20) {
      EXPECT_EQ(before.count(recording), 1u);
    }
  }
}

TEST(Folder, TheNameDecidesByItsPublishedRule) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 2, 40);
  const auto test = members(open_dataset(settings_for(folder / "mine"), 1, "").require_test().get());
  // printf a/r0.aedat | md5sum, the first 8 digits as a number, divisible by 5: made with md5sum and awk.
  const std::set<int> of_a = {3, 10, 12, 24, 32};
  for (int i = 0; i < 40; ++i) EXPECT_EQ(test.count({0, i}), of_a.count(i)) << i;
}

TEST(Folder, EachRecordingIsTestedInOneFold) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 3, 11);
  DataSettings settings = settings_for(folder / "mine");
  settings.split = "folds";
  settings.folds = 4;
  std::map<std::pair<int, int>, int> tested;
  for (settings.fold = 0; settings.fold < 4; ++settings.fold) {
    const DataSplits splits = open_dataset(settings, 1, "");
    const auto test = members(splits.require_test().get()), train = members(splits.train.get());
    EXPECT_EQ(test.size() + train.size(), 33u);
    EXPECT_GE(test.size(), 8u);
    EXPECT_LE(test.size(), 9u);
    std::map<int, int> per_class;
    for (const auto& recording : test) {
      ++tested[recording];
      ++per_class[recording.first];
      EXPECT_EQ(train.count(recording), 0u);
    }
    for (const auto& [label, count] : per_class) EXPECT_TRUE(count == 2 || count == 3) << label;
  }
  EXPECT_EQ(tested.size(), 33u);
  for (const auto& [recording, times] : tested) EXPECT_EQ(times, 1);
  settings.fold = 1;
  const auto one = members(open_dataset(settings, 1, "").test.get());
  EXPECT_EQ(one, members(open_dataset(settings, 1, "").test.get()));
  settings.split_seed = 2;
  EXPECT_NE(one, members(open_dataset(settings, 1, "").test.get()));
  settings.fold = 4;
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(settings, 1, ""); }), "data.fold"));
}

TEST(Folder, TrainAndTestFoldersAreTheParts) {
  const TemporaryFolder folder;
  write_classes(folder / "mine/train", 2, 6);
  write_classes(folder / "mine/test", 2, 3);
  const DataSplits splits = open_dataset(settings_for(folder / "mine"), 1, "");
  EXPECT_EQ(splits.train->size(), 12);
  EXPECT_EQ(splits.require_test()->size(), 6);
  write_recording(folder / "mine/test", 2, 0);
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { open_dataset(settings_for(folder / "mine"), 1, ""); }), "'c'"));
}

TEST(Folder, MistakesAreSaid) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 1, 3);
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { open_dataset(settings_for(""), 1, ""); }), "data.folder"));
  EXPECT_TRUE(contains(message_of<DataError>([&] { open_dataset(settings_for(folder / "mine"), 1, ""); }),
                       "two classes"));
  EXPECT_TRUE(contains(message_of<DataError>([&] { open_dataset(settings_for(folder / "absent"), 1, ""); }),
                       folder / "absent"));
  write_classes(folder / "mine", 2, 3);
  DataSettings settings = settings_for(folder / "mine");
  settings.split = "paper";
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(settings, 1, ""); }), "folds"));
  settings.split = "default";
  settings.sensor_width = settings.sensor_height = 4;
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_TRUE(contains(message_of<FormatError>([&] { read_sample(*splits.train, 0); }), ".aedat"));
  write_bytes(folder / "mine/a/r0.aedat", {1, 2, 3});
  EXPECT_ANY_THROW(open_dataset(settings_for(folder / "mine"), 1, ""))
      << "the first says how large the sensor is";
}

TEST(Folder, EachClassIsInBothPartsOfTheDefaultSplit) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 12, 3);  // by the hash alone some classes would have no test part
  const DataSplits splits = open_dataset(settings_for(folder / "mine"), 1, "");
  for (const Dataset* part : {splits.train.get(), splits.require_test().get()}) {
    std::set<int> labels;
    for (std::int64_t i = 0; i < part->size(); ++i) labels.insert(part->label(i));
    EXPECT_EQ(labels.size(), 12u);
  }
  EXPECT_FALSE(contains(splits.description, "not in")) << splits.description;
  write_recording(folder / "mine", 12, 0);
  const DataSplits with_one = open_dataset(settings_for(folder / "mine"), 1, "");
  EXPECT_TRUE(contains(with_one.description, "class 'm' is not in the test part: it has one sample"))
      << with_one.description;
  DataSettings few = settings_for(folder / "mine");
  few.train_limit = 3;
  few.validation_samples = 1;
  const std::string description = open_dataset(few, 1, "").description;
  EXPECT_TRUE(contains(description, "not in the training part: ")) << description;
  EXPECT_TRUE(contains(description, "12 of 13 classes are not in the validation part")) << description;
}

TEST(Folder, WhatIsNoRecordingIsListedNotFatal) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 2, 8);
  write_bytes(folder / "mine/README.txt", {1});
  write_bytes(folder / "mine/a/readme", {1});
  write_bytes(folder / "mine/a/notes.md", {1});
  write_bytes(folder / "mine/b/deeper/r.aedat", {1});
  fs::create_directories(folder / "mine/none");
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel, const std::string& message) { lines.push_back(message); });
  const DataSplits splits = open_dataset(settings_for(folder / "mine"), 1, "");
  set_log_sink({});
  EXPECT_EQ(members(splits.train.get()).size() + members(splits.test.get()).size(), 16u);
  EXPECT_EQ(splits.train->class_names(), (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(lines.size(), 1u);
  for (const char* part : {"5 entries", "README.txt", "a/readme", "a/notes.md", "b/deeper", "none"}) {
    EXPECT_TRUE(contains(lines[0], part)) << lines[0];
  }
  VerifyRequest request;
  request.settings = settings_for(folder / "mine");
  std::int64_t told = 0;
  request.progress = [&](const std::string&, std::int64_t done, std::int64_t total) {
    EXPECT_LE(done, total);
    ++told;
  };
  const VerifyReport report = verify_dataset(request);
  EXPECT_TRUE(report.complete) << report.checks.back().message;
  EXPECT_EQ(report.counts[0].found, 16);
  EXPECT_EQ(report.checks.size(), 7u) << "five skipped, two classes";
  EXPECT_EQ(told, 16);
}

TEST(Folder, ANameThatIsNotUtf8IsAnErrorThatNamesIt) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 2, 2);
  write_bytes(folder / "mine/k\xc3\xa4se/x.aedat", aedat2_bytes({{1, 1, 1, 1}}));
  EXPECT_EQ(open_dataset(settings_for(folder / "mine"), 1, "").train->class_names().size(), 3u)
      << "UTF-8 is fine";
  write_bytes(folder / "mine/a/k\xe4se.aedat", aedat2_bytes({{1, 1, 1, 1}}));
  const std::string message =
      message_of<DataError>([&] { open_dataset(settings_for(folder / "mine"), 1, ""); });
  EXPECT_TRUE(contains(message, "'k\\xe4se.aedat' is not UTF-8")) << message;
}

TEST(Folder, IsDescribedByWhatIsInIt) {
  const TemporaryFolder folder;
  write_classes(folder / "mine", 3, 2);
  DataSettings settings = settings_for(folder / "mine");
  settings.downsample = 2;
  EXPECT_EQ(nominal_num_classes(settings), 3);
  const SampleShape shape = nominal_sample_shape(settings, 7);
  EXPECT_EQ(shape.width, 64);
  EXPECT_EQ(shape.num_steps, 7);
  EXPECT_EQ(locate_dataset("folder", folder.path().string()), "") << "not found by chance";
}

TEST(NCaltech101, SplitsByNumber) {
  const TemporaryFolder folder;
  for (const char* name : {"accordion", "yin_yang"}) {
    for (int n = 1; n <= 20; ++n) {
      char file[32];
      std::snprintf(file, sizeof(file), "/image_%04d.bin", n);
      write_bytes(folder / ("n-caltech101/Caltech101/" + std::string(name) + file),
                  atis_bytes({{500, static_cast<std::uint8_t>(n), 170, 1}}));
    }
  }
  DataSettings settings;
  settings.dataset = "n-caltech101";
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  EXPECT_EQ(splits.train->size(), 32);
  EXPECT_EQ(splits.require_test()->size(), 8);
  EXPECT_EQ(splits.train->shape().width, 240);
  EXPECT_EQ(splits.train->shape().height, 180);
  EXPECT_EQ(splits.train->class_names().size(), 101u);
  EXPECT_EQ(splits.test->label(0), 4);
  EXPECT_EQ(splits.test->label(1), 100);
  EXPECT_EQ(read_sample(*splits.test, 0)[static_cast<std::size_t>((170 * 240 + 5) * 2 + 1)], 1.0f);
  EXPECT_TRUE(contains(splits.description, "40 of 8,709")) << splits.description;
  const VerifyReport quick = verify_dataset("n-caltech101", folder.path().string(), VerifyDepth::kQuick);
  EXPECT_EQ(quick.counts[0].found, 40);
  EXPECT_FALSE(quick.complete);
}

/// How often files of a folder are opened.
class Openings {
 public:
  explicit Openings(const std::string& folder) : notes_(::inotify_init1(IN_NONBLOCK)) {
    watches_ = notes_ >= 0 && ::inotify_add_watch(notes_, folder.c_str(), IN_OPEN) >= 0;
  }
  ~Openings() {
    if (notes_ >= 0) ::close(notes_);
  }
  bool watches() const { return watches_; }
  std::map<std::string, int> counts() {
    std::map<std::string, int> counts;
    alignas(inotify_event) char buffer[1 << 14];
    for (ssize_t size = 0; (size = ::read(notes_, buffer, sizeof(buffer))) > 0;) {
      for (const char* at = buffer; at < buffer + size;) {
        const auto* note = reinterpret_cast<const inotify_event*>(at);
        if (note->len > 0 && (note->mask & IN_ISDIR) == 0) ++counts[note->name];
        at += sizeof(inotify_event) + note->len;
      }
    }
    return counts;
  }

 private:
  int notes_;
  bool watches_;
};

TEST(Folder, ARecordingIsOpenedOnceWhereTheFilesSayTheirSize) {
  const TemporaryFolder folder;
  const std::string text = "# geometry: 34,34\nt,x,y,p\n1,3,4,1\n2,5,6,0\n";
  for (const char* name : {"a", "b"}) {
    for (int i = 0; i < 10; ++i) {
      write_bytes(folder / fmt::format("mine/{}/r{}.csv", name, i),
                  std::vector<std::uint8_t>(text.begin(), text.end()));
    }
  }
  const DataSplits splits = open_dataset(settings_for(folder / "mine"), 1, "");
  Openings openings(folder / "mine/a");
  if (!openings.watches()) GTEST_SKIP() << "the system has no inotify";
  for (std::int64_t i = 0; i < splits.train->size(); ++i) read_sample(*splits.train, i);
  const std::map<std::string, int> counts = openings.counts();
  EXPECT_GE(counts.size(), 5u);
  for (const auto& [name, count] : counts) EXPECT_EQ(count, 1) << name;
}

TEST(Folder, AnOrderOfColumnsFromTheValuesIsLoggedOnce) {
  const TemporaryFolder folder;
  const std::string text = "3,4,70000,1\n5,6,70001,0\n";
  for (int c = 0; c < 2; ++c) {
    for (int i = 0; i < 10; ++i) {
      write_bytes(folder / fmt::format("mine/{}/r{}.txt", c == 0 ? "a" : "b", i),
                  std::vector<std::uint8_t>(text.begin(), text.end()));
    }
  }
  const auto logged = [&](const std::string& columns) {
    DataSettings settings = settings_for(folder / "mine");
    settings.sensor = "34x34";
    settings.columns = columns;
    std::vector<std::string> lines;
    set_log_sink([&](LogLevel, const std::string& message) { lines.push_back(message); });
    const DataSplits splits = open_dataset(settings, 1, "");
    read_sample(*splits.train, 0);
    set_log_sink({});
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find("columns read as x,y,t,p (from the values; another order: data.columns)") !=
             std::string::npos;
    });
  };
  EXPECT_EQ(logged(""), 1);
  EXPECT_EQ(logged("x,y,t,p"), 0);
}

}  // namespace
}  // namespace spikeloom::data
