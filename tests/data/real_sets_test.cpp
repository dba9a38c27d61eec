// The published sets, where this machine has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/loader.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/search.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

SearchResult search(const std::string& dataset) { return search_root(find_source(dataset), ""); }

#define SKIP_UNLESS_HERE(dataset)                                              \
  do {                                                                         \
    if (search(dataset).root.empty()) GTEST_SKIP() << search(dataset).message; \
  } while (false)

DataSettings real_set_settings(const std::string& dataset) {
  DataSettings settings;
  settings.dataset = dataset;
  return settings;
}

std::vector<int> labels_of(const Dataset& dataset, std::int64_t count) {
  std::vector<int> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(dataset.label(i));
  return labels;
}

/// Mean and standard deviation of a still image set's pixels in [0, 1], over all channels.
std::pair<double, double> statistics(const std::shared_ptr<const Dataset>& dataset) {
  LoaderSettings loading;
  loading.batch_size = 500;
  Loader loader(dataset, loading);
  double sum = 0.0, squares = 0.0, count = 0.0;
  while (const Batch* batch = loader.next()) {
    for (std::int64_t i = 0; i < batch->size * dataset->shape().sample_size(); ++i) {
      sum += batch->inputs[i];
      squares += static_cast<double>(batch->inputs[i]) * batch->inputs[i];
    }
    count += static_cast<double>(batch->size * dataset->shape().sample_size());
  }
  return {sum / count, std::sqrt(squares / count - sum / count * (sum / count))};
}

TEST(RealSets, Mnist) {
  SKIP_UNLESS_HERE("mnist");
  DataSettings settings = real_set_settings("mnist");
  settings.validation_samples = 5000;
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_EQ(splits.train->size(), 55000);
  EXPECT_EQ(splits.validation->size(), 5000);
  EXPECT_EQ(splits.require_test()->size(), 10000);
  EXPECT_EQ(labels_of(*splits.train, 8), (std::vector<int>{5, 0, 4, 1, 9, 2, 1, 3}));
  EXPECT_EQ(labels_of(*splits.test, 5), (std::vector<int>{7, 2, 1, 0, 4}));
  EXPECT_EQ(
      splits.description,
      "MNIST: 55,000 training, 5,000 validation (the last of the training part), 10,000 test (official)");
  const DataSplits whole = open_dataset(real_set_settings("mnist"), 1, "");
  const auto [mean, deviation] = statistics(whole.train);
  EXPECT_NEAR(mean, 0.1307, 5e-5);
  EXPECT_NEAR(deviation, 0.3081, 5e-5);
  const VerifyReport report = verify_dataset("mnist", "");
  EXPECT_TRUE(report.complete);
  for (const FileCheck& check : report.checks) EXPECT_TRUE(check.ok) << check.path << ": " << check.message;
}

TEST(RealSets, FashionMnist) {
  SKIP_UNLESS_HERE("fashion-mnist");
  const DataSplits splits = open_dataset(real_set_settings("fashion-mnist"), 1, "");
  EXPECT_EQ(splits.train->size(), 60000);
  EXPECT_EQ(splits.require_test()->size(), 10000);
  EXPECT_EQ(labels_of(*splits.train, 5), (std::vector<int>{9, 0, 0, 3, 0}));
  const auto [mean, deviation] = statistics(splits.train);
  EXPECT_NEAR(mean, 0.2860, 5e-5);
  EXPECT_NEAR(deviation, 0.3530, 5e-5);
  const VerifyReport report = verify_dataset("fashion-mnist", "");
  EXPECT_TRUE(report.complete);
  for (const FileCheck& check : report.checks) EXPECT_TRUE(check.ok) << check.path << ": " << check.message;
}

TEST(RealSets, AFolderOfTheOtherSetIsRefused) {
  SKIP_UNLESS_HERE("fashion-mnist");
  const std::string root = search("fashion-mnist").root;
  const std::string message =
      message_of<DataError>([&] { open_dataset(real_set_settings("mnist"), 1, root); });
  EXPECT_TRUE(contains(message, "holds Fashion-MNIST, not MNIST")) << message;
}

