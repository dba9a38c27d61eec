#include "spikeloom/data/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/search.h"

namespace spikeloom::data {
namespace {

using SourceFunction = const Source& (*)();
constexpr std::array<SourceFunction, 5> kSources = {mnist_source, fashion_mnist_source, cifar10_source,
                                                    nmnist_source, dvs_cifar10_source};

void require_at_least(std::int64_t value, std::int64_t smallest, const char* key) {
  if (value >= smallest) return;
  throw ConfigError(fmt::format("must be at least {}, not {}", smallest, value), "", 0, key);
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
  throw ConfigError(
      fmt::format("unknown data set '{}'; choose one of: {}", name, fmt::join(dataset_names(), ", ")), "", 0,
      "data.dataset");
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const SourceFunction source : kSources) names.push_back(source().info.name);
  return names;
}

DataSplits open_dataset(const DataSettings& settings, int num_steps, const std::string& data_dir) {
  const Source& source = find_source(settings.dataset);
  require_at_least(settings.validation_samples, 0, "data.validation_samples");
  require_at_least(settings.train_limit, 0, "data.train_limit");
  require_at_least(settings.test_limit, 0, "data.test_limit");
  require_at_least(settings.crop_padding, 0, "data.crop_padding");
  require_at_least(settings.max_shift, 0, "data.max_shift");
  const SearchResult found = search_root(source, data_dir);
  if (found.root.empty()) throw DataError(found.message);
  DataSplits splits = source.open(source, settings, num_steps, found.root);
  splits.root = found.root;
  return splits;
}

}  // namespace spikeloom::data
