#include <gtest/gtest.h>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// The working folder for the duration of a test.
class ScopedWorkingFolder {
 public:
  explicit ScopedWorkingFolder(const fs::path& path) : old_path_(fs::current_path()) {
    fs::current_path(path);
  }
  ~ScopedWorkingFolder() { fs::current_path(old_path_); }
  ScopedWorkingFolder(const ScopedWorkingFolder&) = delete;
  ScopedWorkingFolder& operator=(const ScopedWorkingFolder&) = delete;

 private:
  fs::path old_path_;
};

std::string root_of(const std::string& dataset, const std::string& data_dir) {
  DataSettings settings;
  settings.dataset = dataset;
  return open_dataset(settings, 1, data_dir).root;
}

TEST(Search, TakesTheArgumentThenTheVariableThenTheWorkingFolder) {
  const TemporaryFolder argument, variable, working;
  const ScopedVariable scoped_variable("SPIKELOOM_DATA_DIR", variable.path().c_str());
  const ScopedWorkingFolder scoped_folder(working.path());
  write_cifar10_set(working / "data/cifar10", 1, 1);
  const std::string working_root = fs::canonical(working.path()).string() + "/data/cifar10";
  EXPECT_EQ(fs::canonical(root_of("cifar10", "")).string(), working_root);
  write_cifar10_set(variable / "cifar10", 1, 1);
  EXPECT_EQ(root_of("cifar10", ""), variable / "cifar10");
  write_cifar10_set(argument / "cifar10", 1, 1);
  EXPECT_EQ(root_of("cifar10", argument.path().string()), argument / "cifar10");
}

TEST(Search, AcceptsTheUsualFoldersAndTheFolderItself) {
  const TemporaryFolder folder;
  const ScopedVariable no_variable("SPIKELOOM_DATA_DIR", nullptr);
  for (const std::string& name : dataset_names()) {
    if (name == "shd" || name == "ssc") continue;  // HDF5: more_sets_test.cpp
    for (const std::string& sub_folder : dataset_info(name).folders) {
      const std::string data = folder / (name + "/" + sub_folder);
      if (name == "cifar10") {
        write_cifar10_set(data, 1, 1);
      } else if (name == "n-mnist") {
        write_bytes(nmnist_path(data, "Train", 0, 1), atis_bytes({{0, 1, 1, 1}}));
      } else if (name == "dvs-cifar10") {
        write_bytes(data + "/bird/cifar10_bird_7.aedat", aedat2_bytes({{0, 1, 1, 1}}));
      } else if (name == "n-caltech101") {
        write_bytes(data + "/ant/image_0001.bin", atis_bytes({{0, 1, 1, 1}}));
      } else if (name == "dvs128-gesture") {
        write_bytes(data + "/trials_to_train.txt", {'u', '.', 'a', 'e', 'd', 'a', 't'});
        write_bytes(data + "/trials_to_test.txt", {});
        write_bytes(data + "/u.aedat", {});
        const std::string labels = "class,startTime_usec,endTime_usec\n1,0,9\n";
        write_bytes(data + "/u_labels.csv", Bytes(labels.begin(), labels.end()));
      } else {
        write_idx_set(data, 3, 2);
      }
      EXPECT_EQ(root_of(name, data), data);
      EXPECT_EQ(root_of(name, folder / name), data);
      fs::remove_all(folder / name);
    }
  }
}

TEST(Search, MissingDataSaysWhereWhatAndHow) {
  const TemporaryFolder argument, variable, working;
  const ScopedVariable scoped_variable("SPIKELOOM_DATA_DIR", variable.path().c_str());
  const ScopedWorkingFolder scoped_folder(working.path());
  for (const std::string& name : dataset_names()) {
    if (name == "fashion-mnist") continue;          // a distribution may have installed it
    if (dataset_info(name).is_users_own) continue;  // folder_sets_test.cpp
    const std::string message = message_of<DataError>([&] { root_of(name, argument.path().string()); });
    const DatasetInfo& info = dataset_info(name);
    for (const std::string& part : {info.title, argument.path().string(), info.layout, info.how_to_get}) {
      EXPECT_TRUE(contains(message, part)) << part << " is not in: " << message;
    }
    EXPECT_FALSE(contains(message, variable.path().string())) << "not looked at: the argument is final";
    const std::string unnamed = message_of<DataError>([&] { root_of(name, ""); });
    for (const std::string& part : {info.title, variable.path().string(),
                                    std::string("/data (working folder"), info.layout, info.how_to_get}) {
      EXPECT_TRUE(contains(unnamed, part)) << part << " is not in: " << unnamed;
    }
    if (!info.downloads.empty()) {
      EXPECT_TRUE(contains(message, "spikeloom data fetch " + name)) << message;
    }
    EXPECT_FALSE(contains(message, "\n"));
    const VerifyReport report = verify_dataset(name, argument.path().string());
    EXPECT_FALSE(report.found);
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(report.message, message);
  }
  const ScopedVariable unset("SPIKELOOM_DATA_DIR", nullptr);
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { root_of("cifar10", ""); }), "SPIKELOOM_DATA_DIR (not set)"));
}

TEST(Search, AnArgumentThatDoesNotExistIsNotSearchedAround) {
  const TemporaryFolder variable;
  const ScopedVariable scoped_variable("SPIKELOOM_DATA_DIR", variable.path().c_str());
  write_cifar10_set(variable / "cifar10", 1, 1);
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { root_of("cifar10", variable / "nowhere"); }), "does not exist"));
}

TEST(Search, WhatIsNamedByHandIsFinal) {
  const TemporaryFolder named, variable, working;
  const ScopedVariable scoped_variable("SPIKELOOM_DATA_DIR", variable.path().c_str());
  const ScopedWorkingFolder scoped_folder(working.path());
  write_cifar10_set(variable / "cifar10", 1, 1);
  write_cifar10_set(working / "data/cifar10", 1, 1);
  EXPECT_EQ(root_of("cifar10", ""), variable / "cifar10");
  EXPECT_TRUE(contains(message_of<DataError>([&] { root_of("cifar10", named.path().string()); }),
                       named.path().string()));
  // A folder of one's own as well: not that of the same name in the working folder.
  for (const char* label : {"a", "b"}) {
    write_bytes(working / ("mine/" + std::string(label) + "/0.aedat"), aedat2_bytes({{1, 1, 1, 1}}));
    write_bytes(working / ("mine/" + std::string(label) + "/1.aedat"), aedat2_bytes({{1, 1, 1, 1}}));
  }
  DataSettings own;
  own.dataset = "folder";
  own.folder = "mine";
  EXPECT_NO_THROW(open_dataset(own, 1, ""));
  EXPECT_THROW(open_dataset(own, 1, named.path().string()), DataError);
}

TEST(Search, APartOfASetNamesWhatIsMissing) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 1, 1);
  fs::remove(folder / "cifar10/data_batch_4.bin");
  fs::remove(folder / "cifar10/test_batch.bin");
  const std::string message = message_of<DataError>([&] { root_of("cifar10", folder.path().string()); });
  EXPECT_TRUE(contains(message, "missing data_batch_4.bin, test_batch.bin")) << message;
  write_idx_set(folder / "mnist", 3, 2);
  fs::remove(folder / "mnist/t10k-images-idx3-ubyte");
  EXPECT_TRUE(contains(message_of<DataError>([&] { root_of("mnist", folder.path().string()); }),
                       "missing t10k-images-idx3-ubyte"));
}

}  // namespace
}  // namespace spikeloom::data
