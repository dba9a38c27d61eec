// How the files of recordings are read: format, sensor, stray events, files that were cut off.
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <vector>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/single_file.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// Records of the first .dat files, without a header.
Bytes dat_v1_bytes(const std::vector<events::Event>& events) {
  Bytes bytes;
  for (const events::Event& event : events) {
    const std::uint32_t address = static_cast<std::uint32_t>(event.polarity) << 17 |
                                  static_cast<std::uint32_t>(event.y) << 9 |
                                  static_cast<std::uint32_t>(event.x);
    for (const std::uint32_t word : {static_cast<std::uint32_t>(event.t_us), address}) {
      for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  return bytes;
}

events::Event event_at(std::int64_t t_us, int x, int y) {
  events::Event event{};
  event.t_us = t_us;
  event.x = static_cast<decltype(event.x)>(x);
  event.y = static_cast<decltype(event.y)>(y);
  event.polarity = 1;
  return event;
}

DataSettings dat_settings(const std::string& folder) {
  DataSettings settings;
  settings.dataset = "folder";
  settings.folder = folder;
  settings.format = "dat-v1";
  settings.sensor = "32x24";
  return settings;
}

/// Ten recordings a class; recording i of class c has i + 1 events at (c, 5).
void write_dat_set(const std::string& folder) {
  for (int c = 0; c < 2; ++c) {
    for (int i = 0; i < 10; ++i) {
      std::vector<events::Event> events;
      for (int k = 0; k <= i; ++k) events.push_back(event_at(100, c, 5));
      write_bytes(
          folder + "/" + std::string(1, static_cast<char>('a' + c)) + "/" + std::to_string(i) + ".dat",
          dat_v1_bytes(events));
    }
  }
}

float sum_of(const Dataset& dataset) {
  float sum = 0;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const std::vector<float> sample = read_sample(dataset, i);
    sum = std::accumulate(sample.data(), sample.data() + sample.size(), sum);
  }
  return sum;
}

class Notes {
 public:
  Notes() {
    set_log_sink([this](LogLevel, const std::string& message) { lines.push_back(message); });
  }
  ~Notes() { set_log_sink({}); }
  std::vector<std::string> lines;
};

TEST(EventOptions, FormatAndSensorAreKeysOfAFolder) {
  const TemporaryFolder folder;
  write_dat_set(folder / "mine");
  const DataSettings settings = dat_settings(folder / "mine");
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_EQ(splits.train->shape().width, 32);
  EXPECT_EQ(splits.train->shape().height, 24);
  EXPECT_EQ(sum_of(*splits.train) + sum_of(*splits.require_test()), 110.0f);
  VerifyRequest request;
  request.settings = settings;
  EXPECT_TRUE(verify_dataset(request).complete);
  request.settings.format = "auto";
  EXPECT_FALSE(verify_dataset(request).complete) << "nothing in the files tells what they are";
}

TEST(EventOptions, WrongSettingsNameTheirKey) {
  const TemporaryFolder folder;
  write_dat_set(folder / "mine");
  const auto refused = [&](const std::function<void(DataSettings&)>& change) {
    DataSettings settings = dat_settings(folder / "mine");
    change(settings);
    return message_of<ConfigError>([&] { open_dataset(settings, 1, ""); });
  };
  EXPECT_TRUE(contains(refused([](auto& s) { s.format = "dat-v3"; }), "data.format"));
  EXPECT_TRUE(contains(refused([](auto& s) { s.sensor = "32"; }), "data.sensor"));
  EXPECT_TRUE(contains(refused([](auto& s) { s.sensor.clear(); }), "data.sensor"));
  EXPECT_TRUE(contains(refused([](auto& s) { s.sensor_width = 31; }), "data.sensor"));
  EXPECT_TRUE(contains(refused([](auto& s) { s.time_unit = "h"; }), "data.time_unit"));
  EXPECT_TRUE(contains(refused([](auto& s) { s.columns = "t,x,z"; }), "data.columns"));
  EXPECT_TRUE(contains(refused([](auto& s) { s.image_size = "4x4"; }), "data.image_size"));
  // What is known of a set cannot be said otherwise.
  write_bytes(nmnist_path(folder / "nmnist", "Train", 1, 1), atis_bytes({{1, 2, 3, 1}}));
  for (const auto& change : std::map<std::string, std::function<void(DataSettings&)>>{
           {"data.format", [](auto& s) { s.format = "dat-v1"; }},
           {"data.sensor", [](auto& s) { s.sensor = "40x40"; }},
           {"data.chip", [](auto& s) { s.chip = "dvs128"; }},
           {"data.camera", [](auto& s) { s.camera = "1"; }},
           {"data.time_unit", [](auto& s) { s.time_unit = "ms"; }},
           {"data.columns", [](auto& s) { s.columns = "t,x,y,p"; }}}) {
    DataSettings settings;
    settings.dataset = "n-mnist";
    change.second(settings);
    EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(settings, 1, folder.path().string()); }),
                         change.first));
  }
}