TEST(RealSets, Cifar10) {
  SKIP_UNLESS_HERE("cifar10");
  DataSettings settings = real_set_settings("cifar10");
  settings.standardize = true;
  const DataSplits splits = open_dataset(settings, 1, "");
  EXPECT_EQ(splits.train->size(), 50000);
  EXPECT_EQ(splits.require_test()->size(), 10000);
  EXPECT_EQ(labels_of(*splits.train, 6), (std::vector<int>{6, 9, 9, 4, 1, 1}));
  EXPECT_EQ(labels_of(*splits.test, 5), (std::vector<int>{3, 8, 8, 0, 6}));
  // The published channel statistics: (value - 0.4914) / 0.2470 and so on.
  const auto standard = read_sample(*splits.train, 0);
  const auto plain = read_sample(*open_dataset(real_set_settings("cifar10"), 1, "").train, 0);
  const double means[] = {0.4914, 0.4822, 0.4465}, deviations[] = {0.2470, 0.2435, 0.2616};
  for (std::size_t i = 0; i < plain.size(); ++i) {
    ASSERT_NEAR(standard[i], (plain[i] - means[i % 3]) / deviations[i % 3], 1e-3);
  }
  const VerifyReport report = verify_dataset("cifar10", "");
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.counts[0].per_class, std::vector<std::int64_t>(10, 5000));
}

TEST(RealSets, NMnist) {
  SKIP_UNLESS_HERE("n-mnist");
  DataSettings settings = real_set_settings("n-mnist");
  settings.validation_samples = 100;
  const DataSplits splits = open_dataset(settings, 10, "");
  // Recording k shows MNIST's training image k - 1.
  EXPECT_EQ(labels_of(*splits.train, 8), (std::vector<int>{5, 0, 4, 1, 9, 2, 1, 3}));
  const std::int64_t available = splits.train->size() + splits.validation->size();
  if (available == 1000) {
    EXPECT_EQ(splits.train->size(), 900);
    EXPECT_TRUE(contains(splits.description, "1,000 of 60,000 recordings")) << splits.description;
  } else {
    EXPECT_EQ(available, 60000);
  }
  for (std::int64_t i = 0; i < 50; ++i) {
    const auto sample = read_sample(*splits.train, i);
    const auto largest = *std::max_element(sample.begin(), sample.end());
    EXPECT_GT(std::count_if(sample.begin(), sample.end(), [](float v) { return v > 0.0f; }), 100);
    EXPECT_GE(*std::min_element(sample.begin(), sample.end()), 0.0f);
    EXPECT_LT(largest, 50.0f);
  }
  const VerifyReport report = verify_dataset("n-mnist", "");
  EXPECT_EQ(report.counts[0].found, available);
  EXPECT_EQ(report.complete, available == 60000 && report.counts[1].found == 10000);
}

TEST(RealSets, NMnistBatchesDoNotDependOnWorkers) {
  SKIP_UNLESS_HERE("n-mnist");
  DataSettings settings = real_set_settings("n-mnist");
  settings.train_limit = 200;
  settings.max_shift = 2;
  const auto all_inputs = [&](int workers) {
    // Opened anew, so that the cache is filled by these workers.
    const DataSplits splits = open_dataset(settings, 10, "");
    LoaderSettings loading;
    loading.batch_size = 32;
    loading.shuffle = loading.augment = true;
    loading.workers = workers;
    std::vector<float> inputs;
    for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
      loading.epoch = epoch;
      Loader loader(splits.train, loading);
      while (const Batch* batch = loader.next()) {
        inputs.insert(inputs.end(), batch->inputs,
                      batch->inputs + batch->size * splits.train->shape().sample_size());
      }
    }
    return inputs;
  };
  const auto expected = all_inputs(0);
  EXPECT_TRUE(all_inputs(1) == expected);
  EXPECT_TRUE(all_inputs(4) == expected);
}

TEST(RealSets, DvsCifar10) {
  SKIP_UNLESS_HERE("dvs-cifar10");
  DataSettings settings = real_set_settings("dvs-cifar10");
  settings.downsample = 3;
  const DataSplits splits = open_dataset(settings, 10, "");
  EXPECT_EQ(splits.train->shape().width, 42);
  EXPECT_NO_THROW(read_sample(*splits.train, 0));
}

}  // namespace
}  // namespace spikeloom::data
