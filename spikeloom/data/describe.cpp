#include "spikeloom/data/describe.h"

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/search.h"

namespace spikeloom::data {

namespace {

FolderFacts facts_of_folder(const DataSettings& settings) {
  const SearchResult found = search_root(source_of(settings), "");
  if (found.root.empty()) throw DataError(found.message);
  return read_folder_facts(settings, found.root);
}

}  // namespace

SampleShape nominal_sample_shape(const DataSettings& settings, int num_steps) {
  const DatasetInfo& info = find_source(settings.dataset).info;
  SampleShape shape;
  if (info.is_recordings) {
    int width = info.sensor_width, height = info.sensor_height;
    if (info.is_users_own) {
      const FolderFacts facts = facts_of_folder(settings);
      width = facts.sensor_width;
      height = facts.sensor_height;
    }
    shape.num_steps = num_steps;
    shape.channels = info.channels;
    shape.height = height / settings.downsample;
    shape.width = width / settings.downsample;
    shape.is_static = false;
  } else if (info.name == "cifar10") {
    shape.channels = 3;
    shape.height = shape.width = 32;
  } else {
    shape.channels = 1;
    shape.height = shape.width = 28;
  }
  return shape;
}

int nominal_num_classes(const DataSettings& settings) {
  const DatasetInfo& info = find_source(settings.dataset).info;
  const std::size_t count =
      info.is_users_own ? facts_of_folder(settings).classes.size() : info.class_names.size();
  return static_cast<int>(count);
}

std::string locate_dataset(const std::string& name, const std::string& data_dir) {
  return search_root(find_source(name), data_dir).root;
}

}  // namespace spikeloom::data
