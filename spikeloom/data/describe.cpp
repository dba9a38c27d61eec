#include "spikeloom/data/describe.h"

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/search.h"

namespace spikeloom::data {

namespace {

/// Where the user's own set is.
std::string own_root(const DataSettings& settings) {
  const SearchResult found = search_root(source_of(settings), "");
  if (found.root.empty()) throw DataError(found.message);
  return found.root;
}

ImageFacts own_images(const DataSettings& settings) {
  const std::string root = own_root(settings);
  return settings.dataset == "image-array" ? read_image_array_facts(settings, root)
                                           : read_image_folder_facts(settings, root);
}

}  // namespace

SampleShape nominal_sample_shape(const DataSettings& settings, int num_steps) {
  const DatasetInfo& info = find_source(settings.dataset).info;
  SampleShape shape;
  if (info.is_recordings) {
    int width = info.sensor_width, height = info.sensor_height;
    if (info.is_users_own) {
      const FolderFacts facts = read_folder_facts(settings, own_root(settings));
      width = facts.sensor_width;
      height = facts.sensor_height;
    }
    shape.num_steps = num_steps;
    shape.channels = info.channels;
    shape.height = height / settings.downsample;
    shape.width = width / settings.downsample;
    shape.is_static = false;
  } else if (info.is_users_own) {
    const ImageFacts facts = own_images(settings);
    shape.channels = facts.channels;
    shape.height = facts.height;
    shape.width = facts.width;
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
  if (!info.is_users_own) return static_cast<int>(info.class_names.size());
  return static_cast<int>(info.is_recordings ? read_folder_facts(settings, own_root(settings)).classes.size()
                                             : own_images(settings).classes.size());
}

std::string locate_dataset(const std::string& name, const std::string& data_dir) {
  return search_root(find_source(name), data_dir).root;
}

}  // namespace spikeloom::data
