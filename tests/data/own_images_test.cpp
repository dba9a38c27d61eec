// The sets image-folder and image-array.
#include <gtest/gtest.h>

#include <cmath>

#include "made_images.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/image_scaling.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

Bytes grey(int width, int height, std::uint8_t value) {
  return Bytes(static_cast<std::size_t>(width * height), value);
}

/// Folder "CLASS" has `each` grey images of `side` pixels: value 10 * class + number.
void write_images(const std::string& folder, int classes, int each, int side = 4) {
  for (int c = 0; c < classes; ++c) {
    for (int i = 0; i < each; ++i) {
      write_bytes(
          folder + "/" + std::string(1, static_cast<char>('a' + c)) + "/i" + std::to_string(i) + ".png",
          png_bytes(side, side, 1, grey(side, side, static_cast<std::uint8_t>(10 * c + i))));
    }
  }
}

DataSettings settings_for(const std::string& set, const std::string& folder) {
  DataSettings settings;
  settings.dataset = set;
  settings.folder = folder;
  return settings;
}

/// Notes what is logged while it lives.
class Notes {
 public:
  Notes() {
    set_log_sink([this](LogLevel, const std::string& message) { lines.push_back(message); });
  }
  ~Notes() { set_log_sink({}); }
  std::vector<std::string> lines;
};

TEST(ImageFolder, ClassesAreItsSubFolders) {
  const TemporaryFolder folder;
  write_images(folder / "mine", 3, 9);
  DataSettings settings = settings_for("image-folder", folder / "mine");
  settings.validation_samples = 3;
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_EQ(splits.train->class_names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(splits.train->size() + splits.validation->size() + splits.require_test()->size(), 27);
  EXPECT_EQ(splits.train->shape().height, 4);
  EXPECT_EQ(splits.train->shape().channels, 1);
  EXPECT_TRUE(splits.train->shape().is_static);
  EXPECT_NE(splits.train->raw_images(), nullptr);
  for (std::int64_t i = 0; i < splits.train->size(); ++i) {
    const int value = static_cast<int>(std::lround(255.0f * read_sample(*splits.train, i)[5]));
    EXPECT_EQ(splits.train->label(i), value / 10);
  }
  EXPECT_EQ(nominal_num_classes(settings), 3);
  EXPECT_EQ(nominal_sample_shape(settings, 8).width, 4);
}

TEST(ImageFolder, PngAndJpegOfAnySizeBecomeOneShape) {
  const TemporaryFolder folder;
  const Bytes red = {255, 0, 0};
  Bytes wide;
  for (int i = 0; i < 8 * 4; ++i) wide.insert(wide.end(), red.begin(), red.end());
  write_bytes(folder / "mine/train/a/1.PNG", png_bytes(8, 4, 3, wide));
  write_bytes(folder / "mine/train/b/1.jpeg", jpeg_bytes(8, 4, 3, wide));
  write_bytes(folder / "mine/train/b/2.jpg", png_bytes(2, 2, 1, grey(2, 2, 90)));  // by its content
  write_bytes(folder / "mine/test/b/3.png", png_bytes(2, 2, 1, grey(2, 2, 100)));
  DataSettings settings = settings_for("image-folder", folder / "mine");
  EXPECT_TRUE(contains(message_of<DataError>([&] { open_dataset(settings, 1, ""); }), "data.channels"));
  settings.channels = 3;
  EXPECT_TRUE(contains(message_of<DataError>([&] { open_dataset(settings, 1, ""); }), "data.image_size"));
  settings.image_size = "4x4";
  const DataSplits splits = open_dataset(settings, 1, "");
  ASSERT_EQ(splits.train->size(), 3);
  ASSERT_EQ(splits.require_test()->size(), 1);
  EXPECT_EQ(splits.test->label(0), 1) << "by name, though it is the only class of the test folder";
  for (const std::int64_t i : {0, 1}) {
    const std::vector<float> sample = read_sample(*splits.train, i);
    ASSERT_EQ(sample.size(), 48u);
    EXPECT_NEAR(sample[0], 1.0f, 0.02f);
    EXPECT_NEAR(sample[1], 0.0f, 0.02f);
  }
  EXPECT_EQ(read_sample(*splits.train, 2), std::vector<float>(48, 90.0f / 255.0f));
  settings.resize = Resize::kPad;
  const std::vector<float> padded = read_sample(*open_dataset(settings, 1, "").train, 0);
  EXPECT_EQ(padded[0], 0.0f) << "black above";
  EXPECT_EQ(padded[1 * 12], 1.0f);
  settings.channels = 1;
  EXPECT_NEAR(read_sample(*open_dataset(settings, 1, "").train, 0)[4], 76.0f / 255.0f, 1e-6f)
      << "0.299 * 255";
  settings.image_size = "4x";
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(settings, 1, ""); }), "32x32"));
}

