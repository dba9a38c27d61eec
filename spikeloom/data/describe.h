#pragma once
// Facts about a set that need no file to be read.
#include <string>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/settings.h"

namespace spikeloom::data {

/// Shape of the samples that open_dataset(settings, num_steps, ...) will give, without opening anything;
/// only the user's own data is looked at. Throws ConfigError for an unknown set, and
/// DataError as open_dataset() for a folder.
SampleShape nominal_sample_shape(const DataSettings& settings, int num_steps);

/// Number of classes of a set. Throws ConfigError for an unknown set.
int nominal_num_classes(const DataSettings& settings);

/// The folder where open_dataset would find the set (see registry.h), or "" if nowhere.
/// Throws ConfigError for an unknown set.
std::string locate_dataset(const std::string& name, const std::string& data_dir);

}  // namespace spikeloom::data
