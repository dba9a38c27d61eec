#include "spikeloom/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <thread>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"

namespace spikeloom::data {
namespace {

/// Samples whose every float says which sample, time step and place it is; sample 0 may be made to fail.
class CountingDataset : public Dataset {
 public:
  CountingDataset(std::int64_t size, std::int64_t num_steps) : size_(size), num_steps_(num_steps) {}

  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return size_; }
  SampleShape shape() const override { return {num_steps_, 2, 3, 5, num_steps_ == 1}; }
  const std::vector<std::string>& class_names() const override { return classes_; }
  int label(std::int64_t index) const override { return static_cast<int>(index % 10); }
  void read(std::int64_t index, const AugmentKey* augment, float* sample) const override {
    const int now = ++running_;
    int seen = most_running_.load();
    while (seen < now && !most_running_.compare_exchange_weak(seen, now)) {
    }
    ++reads_;
    if (slow_) std::this_thread::sleep_for(std::chrono::microseconds(200));
    --running_;
    if (failing_.count(index) != 0) throw DataError("sample " + std::to_string(index) + " is damaged");
    float extra = 0.0f;
    if (augment != nullptr) {
      extra = RandomStream(augment->seed, RandomPurpose::kAugment, static_cast<std::uint64_t>(index),
                           static_cast<std::uint64_t>(augment->epoch))
                  .uniform();
    }
    for (std::int64_t i = 0; i < shape().sample_size(); ++i) sample[i] = value(index, i) + extra;
  }
  static float value(std::int64_t index, std::int64_t i) { return static_cast<float>(index * 1000 + i); }

  std::set<std::int64_t> failing_;
  bool slow_ = false;
  mutable std::atomic<int> running_{0}, most_running_{0}, reads_{0};

 private:
  std::string name_ = "counting";
  std::int64_t size_, num_steps_;
  std::vector<std::string> classes_ = std::vector<std::string>(10, "class");
};

struct CopiedBatch {
  std::vector<float> inputs;
  std::vector<std::int64_t> labels;
  std::int64_t index = 0;
  bool operator==(const CopiedBatch& other) const {
    return inputs == other.inputs && labels == other.labels && index == other.index;
  }
};

CopiedBatch copy(const Batch& batch, const Dataset& dataset) {
  const std::int64_t floats = batch.size * dataset.shape().sample_size();
  return {{batch.inputs, batch.inputs + floats}, {batch.labels, batch.labels + batch.size}, batch.index};
}

std::vector<CopiedBatch> read_all(const std::shared_ptr<const Dataset>& dataset,
                                  const LoaderSettings& settings) {
  Loader loader(dataset, settings);
  std::vector<CopiedBatch> batches;
  while (const Batch* batch = loader.next()) batches.push_back(copy(*batch, *dataset));
  EXPECT_EQ(loader.next(), nullptr);
  return batches;
}

LoaderSettings shuffled(std::int64_t batch_size, int workers) {
  LoaderSettings settings;
  settings.batch_size = batch_size;
  settings.shuffle = settings.augment = true;
  settings.seed = 7;
  settings.epoch = 3;
  settings.workers = workers;
  return settings;
}

// What processes that train together read is, part after part, what one of them alone would.
TEST(Loader, PartsOfABatchFollowEachOther) {
  const auto dataset = std::make_shared<const CountingDataset>(21, 3);
  const std::int64_t step = dataset->shape().step_size();
  for (const int parts : {1, 2, 3, 4, 10}) {
    for (const int workers : {0, 2}) {
      Loader whole(dataset, shuffled(10, workers));  // the last batch has one sample
      std::vector<std::unique_ptr<Loader>> loaders;
      for (int part = 0; part < parts; ++part) {
        LoaderSettings settings = shuffled(10, workers);
        settings.part = part;
        settings.parts = parts;
        loaders.push_back(std::make_unique<Loader>(dataset, settings));
      }
      while (const Batch* all = whole.next()) {
        std::int64_t place = 0, smallest = 10, largest = 0;
        for (const auto& loader : loaders) {
          const Batch* own = loader->next();
          ASSERT_NE(own, nullptr);
          EXPECT_EQ(own->index, all->index);
          EXPECT_EQ(own->whole, all->size);
          if (own->spare) {
            EXPECT_LT(all->size, parts);
            EXPECT_EQ(own->size, 1);
            continue;
          }
          EXPECT_EQ(own->first, place);
          smallest = std::min(smallest, own->size);
          largest = std::max(largest, own->size);
          for (std::int64_t n = 0; n < own->size; ++n, ++place) {
            ASSERT_LT(place, all->size);
            EXPECT_EQ(own->labels[n], all->labels[place]);
            for (std::int64_t t = 0; t < 3; ++t) {
              const float* const from = all->inputs + (t * all->size + place) * step;
              EXPECT_TRUE(std::equal(from, from + step, own->inputs + (t * own->size + n) * step));
            }
          }
        }
        EXPECT_EQ(place, all->size);
        EXPECT_LE(largest - smallest, 1);
      }
      for (const auto& loader : loaders) EXPECT_EQ(loader->next(), nullptr);
    }
  }
}

TEST(Loader, RefusesPartsThatThereAreNot) {
  const auto dataset = std::make_shared<const CountingDataset>(4, 1);
  for (const auto& [part, parts] : std::vector<std::pair<int, int>>{{0, 0}, {-1, 2}, {2, 2}}) {
    LoaderSettings settings;
    settings.part = part;
    settings.parts = parts;
    EXPECT_THROW(Loader(dataset, settings), ConfigError);
  }
}

TEST(Loader, BatchesHoldTimeOutermostInOrder) {
  for (const int workers : {0, 1, 3}) {
    const auto dataset = std::make_shared<const CountingDataset>(10, 4);
    LoaderSettings settings;
    settings.batch_size = 4;
    settings.workers = workers;
    Loader loader(dataset, settings);
    ASSERT_EQ(loader.num_batches(), 3);
    const std::int64_t step = dataset->shape().step_size();
    for (std::int64_t b = 0; b < 3; ++b) {
      const Batch* batch = loader.next();
      ASSERT_NE(batch, nullptr);
      EXPECT_EQ(batch->index, b);
      ASSERT_EQ(batch->size, b < 2 ? 4 : 2);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(batch->inputs) % 64, 0u);
      for (std::int64_t n = 0; n < batch->size; ++n) {
        EXPECT_EQ(batch->labels[n], (b * 4 + n) % 10);
        for (std::int64_t t = 0; t < 4; ++t) {
          for (std::int64_t i = 0; i < step; ++i) {
            ASSERT_EQ(batch->inputs[(t * batch->size + n) * step + i],
                      CountingDataset::value(b * 4 + n, t * step + i));
          }
        }
      }
    }
    EXPECT_EQ(loader.next(), nullptr);
  }
}