TEST(ImageFolder, WhatIsNoImageIsListedNotFatal) {
  const TemporaryFolder folder;
  write_images(folder / "mine", 2, 6);
  write_bytes(folder / "mine/readme.txt", {1});
  write_bytes(folder / "mine/a/Thumbs.db", {1});
  write_bytes(folder / "mine/a/more/i.png", {1});
  fs::create_directories(folder / "mine/empty");
  const Notes notes;
  const DataSplits splits = open_dataset(settings_for("image-folder", folder / "mine"), 1, "");
  EXPECT_EQ(splits.train->size() + splits.test->size(), 12);
  ASSERT_EQ(notes.lines.size(), 1u);
  for (const char* part : {"4 entries", "readme.txt", "a/Thumbs.db", "a/more", "empty"}) {
    EXPECT_TRUE(contains(notes.lines[0], part)) << notes.lines[0];
  }
  VerifyRequest request;
  request.settings = settings_for("image-folder", folder / "mine");
  const VerifyReport report = verify_dataset(request);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.counts[0].found, 12);
  EXPECT_EQ(report.counts[0].per_class, (std::vector<std::int64_t>{6, 6}));
  EXPECT_EQ(report.checks.size(), 5u);
  write_bytes(folder / "mine/b/i3.png", {1, 2, 3});
  const VerifyReport damaged = verify_dataset(request);
  EXPECT_TRUE(damaged.damaged());
  EXPECT_TRUE(contains(message_of<FormatError>([&] { open_dataset(request.settings, 1, ""); }), "b/i3.png"));
}

TEST(ImageFolder, TestPartAloneIsEnoughForIt) {
  const TemporaryFolder folder;
  write_images(folder / "mine/test", 2, 3);
  const DataSettings settings = settings_for("image-folder", folder / "mine");
  EXPECT_THROW(open_dataset(settings, 1, ""), DataError);
  const DataSplits splits = open_dataset(settings, 1, "", Parts::kTest);
  EXPECT_EQ(splits.train, nullptr);
  EXPECT_EQ(splits.require_test()->size(), 6);
  DataSettings standardized = settings;
  standardized.standardize = true;
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(standardized, 1, "", Parts::kTest); }),
                       "data.standardize"));
}

TEST(ImageArray, NpzWithTrainAndTest) {
  const TemporaryFolder folder;
  Bytes train, labels, test;
  for (std::uint8_t i = 0; i < 6; ++i) {
    const Bytes image = grey(3, 2, i);
    train.insert(train.end(), image.begin(), image.end());
    labels.insert(labels.end(), {static_cast<std::uint8_t>(i % 3), 0, 0, 0, 0, 0, 0, 0});
  }
  test = grey(3, 2, 77);
  write_bytes(folder / "set.npz", zip_bytes({{"x_train.npy", npy_bytes("|u1", {6, 2, 3}, train)},
                                             {"y_train.npy", npy_bytes("<i8", {6, 1}, labels)},
                                             {"x_test.npy", npy_bytes("|u1", {1, 2, 3}, test)},
                                             {"y_test.npy", npy_bytes("|u1", {1}, {2})}}));
  const DataSettings settings = settings_for("image-array", folder / "set.npz");
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_EQ(splits.train->class_names(), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(splits.train->size(), 6);
  EXPECT_EQ(splits.train->label(5), 2);
  EXPECT_EQ(read_sample(*splits.train, 5), std::vector<float>(6, 5.0f / 255.0f));
  EXPECT_EQ(splits.require_test()->label(0), 2);
  EXPECT_EQ(splits.train->shape().width, 3);
  EXPECT_EQ(open_dataset(settings, 1, "", Parts::kTest).train, nullptr);
  VerifyRequest request;
  request.settings = settings;
  const VerifyReport report = verify_dataset(request);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.counts[0].per_class, (std::vector<std::int64_t>{2, 2, 2}));
}

TEST(ImageArray, NpyFilesThatAreNotDividedKeepEachClassInEachPart) {
  const TemporaryFolder folder;
  Bytes images, labels;
  for (std::uint8_t i = 0; i < 40; ++i) {
    const Bytes image = grey(2, 2, i);
    for (int c = 0; c < 3; ++c) images.insert(images.end(), image.begin(), image.end());
    labels.push_back(i % 4);
  }
  write_bytes(folder / "set/images.npy", npy_bytes("|u1", {40, 2, 2, 3}, images));
  write_bytes(folder / "set/labels.npy", npy_bytes("|u1", {40}, labels));
  const DataSplits splits = open_dataset(settings_for("image-array", folder / "set"), 1, "");
  EXPECT_EQ(splits.train->size(), 32);
  EXPECT_EQ(splits.require_test()->size(), 8);
  std::vector<int> tested(4);
  for (std::int64_t i = 0; i < 8; ++i) ++tested[static_cast<std::size_t>(splits.test->label(i))];
  EXPECT_EQ(tested, std::vector<int>(4, 2));
  for (std::int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(std::lround(255.0f * read_sample(*splits.train, i)[0]) % 4, splits.train->label(i));
  }
}