/// The readers leave events out where they can; this set has 3 stray ones in 2 of its recordings.
class StrayEvents : public ::testing::Test {
 protected:
  StrayEvents() : cache_("SPIKELOOM_CACHE_DIR", (folder_ / "cache").c_str()) {
    write_dat_set(folder_ / "mine/train");
    write_dat_set(folder_ / "mine/test");
    std::vector<events::Event> some = {event_at(1, 2, 2), event_at(2, 400, 2), event_at(3, 2, 200),
                                       event_at(4, 3, 3), event_at(5, 3, 3)};
    write_bytes(folder_ / "mine/train/a/0.dat", dat_v1_bytes(some));
    write_bytes(folder_ / "mine/train/b/3.dat",
                dat_v1_bytes({event_at(1, 2, 2), event_at(2, 2, 2), event_at(3, 32, 2)}));
    formats::EventReaderOptions options;
    options.format = "dat-v1";
    options.width = 32;
    options.height = 24;
    options.drop_outside = true;
    try {
      formats::read_events(folder_ / "mine/train/a/0.dat", options);
      readers_drop_ = true;
    } catch (const Error&) {
    }
  }

  TemporaryFolder folder_;
  ScopedVariable cache_;
  bool readers_drop_ = false;
};

TEST_F(StrayEvents, AreLeftOutAndCountedOnce) {
  ASSERT_TRUE(readers_drop_);
  const DataSettings settings = dat_settings(folder_ / "mine");
  for (const char* run : {"first", "from the cache"}) {
    const Notes notes;
    const DataSplits splits = open_dataset(settings, 1, "");
    splits.train->prepare({});
    ASSERT_EQ(notes.lines.size(), 1u) << run;
    EXPECT_TRUE(contains(notes.lines[0], "3 events outside of the sensor left out of 2 recordings"))
        << notes.lines[0];
    EXPECT_EQ(sum_of(*splits.train), 110.0f - 1 - 4 + 3 + 2);
    splits.train->prepare({});
    EXPECT_EQ(notes.lines.size(), 1u) << "said once";
  }
  {
    const ScopedVariable off("SPIKELOOM_CACHE_DIR", "off");
    const Notes notes;
    const DataSplits splits = open_dataset(settings, 1, "");
    splits.train->prepare({});
    sum_of(*splits.train);
    sum_of(*splits.train);
    ASSERT_EQ(notes.lines.size(), 1u);
    EXPECT_TRUE(contains(notes.lines[0], "3 events"));
  }
  VerifyRequest request;
  request.settings = settings;
  const VerifyReport report = verify_dataset(request);
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(std::any_of(report.checks.begin(), report.checks.end(), [](const FileCheck& check) {
    return contains(check.message, "2 events outside of the sensor left out of 1 recording");
  }));
}

TEST_F(StrayEvents, AreAnErrorWhereThatIsAskedFor) {
  DataSettings settings = dat_settings(folder_ / "mine");
  settings.drop_outside = false;
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_THROW(sum_of(*splits.train), FormatError);
}

TEST_F(StrayEvents, TheCacheKnowsHowFilesWereRead) {
  ASSERT_TRUE(readers_drop_);
  DataSettings settings = dat_settings(folder_ / "mine");
  const auto total = [&] {
    const DataSplits splits = open_dataset(settings, 1, "");
    splits.train->prepare({});
    return sum_of(*splits.train);
  };
  EXPECT_EQ(total(), 110.0f);
  settings.drop_outside = false;
  EXPECT_THROW(total(), FormatError) << "not the frames that were made with events left out";
}