TEST(Loader, OrderAndContentDoNotDependOnWorkersOrPrefetch) {
  for (const std::int64_t num_steps : {1, 3}) {
    const auto dataset = std::make_shared<const CountingDataset>(403, num_steps);
    const auto expected = read_all(dataset, shuffled(25, 0));
    ASSERT_EQ(expected.size(), 17u);
    for (const int workers : {1, 2, 5, 16}) {
      for (const int prefetch : {1, 4, 100}) {
        LoaderSettings settings = shuffled(25, workers);
        settings.prefetch = prefetch;
        EXPECT_TRUE(read_all(dataset, settings) == expected) << workers << " workers, prefetch " << prefetch;
      }
    }
  }
}

TEST(Loader, ShuffleIsThePermutationOfTheEpoch) {
  const auto dataset = std::make_shared<const CountingDataset>(50, 1);
  const auto order = random_permutation(50, 7, RandomPurpose::kShuffle, 3);
  LoaderSettings settings = shuffled(50, 2);
  settings.augment = false;
  const auto batches = read_all(dataset, settings);
  ASSERT_EQ(batches.size(), 1u);
  const auto step = static_cast<std::size_t>(dataset->shape().step_size());
  for (std::size_t n = 0; n < 50; ++n) {
    EXPECT_EQ(batches[0].inputs[n * step], CountingDataset::value(order[n], 0));
    EXPECT_EQ(batches[0].labels[n], order[n] % 10);
  }
  settings.epoch = 4;
  EXPECT_FALSE(read_all(dataset, settings)[0] == batches[0]);
  settings.epoch = 3;
  settings.seed = 8;
  EXPECT_FALSE(read_all(dataset, settings)[0] == batches[0]);
}

TEST(Loader, AugmentationFollowsSeedAndEpoch) {
  const auto dataset = std::make_shared<const CountingDataset>(20, 1);
  LoaderSettings settings;
  settings.batch_size = 20;
  const auto plain = read_all(dataset, settings);
  settings.augment = true;
  const auto epoch_0 = read_all(dataset, settings);
  settings.epoch = 1;
  const auto epoch_1 = read_all(dataset, settings);
  EXPECT_FALSE(plain == epoch_0);
  EXPECT_FALSE(epoch_0 == epoch_1);
  settings.epoch = 0;
  EXPECT_TRUE(read_all(dataset, settings) == epoch_0);
}

TEST(Loader, ResumeInsideAnEpochGivesTheSameBatches) {
  const auto dataset = std::make_shared<const CountingDataset>(101, 2);
  const auto whole = read_all(dataset, shuffled(10, 2));
  ASSERT_EQ(whole.size(), 11u);
  for (const std::int64_t first : {1, 5, 10, 11}) {
    for (const int workers : {0, 2}) {
      LoaderSettings settings = shuffled(10, workers);
      settings.first_batch = first;
      const auto rest = read_all(dataset, settings);
      EXPECT_TRUE(rest == std::vector<CopiedBatch>(whole.begin() + first, whole.end())) << first;
      EXPECT_EQ(Loader(dataset, settings).num_batches(), 11);
    }
  }
}

