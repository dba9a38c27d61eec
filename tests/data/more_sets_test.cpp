#include <gtest/gtest.h>
#include <hdf5.h>

#include <cstring>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// A file as SHD's: recording i has i + 1 spikes of channel i at 1, 2, ... ms.
void write_heidelberg(const std::string& path, const std::vector<int>& labels) {
  fs::create_directories(fs::path(path).parent_path());
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t count = labels.size();
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t group = H5Gcreate2(file, "spikes", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  std::vector<std::vector<double>> times(count);
  std::vector<std::vector<int>> units(count);
  std::vector<hvl_t> time_lists(count), unit_lists(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k <= i; ++k) {
      times[i].push_back(static_cast<double>(k + 1) * 1e-3);
      units[i].push_back(static_cast<int>(i));
    }
    time_lists[i] = {times[i].size(), times[i].data()};
    unit_lists[i] = {units[i].size(), units[i].data()};
  }
  const auto write = [&](hid_t where, const char* name, hid_t type, const void* data) {
    const hid_t set = H5Dcreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), 0);
    H5Dclose(set);
  };
  write(group, "times", H5Tvlen_create(H5T_NATIVE_DOUBLE), time_lists.data());
  write(group, "units", H5Tvlen_create(H5T_NATIVE_INT), unit_lists.data());
  write(file, "labels", H5T_NATIVE_INT, labels.data());
  H5Gclose(group);
  H5Sclose(space);
  H5Fclose(file);
}

TEST(Heidelberg, ShdHasOneRowOf700Channels) {
  const TemporaryFolder folder;
  write_heidelberg(folder / "shd/shd_train.h5", {3, 19, 0, 3, 7, 7});
  write_heidelberg(folder / "shd/shd_test.h5", {5, 6});
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", (folder / "cache").c_str());
  DataSettings settings;
  settings.dataset = "shd";
  settings.window_us = 2000;
  settings.validation_samples = 2;
  for (const bool prepared : {false, true}) {
    const DataSplits splits = open_dataset(settings, 3, folder.path().string());
    if (prepared) splits.train->prepare({});
    const SampleShape shape = splits.train->shape();
    EXPECT_EQ(shape.channels, 1);
    EXPECT_EQ(shape.height, 1);
    EXPECT_EQ(shape.width, 700);
    ASSERT_EQ(splits.train->size(), 4);
    EXPECT_EQ(splits.validation->size(), 2);
    EXPECT_EQ(splits.require_test()->size(), 2);
    EXPECT_EQ(splits.train->label(1), 19);
    const auto sample = read_sample(*splits.train, 3);
    // Spikes at 1, 2, 3, 4 ms; time starts at the first.
    EXPECT_EQ(sample[3], 2.0f);
    EXPECT_EQ(sample[700 + 3], 2.0f);
    EXPECT_EQ(sample[1400 + 3], 0.0f);
    EXPECT_TRUE(contains(splits.description, "8,156")) << splits.description;
  }
  const VerifyReport report = verify_dataset("shd", folder.path().string());
  EXPECT_EQ(report.counts[0].found, 6);
  EXPECT_EQ(report.counts[0].per_class[3], 2);
  EXPECT_FALSE(report.complete);
  settings.downsample = 2;
  EXPECT_THROW(open_dataset(settings, 3, folder.path().string()), ConfigError);
}

TEST(Heidelberg, SscHasAnOfficialValidationPart) {
  const TemporaryFolder folder;
  write_heidelberg(folder / "ssc/ssc_train.h5", {3, 19, 0, 34});
  write_heidelberg(folder / "ssc/ssc_valid.h5", {1, 2, 3});
  DataSettings settings;
  settings.dataset = "ssc";
  DataSplits splits = open_dataset(settings, 2, folder.path().string());
  EXPECT_EQ(splits.train->size(), 4);
  ASSERT_NE(splits.validation, nullptr);
  EXPECT_EQ(splits.validation->size(), 3);
  EXPECT_EQ(splits.test, nullptr);
  EXPECT_TRUE(contains(message_of<DataError>([&] { splits.require_test(); }), "ssc_test.h5"));
  settings.validation_samples = 2;
  splits = open_dataset(settings, 2, folder.path().string());
  EXPECT_EQ(splits.train->size(), 4) << "nothing is taken from the training part";
  EXPECT_EQ(splits.validation->size(), 2);
  write_heidelberg(folder / "ssc/ssc_train.h5", {35});
  EXPECT_TRUE(contains(message_of<FormatError>([&] { open_dataset(settings, 2, folder.path().string()); }),
                       "label 35"));
}