TEST_F(StrayEvents, AWrongSensorIsNoStrayEvent) {
  ASSERT_TRUE(readers_drop_);
  DataSettings settings = dat_settings(folder_ / "mine");
  settings.sensor = "32x4";  // events are at y = 5
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_TRUE(contains(message_of<FormatError>([&] { sum_of(*splits.train); }), "data.sensor"));
}

/// AEDAT 2.0 of a DAVIS: 20 events along a diagonal up to (x, y).
Bytes davis_bytes(const std::string& chip, int columns, int x, int y) {
  const std::string header =
      "#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis." + chip + "\r\n#End Of ASCII Header\r\n";
  Bytes bytes(header.begin(), header.end());
  for (int i = 1; i <= 20; ++i) {
    const auto address = static_cast<std::uint32_t>(y * i / 20) << 22 |
                         static_cast<std::uint32_t>(columns - 1 - x * i / 20) << 12;
    for (const std::uint32_t word : {address, static_cast<std::uint32_t>(10 * i)}) {
      for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  return bytes;
}

Bytes text_bytes(const std::string& text) { return {text.begin(), text.end()}; }

DataSettings folder_settings(const std::string& folder) {
  DataSettings settings;
  settings.dataset = "folder";
  settings.folder = folder;
  return settings;
}

/// Twelve recordings, of which `other` is of another sensor than the first; what is said of it when all are
/// read.
void expect_one_sensor(const std::string& folder, const std::string& first, const std::string& other,
                       const std::vector<std::string>& words) {
  const ScopedVariable off("SPIKELOOM_CACHE_DIR", "off");
  const DataSettings settings = folder_settings(folder);
  const std::string message = message_of<DataError>([&] {
    const DataSplits splits = open_dataset(settings, 1, "");
    sum_of(*splits.train);
    sum_of(*splits.require_test());
  });
  for (const std::string& word : words)
    EXPECT_TRUE(contains(message, word)) << word << " is not in: " << message;
  EXPECT_TRUE(contains(message, first)) << message;
  EXPECT_TRUE(contains(message, other)) << message;
  EXPECT_TRUE(contains(message, "data.sensor")) << message;
  VerifyRequest request;
  request.settings = settings;
  const VerifyReport report = verify_dataset(request);
  EXPECT_FALSE(report.complete);
  EXPECT_TRUE(std::any_of(report.checks.begin(), report.checks.end(), [&](const FileCheck& check) {
    return !check.ok && contains(check.path, other) && contains(check.message, words[0]);
  }));
}

TEST(EventOptions, RecordingsOfSeveralSensorsAreNoStrays) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    for (int i = 0; i < 6; ++i) {
      const std::string path = folder / ("davis/" + std::string(name) + "/" + std::to_string(i) + ".aedat");
      const bool is_other = name[0] == 'b' && i == 4;
      write_bytes(path, is_other ? davis_bytes("Davis346red", 346, 300, 100)
                                 : davis_bytes("DAVIS240C", 240, 200, 100));
      const std::string csv = folder / ("csv/" + std::string(name) + "/" + std::to_string(i) + ".csv");
      write_bytes(csv, text_bytes(std::string("# geometry: ") + (is_other ? "100,100" : "80,80") +
                                  "\nt,x,y,p\n1,5,5,1\n2,6,6,1\n" + (is_other ? "3,90,90,1\n" : "")));
    }
  }
  expect_one_sensor(folder / "davis", "a/0.aedat", "b/4.aedat", {"346 x 260", "240 x 180"});
  expect_one_sensor(folder / "csv", "a/0.csv", "b/4.csv", {"100 x 100", "80 x 80"});
  // What is said by hand is final, and what lies outside of it is counted.
  DataSettings settings = folder_settings(folder / "csv");
  settings.sensor = "80x80";
  VerifyRequest request;
  request.settings = settings;
  const VerifyReport report = verify_dataset(request);
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(std::any_of(report.checks.begin(), report.checks.end(), [](const FileCheck& check) {
    return contains(check.message, "1 event outside of the sensor left out of 1 recording");
  }));
  // A recording that says no size takes that of the set.
  write_bytes(folder / "csv/b/4.csv", text_bytes("t,x,y,p\n1,5,5,1\n2,6,6,1\n3,90,90,1\n"));
  request.settings = folder_settings(folder / "csv");
  EXPECT_TRUE(verify_dataset(request).complete);
}