TEST(Loader, DropLast) {
  const auto dataset = std::make_shared<const CountingDataset>(25, 1);
  LoaderSettings settings;
  settings.batch_size = 10;
  settings.drop_last = true;
  EXPECT_EQ(read_all(dataset, settings).size(), 2u);
  settings.batch_size = 26;
  EXPECT_EQ(read_all(dataset, settings).size(), 0u);
  settings.drop_last = false;
  const auto batches = read_all(dataset, settings);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].labels.size(), 25u);
}

TEST(Loader, AnEmptySetHasNoBatches) {
  EXPECT_TRUE(read_all(std::make_shared<const CountingDataset>(0, 1), LoaderSettings{}).empty());
}

TEST(Loader, BatchStaysValidUntilTheNextCall) {
  const auto dataset = std::make_shared<const CountingDataset>(64, 1);
  LoaderSettings settings;
  settings.batch_size = 4;
  settings.workers = 3;
  settings.prefetch = 2;
  Loader loader(dataset, settings);
  while (const Batch* batch = loader.next()) {
    const CopiedBatch before = copy(*batch, *dataset);
    // Long enough for the workers to fill every other slot.
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    EXPECT_TRUE(copy(*batch, *dataset) == before);
  }
}

TEST(Loader, ReadsAheadNoFurtherThanAllowed) {
  const auto dataset = std::make_shared<const CountingDataset>(100, 1);
  LoaderSettings settings;
  settings.batch_size = 5;
  settings.workers = 2;
  settings.prefetch = 3;
  Loader loader(dataset, settings);
  ASSERT_NE(loader.next(), nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(dataset->reads_, 5 * (1 + 3));
}

TEST(Loader, WorkersReadSideBySide) {
  const auto dataset = std::make_shared<CountingDataset>(200, 1);
  dataset->slow_ = true;
  LoaderSettings settings;
  settings.batch_size = 10;
  settings.workers = 4;
  read_all(dataset, settings);
  EXPECT_GT(dataset->most_running_, 1);
  EXPECT_LE(dataset->most_running_, 4);
}

TEST(Loader, AnErrorIsThrownWhenItsBatchIsDueAndFromThenOn) {
  for (const int workers : {0, 1, 4}) {
    const auto dataset = std::make_shared<CountingDataset>(100, 2);
    dataset->failing_ = {37, 33, 38, 71};
    LoaderSettings settings;
    settings.batch_size = 10;
    settings.workers = workers;
    Loader loader(dataset, settings);
    for (std::int64_t b = 0; b < 3; ++b) {
      const Batch* batch = loader.next();
      ASSERT_NE(batch, nullptr);
      EXPECT_EQ(batch->labels[9], 9);
    }
    EXPECT_EQ(message_of<DataError>([&] { loader.next(); }), "sample 33 is damaged");
    EXPECT_EQ(message_of<DataError>([&] { loader.next(); }), "sample 33 is damaged");
  }
}

TEST(Loader, CanBeDestroyedAtAnyTime) {
  const auto dataset = std::make_shared<CountingDataset>(1000, 3);
  dataset->slow_ = true;
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(dataset, shuffled(8, taken % 5));
    for (int i = 0; i < taken; ++i) ASSERT_NE(loader.next(), nullptr);
  }
  dataset->failing_ = {0, 1, 2, 500};
  for (int i = 0; i < 20; ++i) Loader loader(dataset, shuffled(8, 3));
}

TEST(Loader, RefusesSettingsOutOfRange) {
  const auto dataset = std::make_shared<const CountingDataset>(10, 1);
  const auto message = [&](const std::function<void(LoaderSettings&)>& change) {
    LoaderSettings settings;
    settings.batch_size = 4;
    change(settings);
    return message_of<ConfigError>([&] { Loader loader(dataset, settings); });
  };
  EXPECT_TRUE(contains(message([](LoaderSettings& s) { s.batch_size = 0; }), "batch_size"));
  EXPECT_TRUE(contains(message([](LoaderSettings& s) { s.workers = -1; }), "workers"));
  EXPECT_TRUE(contains(message([](LoaderSettings& s) { s.prefetch = 0; }), "prefetch"));
  EXPECT_TRUE(contains(message([](LoaderSettings& s) { s.epoch = -1; }), "epoch"));
  EXPECT_TRUE(contains(message([](LoaderSettings& s) { s.first_batch = 4; }), "first_batch"));
  EXPECT_TRUE(
      contains(message([](LoaderSettings& s) { s.batch_size = std::int64_t{1} << 40; }), "too large"));
  EXPECT_TRUE(
      contains(message_of<ConfigError>([] { Loader loader(nullptr, LoaderSettings{}); }), "no data set"));
}

}  // namespace
}  // namespace spikeloom::data
