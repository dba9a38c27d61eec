#pragma once
// What a data set brings along to be registered: its facts, how its folder is recognised, opened and
// verified.
#include <filesystem>
#include <string>
#include <vector>

#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {

struct Source {
  DatasetInfo info;
  /// Whether a folder holds at least a part of the set. Does not throw.
  bool (*recognizes)(const std::filesystem::path& root);
  /// Opens it; the settings common to all sets are checked already. Fills all of DataSplits but root.
  /// With Parts::kTest nothing but the test part is looked at, and `train` may be null.
  DataSplits (*open)(const Source& source, const DataSettings& settings, int num_steps,
                     const std::filesystem::path& root, Parts parts);
  /// Fills checks and counts.
  void (*verify)(const Source& source, const VerifyRequest& request, const std::filesystem::path& root,
                 VerifyReport& report);
};

const Source& mnist_source();
const Source& fashion_mnist_source();
const Source& cifar10_source();
const Source& nmnist_source();
const Source& dvs_cifar10_source();
const Source& dvs_gesture_source();
const Source& ncaltech101_source();
const Source& shd_source();
const Source& ssc_source();
const Source& folder_source();
const Source& image_folder_source();
const Source& image_array_source();

/// The classes of a folder of the user's own recordings, and the size of its sensor. Throws as
/// open_dataset().
struct FolderFacts {
  std::vector<std::string> classes;
  int sensor_width = 0, sensor_height = 0;
  std::string sized_by;  ///< the recording that says the size; "" if the settings do
  std::string columns;   ///< formats::EventReader::columns_by_value() of that recording
};
FolderFacts read_folder_facts(const DataSettings& settings, const std::filesystem::path& root);

/// The classes of the user's own images, and their shape. Throws as open_dataset().
struct ImageFacts {
  std::vector<std::string> classes;
  std::int64_t height = 0, width = 0, channels = 0;
};
ImageFacts read_image_folder_facts(const DataSettings& settings, const std::filesystem::path& root);
ImageFacts read_image_array_facts(const DataSettings& settings, const std::filesystem::path& root);

/// The source of a registered name. Throws ConfigError listing the names if there is none.
const Source& find_source(const std::string& name);

/// The same, with the folder of the user's own recordings where the settings say. Throws ConfigError
/// likewise.
Source source_of(const DataSettings& settings);

}  // namespace spikeloom::data
