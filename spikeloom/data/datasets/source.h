#pragma once
// What a data set brings along to be registered: its facts, how its folder is recognised, opened and
// verified.
#include <filesystem>
#include <string>

#include "spikeloom/data/registry.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {

struct Source {
  DatasetInfo info;
  /// Whether a folder holds at least a part of the set. Does not throw.
  bool (*recognizes)(const std::filesystem::path& root);
  /// Opens it; the settings common to all sets are checked already. Fills all of DataSplits but root.
  DataSplits (*open)(const Source& source, const DataSettings& settings, int num_steps,
                     const std::filesystem::path& root);
  /// Fills checks and counts.
  void (*verify)(const Source& source, const std::filesystem::path& root, VerifyReport& report);
};

const Source& mnist_source();
const Source& fashion_mnist_source();
const Source& cifar10_source();
const Source& nmnist_source();
const Source& dvs_cifar10_source();

/// The source of a registered name. Throws ConfigError listing the names if there is none.
const Source& find_source(const std::string& name);

}  // namespace spikeloom::data
