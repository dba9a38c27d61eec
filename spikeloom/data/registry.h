#pragma once
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/settings.h"

namespace spikeloom::data {

/// The parts of a data set, opened: disjoint, and the same for the same files and settings.
struct DataSplits {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> validation;  ///< null if validation_samples is 0
  std::shared_ptr<const Dataset> test;        ///< null if the folder has no test part: see require_test()
  std::string description;                    ///< one line: how many samples, and how they were split
  std::string root;                           ///< the folder that was found
  std::string test_missing;                   ///< why test is null: what is missing and where; else empty

  /// The test part. Throws DataError with test_missing if there is none.
  const std::shared_ptr<const Dataset>& require_test() const;
};

/// Opens a data set. The folder is searched in this order: `data_dir`, the environment variable
/// SPIKELOOM_DATA_DIR, ./data, system places; in each, the usual sub-folder names of the set, then the place
/// itself (see dataset_info(name).folders). Splits are described in docs/datasets.md.
/// `num_steps`: time steps of a recording, 1 or more; not used for still images.
/// Throws ConfigError on an unknown set or split or on a setting that is out of range or does not apply to
/// the set; DataError if the set is not found, naming each place, the files expected and how to get them, or
/// if a file is missing; FormatError naming the file if it is damaged.
DataSplits open_dataset(const DataSettings& settings, int num_steps, const std::string& data_dir);

/// The registered names, in the order of the documentation.
std::vector<std::string> dataset_names();

}  // namespace spikeloom::data
