#pragma once
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/settings.h"

namespace spikeloom::data {

/// The parts of a data set, opened: disjoint, and the same for the same files and settings.
struct DataSplits {
  std::shared_ptr<const Dataset> train;       ///< null only with Parts::kTest
  std::shared_ptr<const Dataset> validation;  ///< null if validation_samples is 0
  std::shared_ptr<const Dataset> test;        ///< null if the folder has no test part: see require_test()
  std::string description;                    ///< one line: how many samples, and how they were split
  bool simulated = false;                     ///< by SIMULATED.txt in the folder; the description says it too
  std::string root;                           ///< the folder that was found
  std::string test_missing;                   ///< why test is null: what is missing and where; else empty

  /// The test part. Throws DataError with test_missing if there is none.
  const std::shared_ptr<const Dataset>& require_test() const;
};

/// Which parts of a set are asked for.
enum class Parts {
  kAll,   ///< there must be something to train on
  kTest,  ///< only the test part is looked for and read; train and validation may be null
};

/// Opens a data set. `data_dir`, if it is given, is the only place where it is looked for; else the folder is
/// searched in this order: the environment variable SPIKELOOM_DATA_DIR, ./data, system places. In each, the
/// usual sub-folder names of the set are tried, then the place itself (see dataset_info(name).folders).
/// Splits are described in docs/datasets.md. `num_steps`: time steps of a recording, 1 or more; not used for
/// still images. Throws ConfigError on an unknown set or split or on a setting that is out of range or does
/// not apply to the set; DataError if the set is not found, naming each place, the files expected and how to
/// get them, or if a file is missing; FormatError naming the file if it is damaged.
DataSplits open_dataset(const DataSettings& settings, int num_steps, const std::string& data_dir,
                        Parts parts = Parts::kAll);

/// The registered names, in the order of the documentation.
std::vector<std::string> dataset_names();

}  // namespace spikeloom::data
