#include "spikeloom/data/fingerprint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "made_sets.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;
/// A recording of i + 1 events.
void write_recording(const std::string& folder, const std::string& name, int events) {
  write_bytes(folder + "/" + name,
              atis_bytes(std::vector<MadeEvent>(static_cast<std::size_t>(events), {100, 7, 5, 1})));
}

class FolderFingerprint : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* part : {"train", "test"}) {
      for (const char* name : {"a", "b"}) {
        for (int i = 0; i < 4; ++i) {
          write_recording(folder_ / (std::string("mine/") + part),
                          std::string(name) + "/r" + std::to_string(i) + ".bin", i + 1);
        }
      }
    }
    settings_.dataset = "folder";
    settings_.folder = folder_ / "mine";
    settings_.sensor_width = settings_.sensor_height = 34;
    settings_.validation_samples = 2;
    before_ = now();
  }
  Fingerprint now() const { return fingerprint(open_dataset(settings_, 3, "")); }
  std::string said() const { return difference(before_, now()); }

  const TemporaryFolder folder_;
  DataSettings settings_;
  Fingerprint before_;
};

TEST_F(FolderFingerprint, StaysWhereNothingChanged) {
  ASSERT_TRUE(before_.train && before_.validation && before_.test);
  EXPECT_EQ(before_.train->samples, 6);
  EXPECT_EQ(before_.validation->samples, 2);
  EXPECT_EQ(before_.test->samples, 8);
  EXPECT_EQ(before_.shape, "3x2x34x34");
  EXPECT_EQ(said(), "");
  fs::rename(folder_ / "mine", folder_ / "moved");  // wherever it lies
  settings_.folder = folder_ / "moved";
  EXPECT_EQ(said(), "");
}

TEST_F(FolderFingerprint, SaysWhichPartHasFewerOrMore) {
  fs::remove(folder_ / "mine/test/a/r1.bin");
  EXPECT_EQ(said(), "the test part has 7 samples instead of 8");
  write_recording(folder_ / "mine/test", "a/r1.bin", 2);
  write_recording(folder_ / "mine/train", "a/r9.bin", 2);
  EXPECT_NE(said().find("the training part has 7 samples instead of 6"), std::string::npos) << said();
}

TEST_F(FolderFingerprint, SaysThatAPartIsGoneOrNew) {
  Fingerprint without = before_;
  without.test.reset();
  EXPECT_EQ(difference(before_, without), "the test part (8 samples) is gone");
  EXPECT_EQ(difference(without, before_), "there is a test part (8 samples), and there was none");
}

TEST_F(FolderFingerprint, SaysThatNamesSizesLabelsOrClassesDiffer) {
  fs::rename(folder_ / "mine/test/a/r1.bin", folder_ / "mine/test/a/r11.bin");
  EXPECT_EQ(said(), "the test part holds different samples");
  fs::rename(folder_ / "mine/test/a/r11.bin", folder_ / "mine/test/a/r1.bin");
  write_recording(folder_ / "mine/test", "a/r1.bin", 3);
  EXPECT_EQ(said(), "files of the test part have different sizes");
  write_recording(folder_ / "mine/test", "a/r1.bin", 2);
  EXPECT_EQ(said(), "");
  for (const char* part : {"train", "test"}) {
    fs::rename(folder_ / (std::string("mine/") + part + "/b"),
               folder_ / (std::string("mine/") + part + "/c"));
  }
  EXPECT_EQ(said(), "the classes are 'a', 'c' (2) instead of 'a', 'b' (2)");
  settings_.downsample = 2;
  EXPECT_NE(said().find("samples have the shape 3x2x17x17 instead of 3x2x34x34"), std::string::npos)
      << said();
}

TEST(ImageFingerprint, KnowsCountLabelsAndWhichSamples) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 60, 20);
  DataSettings settings;
  settings.dataset = "mnist";
  settings.validation_samples = 10;
  const auto before = fingerprint(open_dataset(settings, 1, folder.path().string()));
  EXPECT_EQ(difference(before, fingerprint(open_dataset(settings, 1, folder.path().string()))), "");
  settings.split = "random";
  EXPECT_EQ(difference(before, fingerprint(open_dataset(settings, 1, folder.path().string()))),
            "the training part holds different samples; the validation part holds different samples");
  settings.split = "default";
  write_idx_set(folder / "mnist", 50, 20);
  EXPECT_NE(difference(before, fingerprint(open_dataset(settings, 1, folder.path().string())))
                .find("the training part has 40 samples instead of 50"),
            std::string::npos);
}

}  // namespace
}  // namespace spikeloom::data