TEST(ImageArray, MistakesAreSaid) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& descr, const std::vector<std::int64_t>& shape,
                           const Bytes& data, const Bytes& labels = {0, 1}) {
    write_bytes(folder / "set/images.npy", npy_bytes(descr, shape, data));
    write_bytes(folder / "set/labels.npy",
                npy_bytes("|u1", {static_cast<std::int64_t>(labels.size())}, labels));
    return message_of<Error>([&] { open_dataset(settings_for("image-array", folder / "set"), 1, ""); });
  };
  EXPECT_TRUE(contains(refusal("<f4", {2, 2, 2}, Bytes(32)), "uint8"));
  EXPECT_TRUE(contains(refusal("|u1", {2, 3, 2, 2}, Bytes(24)), "moveaxis"));
  EXPECT_TRUE(contains(refusal("|u1", {2, 4}, Bytes(8)), "[N, H, W]"));
  EXPECT_TRUE(contains(refusal("|u1", {2, 2, 2}, Bytes(7)), "ends 1 byte before"));
  EXPECT_TRUE(contains(refusal("|u1", {2, 1000000, 1000000}, Bytes(8)), "each side must be from 1 to 65536"));
  EXPECT_TRUE(contains(refusal("|u1", {1 << 30, 60000, 1}, Bytes(8)), "before its array does"));
  EXPECT_TRUE(contains(refusal("|u1", {2, 2, 2}, Bytes(8), {0, 1, 1}), "3 labels for the 2 images"));
  write_bytes(folder / "other/pictures.npy", npy_bytes("|u1", {1, 2, 2}, Bytes(4)));
  EXPECT_TRUE(contains(
      message_of<DataError>([&] { open_dataset(settings_for("image-array", folder / "other"), 1, ""); }),
      "other"));
  write_bytes(folder / "other.npz", zip_bytes({{"pictures.npy", npy_bytes("|u1", {1, 2, 2}, Bytes(4))}}));
  const std::string message =
      message_of<DataError>([&] { open_dataset(settings_for("image-array", folder / "other.npz"), 1, ""); });
  EXPECT_TRUE(contains(message, "pictures")) << message;
  EXPECT_TRUE(contains(message, "x_train")) << message;
}

TEST(ImageScaling, ShrinksAndGrowsAsStated) {
  const formats::Image ramp{4, 1, 1, {0, 100, 200, 240}};
  EXPECT_EQ(with_size(ramp, 4, 1, Resize::kStretch).pixels, ramp.pixels);
  // A triangle of two old pixels to each side: weights 1, 3, 3, 1 inside, 3, 3, 1 at the border.
  const Bytes half = with_size(ramp, 2, 1, Resize::kStretch).pixels;
  EXPECT_EQ(half, (Bytes{71, 203}));  // (3 * 0 + 3 * 100 + 200) / 7, (100 + 3 * 200 + 3 * 240) / 7
  // Bilinear: at 1/4 and 3/4 between the centres.
  const formats::Image two{2, 1, 1, {0, 100}};
  EXPECT_EQ(with_size(two, 4, 1, Resize::kStretch).pixels, (Bytes{0, 25, 75, 100}));
  const formats::Image flat{7, 5, 3, Bytes(105, 93)};
  for (const Resize resize : {Resize::kCrop, Resize::kStretch}) {
    for (const int side : {1, 3, 11}) {
      EXPECT_EQ(with_size(flat, side, side, resize).pixels,
                Bytes(static_cast<std::size_t>(3 * side * side), 93));
    }
  }
  // The middle of a wide image.
  const formats::Image wide{4, 2, 1, {1, 2, 3, 4, 5, 6, 7, 8}};
  EXPECT_EQ(with_size(wide, 2, 2, Resize::kCrop).pixels, (Bytes{2, 3, 6, 7}));
  EXPECT_EQ(with_size(wide, 4, 4, Resize::kPad).pixels,
            (Bytes{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0}));
  EXPECT_EQ(with_channels({1, 1, 3, {255, 128, 3}}, 1).pixels,
            Bytes{152});  // (76245 + 75136 + 342 + 500) / 1000
  EXPECT_EQ(with_channels({1, 1, 1, {9}}, 3).pixels, (Bytes{9, 9, 9}));
}

}  // namespace
}  // namespace spikeloom::data