TEST(EventOptions, AFileThatIsCutOffOrOfAnUnknownChipNamesItsRecipeKey) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    for (int i = 0; i < 4; ++i) {
      Bytes bytes = davis_bytes("DAVIS240C", 240, 200, 100);
      if (i > 0) bytes.pop_back();
      write_bytes(folder / ("cut/" + std::string(name) + "/" + std::to_string(i) + ".aedat"), bytes);
      write_bytes(folder / ("chip/" + std::string(name) + "/" + std::to_string(i) + ".aedat"),
                  davis_bytes("Davis240Mirror", 240, 200, 100));
    }
  }
  const DataSplits splits = open_dataset(folder_settings(folder / "cut"), 1, "");
  EXPECT_TRUE(contains(message_of<FormatError>([&] { sum_of(*splits.train); }), "data.partial"));
  const std::string chip =
      message_of<FormatError>([&] { open_dataset(folder_settings(folder / "chip"), 1, ""); });
  EXPECT_TRUE(contains(chip, "data.chip")) << chip;
  EXPECT_FALSE(contains(chip, "data.format")) << "it is not the format that is missing: " << chip;
}

TEST(EventOptions, ASingleFileIsReadAsThoseOfItsTraining) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.csv", text_bytes("t,x,y,p\n1,5,5,1\n2,6,6,1\n30,6,6,1\n"));
  write_bytes(folder / "a.aedat", davis_bytes("DAVIS240C", 240, 7, 7));
  FileSampling sampling;
  sampling.settings = folder_settings("nowhere");
  sampling.settings.time_unit = "ms";
  sampling.settings.sensor = "8x8";
  sampling.settings.window_us = 10000;
  sampling.num_steps = 1;
  sampling.channels = 2;
  sampling.height = sampling.width = 8;
  const auto sum = [&](const std::string& name) {
    const FileSample sample = read_file_sample(folder / name, sampling);
    float total = 0;
    for (const float value : sample.values) total += value;
    return total;
  };
  EXPECT_EQ(sum("a.csv"), 2.0f) << "29 ms are more than one window of 10 ms";
  EXPECT_THROW(sum("a.aedat"), std::exception)
      << "its header says 240 x 180 pixels, not those of the training";
  sampling.settings.sensor = "240x180";
  sampling.height = 180;
  sampling.width = 240;
  EXPECT_EQ(sum("a.aedat"), 20.0f) << "a unit of time means nothing to it";
  sampling.reader.time_unit = formats::TimeUnit::kMicroseconds;
  EXPECT_EQ(sum("a.csv"), 3.0f) << "what is said by hand";
  EXPECT_THROW(sum("a.aedat"), ConfigError) << "said by hand of a file that has no use for it";
}

TEST(EventOptions, HeaderlessPokerDvsVerifiesAndOpens) {
  const char* data = std::getenv("SPIKELOOM_DATA_DIR");
  const fs::path real = fs::path(data == nullptr ? "" : data) / "poker_dvs";
  if (data == nullptr || !fs::is_directory(real)) GTEST_SKIP() << "SPIKELOOM_DATA_DIR/poker_dvs is not there";
  const TemporaryFolder folder;
  std::size_t events = 0, files = 0;
  for (const auto& entry : fs::directory_iterator(real)) {
    formats::EventReaderOptions options;
    options.format = "aedat2";
    options.chip = "dvs128";
    const auto stream = formats::read_events(entry.path().string(), options);
    const std::string name = entry.path().stem().string();
    write_bytes(folder / ("poker/" + name.substr(0, 2) + "/" + name + ".dat"), dat_v1_bytes(stream.events));
    events += stream.events.size();
    ++files;
  }
  ASSERT_EQ(files, 100u);
  DataSettings settings = dat_settings(folder / "poker");
  settings.sensor = "128x128";
  VerifyRequest request;
  request.settings = settings;
  const VerifyReport report = verify_dataset(request);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.counts[0].found, 100);
  EXPECT_EQ(report.class_names, (std::vector<std::string>{"cl", "di", "he", "sp"}));
  settings.slicing = Slicing::kEqualCount;
  const DataSplits splits = open_dataset(settings, 100, "");  // so few a step that no count is cut at 255
  EXPECT_EQ(sum_of(*splits.train) + sum_of(*splits.require_test()), static_cast<float>(events));
}

}  // namespace
}  // namespace spikeloom::data
