#include "spikeloom/data/describe.h"

#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/search.h"

namespace spikeloom::data {

SampleShape nominal_sample_shape(const DataSettings& settings, int num_steps) {
  const std::string& name = find_source(settings.dataset).info.name;
  SampleShape shape;
  if (name == "cifar10") {
    shape.channels = 3;
    shape.height = shape.width = 32;
  } else if (name == "n-mnist" || name == "dvs-cifar10") {
    shape.num_steps = num_steps;
    shape.channels = 2;
    shape.height = shape.width = (name == "n-mnist" ? 34 : 128) / settings.downsample;
    shape.is_static = false;
  } else {
    shape.channels = 1;
    shape.height = shape.width = 28;
  }
  return shape;
}

int nominal_num_classes(const std::string& name) {
  return static_cast<int>(find_source(name).info.class_names.size());
}

std::string locate_dataset(const std::string& name, const std::string& data_dir) {
  return search_root(find_source(name), data_dir).root;
}

}  // namespace spikeloom::data