/// AEDAT 3.1 with one packet of polarity events.
Bytes aedat3_bytes(const std::vector<MadeEvent>& events) {
  const std::string header = "#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n";
  Bytes bytes(header.begin(), header.end());
  const auto put = [&bytes](std::uint32_t value, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  const auto count = static_cast<std::uint32_t>(events.size());
  put(1, 2);  // polarity events
  put(1, 2);
  for (const std::uint32_t value : {8u, 4u, 0u, count, count, count}) put(value, 4);
  for (const MadeEvent& event : events) {
    put(1u | static_cast<std::uint32_t>(event.polarity) << 1 | static_cast<std::uint32_t>(event.y) << 2 |
            static_cast<std::uint32_t>(event.x) << 17,
        4);
    put(event.t_us, 4);
  }
  return bytes;
}

void write_text(const std::string& path, const std::string& text) {
  write_bytes(path, Bytes(text.begin(), text.end()));
}

TEST(DvsGesture, TrialsAreCutIntoTheirGestures) {
  const TemporaryFolder folder;
  const std::string root = folder / "DvsGesture";
  write_bytes(root + "/user01_led.aedat",
              aedat3_bytes({{50, 1, 1, 1}, {100, 2, 3, 1}, {150, 2, 3, 1}, {200, 9, 9, 0}, {900, 5, 6, 0}}));
  write_text(root + "/user01_led_labels.csv",
             "class,startTime_usec,endTime_usec\r\n8,100,200\r\n11,850,1000\r\n");
  write_bytes(root + "/user24_led.aedat", aedat3_bytes({{10, 7, 7, 1}}));
  write_text(root + "/user24_led_labels.csv", "class,startTime_usec,endTime_usec\n1,0,20\n");
  write_text(root + "/trials_to_train.txt", "user01_led.aedat\r\nuser02_led.aedat\r\n");
  write_text(root + "/trials_to_test.txt", "user24_led.aedat\n\n");
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", (folder / "cache").c_str());
  DataSettings settings;
  settings.dataset = "dvs128-gesture";
  for (const bool prepared : {false, true}) {
    const DataSplits splits = open_dataset(settings, 1, folder.path().string());
    if (prepared) splits.train->prepare({});
    ASSERT_EQ(splits.train->size(), 2);
    EXPECT_EQ(splits.train->label(0), 7);
    EXPECT_EQ(splits.train->class_names()[7], "arm_roll");
    EXPECT_EQ(splits.train->label(1), 10);
    const auto first = read_sample(*splits.train, 0), second = read_sample(*splits.train, 1);
    EXPECT_EQ(first[(3 * 128 + 2) * 2 + 1], 2.0f);
    EXPECT_EQ(first[(9 * 128 + 9) * 2], 0.0f) << "a gesture ends before its end";
    EXPECT_EQ(first[(1 * 128 + 1) * 2 + 1], 0.0f);
    EXPECT_EQ(second[(6 * 128 + 5) * 2], 1.0f);
    EXPECT_EQ(splits.require_test()->size(), 1);
    EXPECT_EQ(read_sample(*splits.test, 0)[(7 * 128 + 7) * 2 + 1], 1.0f);
    EXPECT_TRUE(contains(splits.description, "2 of 1,176")) << splits.description;
  }
  for (const char* bad : {"12,1,2", "0,1,2", "1,5,5", "1,2", "1,2,3,4", "one,2,3"}) {
    write_text(root + "/user01_led_labels.csv",
               std::string("class,startTime_usec,endTime_usec\n") + bad + "\n");
    EXPECT_TRUE(contains(message_of<FormatError>([&] { open_dataset(settings, 1, folder.path().string()); }),
                         "line 2"))
        << bad;
  }
}

}  // namespace
}  // namespace spikeloom::data
