#include "spikeloom/data/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/config/table.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/search.h"
#include "spikeloom/data/simulate.h"

namespace spikeloom::data {
namespace {

using SourceFunction = const Source& (*)();
constexpr std::array<SourceFunction, 12> kSources = {
    mnist_source,       fashion_mnist_source, cifar10_source,      nmnist_source,
    dvs_cifar10_source, dvs_gesture_source,   ncaltech101_source,  shd_source,
    ssc_source,         folder_source,        image_folder_source, image_array_source};

void require_at_least(std::int64_t value, std::int64_t smallest, const char* key) {
  if (value >= smallest) return;
  throw ConfigError(fmt::format("must be at least {}, not {}", smallest, value), "", 0, key);
}

/// Keys that say where or how the user's own data is read. With any other set they would change nothing, so
/// somebody who gives one means other data.
void refuse_keys_of_own_data(const DatasetInfo& info, const DataSettings& settings) {
  const DataSettings defaults;
  const auto check = [&](bool given, const char* key, const char* of) {
    if (!given) return;
    throw ConfigError(
        fmt::format("is for your own data, {}, and the set here is '{}': name the one that is meant "
                    "(data.dataset, --dataset), or leave it out",
                    of, info.name),
        "", 0, key);
  };
  constexpr const char* kRecordings = "\"folder\"";
  constexpr const char* kImages = "\"image-folder\" or \"image-array\"";
  if (!info.is_users_own) {
    check(settings.folder != defaults.folder, "data.folder",
          "\"folder\", \"image-folder\" or \"image-array\"");
  }
  if (!info.is_users_own || !info.is_recordings) {
    check(settings.format != defaults.format, "data.format", kRecordings);
    check(settings.sensor != defaults.sensor, "data.sensor", kRecordings);
    check(settings.sensor_width != defaults.sensor_width, "data.sensor_width", kRecordings);
    check(settings.sensor_height != defaults.sensor_height, "data.sensor_height", kRecordings);
    check(settings.chip != defaults.chip, "data.chip", kRecordings);
    check(settings.camera != defaults.camera, "data.camera", kRecordings);
    check(settings.time_unit != defaults.time_unit, "data.time_unit", kRecordings);
    check(settings.columns != defaults.columns, "data.columns", kRecordings);
  }
  if (!info.is_users_own || info.is_recordings) {
    check(settings.image_size != defaults.image_size, "data.image_size", kImages);
    check(settings.resize != defaults.resize, "data.resize", kImages);
    check(settings.channels != defaults.channels, "data.channels", kImages);
  }
}

}  // namespace

const std::shared_ptr<const Dataset>& DataSplits::require_test() const {
  if (test == nullptr) throw DataError(test_missing);
  return test;
}

const Source& find_source(const std::string& name) {
  for (const SourceFunction source : kSources) {
    if (source().info.name == name) return source();
  }
  const std::string nearest = config::nearest(name, dataset_names());
  throw ConfigError(fmt::format("unknown data set '{}'; {}choose one of: {}", name,
                                nearest.empty() ? "" : "did you mean '" + nearest + "'? Or ",
                                fmt::join(dataset_names(), ", ")),
                    "", 0, "data.dataset");
}

Source source_of(const DataSettings& settings) {
  Source source = find_source(settings.dataset);
  refuse_keys_of_own_data(source.info, settings);
  if (!source.info.is_users_own) return source;
  if (settings.folder.empty()) {
    throw ConfigError(fmt::format("is empty: it must name the place of the set '{}'; expected there: {}",
                                  source.info.name, source.info.layout),
                      "", 0, "data.folder");
  }
  source.info.folders = {settings.folder};
  source.info.system_folders = {settings.folder};
  return source;
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const SourceFunction source : kSources) names.push_back(source().info.name);
  return names;
}

DataSplits open_dataset(const DataSettings& settings, int num_steps, const std::string& data_dir,
                        Parts parts) {
  // Data sets refer to the registered source; only that of a folder, which none refers to, is made here.
  const Source& registered = find_source(settings.dataset);
  const Source own = source_of(settings);
  const Source& source = registered.info.is_users_own ? own : registered;
  require_at_least(settings.validation_samples, 0, "data.validation_samples");
  require_at_least(settings.train_limit, 0, "data.train_limit");
  require_at_least(settings.test_limit, 0, "data.test_limit");
  require_at_least(settings.crop_padding, 0, "data.crop_padding");
  require_at_least(settings.cutout, 0, "data.cutout");
  require_at_least(settings.max_shift, 0, "data.max_shift");
  require_at_least(settings.folds, 2, "data.folds");
  require_at_least(settings.fold, 0, "data.fold");
  require_at_least(settings.sensor_width, 0, "data.sensor_width");
  require_at_least(settings.sensor_height, 0, "data.sensor_height");
  const SearchResult found = search_root(source, data_dir);
  if (found.root.empty()) throw DataError(found.message);
  DataSplits splits = source.open(source, settings, num_steps, found.root, parts);
  splits.root = found.root;
  std::error_code ignored;
  splits.simulated = std::filesystem::exists(std::filesystem::path(found.root) / kSimulatedNote, ignored);
  if (splits.simulated) splits.description = "simulated recordings: " + splits.description;
  return splits;
}

}  // namespace spikeloom::data
