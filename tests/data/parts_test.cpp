// Sets of which only the test part is there, or asked for.
#include <gtest/gtest.h>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// Writes the test part of a set alone; false where there is no way to make it here.
bool write_test_part(const std::string& name, const TemporaryFolder& folder) {
  const Bytes aedat = aedat2_bytes({{1, 2, 3, 1}});
  if (name == "mnist" || name == "fashion-mnist") {
    write_idx_set(folder / name, 3, 2);
    for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
      fs::remove(folder / name + "/" + file);
    }
  } else if (name == "cifar10") {
    write_cifar10_set(folder / name, 1, 2);
    for (int i = 1; i <= 5; ++i) fs::remove(folder / name + "/data_batch_" + std::to_string(i) + ".bin");
  } else if (name == "n-mnist") {
    write_bytes(nmnist_path(folder / name, "Test", 3, 1), atis_bytes({{1, 2, 3, 1}}));
  } else if (name == "dvs-cifar10") {
    write_bytes(folder / "dvs-cifar10/frog/cifar10_frog_950.aedat", aedat);
  } else if (name == "n-caltech101") {
    write_bytes(folder / "n-caltech101/accordion/image_0005.bin", atis_bytes({{1, 2, 3, 1}}));
  } else if (name == "folder") {
    write_bytes(folder / "mine/test/b/r.aedat", aedat);
  } else {
    return false;
  }
  return true;
}

TEST(Parts, TheTestPartAloneIsEnoughForIt) {
  for (const std::string& name : dataset_names()) {
    const TemporaryFolder folder;
    if (!write_test_part(name, folder)) continue;
    DataSettings settings;
    settings.dataset = name;
    if (name == "folder") settings.folder = "mine";
    settings.validation_samples = 1;  // of the recipe; there is nothing to take them from
    const std::string data = folder.path().string();
    EXPECT_THROW(open_dataset(settings, 2, data), DataError) << name;
    const DataSplits splits = open_dataset(settings, 2, data, Parts::kTest);
    EXPECT_EQ(splits.train, nullptr) << name;
    EXPECT_EQ(splits.validation, nullptr) << name;
    EXPECT_GE(splits.require_test()->size(), 1) << name;
    EXPECT_NO_THROW(read_sample(*splits.test, 0)) << name;
    EXPECT_FALSE(contains(splits.description, "training")) << splits.description;
  }
}

TEST(Parts, TheTestPartIsTheSameWhatIsAskedFor) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 30, 12);
  for (const bool standardize : {false, true}) {
    DataSettings settings;
    settings.dataset = "mnist";
    settings.standardize = standardize;
    settings.test_limit = 5;
    const DataSplits all = open_dataset(settings, 1, folder.path().string());
    const DataSplits test = open_dataset(settings, 1, folder.path().string(), Parts::kTest);
    ASSERT_EQ(test.require_test()->size(), 5);
    for (std::int64_t i = 0; i < 5; ++i) {
      EXPECT_EQ(read_sample(*test.test, i), read_sample(*all.test, i));
      EXPECT_EQ(test.test->label(i), all.test->label(i));
    }
  }
}

TEST(Parts, StandardisedPixelsNeedTheTrainingImages) {
  const TemporaryFolder folder;
  write_test_part("mnist", folder);
  DataSettings settings;
  settings.dataset = "mnist";
  settings.standardize = true;
  EXPECT_TRUE(contains(
      message_of<DataError>([&] { open_dataset(settings, 1, folder.path().string(), Parts::kTest); }),
      "missing train-images-idx3-ubyte"));
}

}  // namespace
}  // namespace spikeloom::data
