// The training loop, feed and optimisers of a device, on their host queue, against the CPU's; on a CUDA
// device too where there is one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/train/steps/device_feed.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::read_metrics;
using testing::read_tensors;
using testing::Recorder;
using testing::small_recipe;
using testing::timeless_metrics;

struct Variant {
  std::string name;
  std::vector<std::string> overrides;
};

void PrintTo(const Variant& variant, std::ostream* stream) { *stream << variant.name; }

const std::vector<Variant> kVariants = {
    {"sgd_neunorm_dropout",
     {"network.structure=3C3(Encoding)-AP2-4C3-AP2-16FC-Voting", "neunorm.enabled=true", "neunorm.u_init=0.1",
      "dropout.rate=0.3", "data.validation_samples=10", "optimizer.weight_decay=1e-3"}},
    {"adam_calibrated_augmented_keep_best",
     {"optimizer.kind=adam", "optimizer.learning_rate=0.02", "init.scheme=calibrated", "data.crop_padding=3",
      "data.horizontal_flip=true", "data.cutout=5", "data.contrast=0.4", "data.validation_samples=10",
      "training.keep_best=true", "data.split=random", "loss.kind=cross-entropy"}},
    {"clipped_cosine_few_logs",
     {"voting.assignment=random", "schedule.kind=cosine", "schedule.warmup_epochs=0.5",
      "optimizer.max_gradient_norm=0.05", "training.log_every=3", "data.validation_samples=10",
      "neuron.detach_reset=true", "optimizer.momentum=0.0"}},
    {"bf16", {"compute.precision=bf16", "network.structure=3C3(Encoding)-AP2-4C3-AP2-16FC-Voting"}},
};

class DeviceTraining : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override { testing::write_pattern_set(data_, 60, 20); }

  TrainingRequest request(const std::string& run, Recorder& recorder) const {
    TrainingRequest request;
    std::vector<std::string> overrides = GetParam().overrides;
    overrides.push_back("training.epochs=3");  // twelve steps
    request.recipe = small_recipe(overrides);
    request.run_path = run;
    request.data_dir = data_;
    request.stop = &recorder.stop;
    return request;
  }
  /// The same training on the CPU and as `device` does it: losses of all lines of metrics agree.
  void expect_the_cpus_training(const std::string& device) {
    Recorder cpu, other;
    train(request(cpu_run_, cpu), cpu);
    TrainingRequest wanted = request(device_run_, other);
    wanted.device = device;
    wanted.device_path_on_host = device == "cpu";
    const auto result = train(wanted, other);
    EXPECT_EQ(result.iterations, 12);
    EXPECT_GT(result.test_samples, 0);
    const auto want = read_metrics(cpu_run_), got = read_metrics(device_run_);
    ASSERT_EQ(got.size(), want.size());
    const double tolerance = GetParam().name == "bf16" ? 2e-2 : 1e-3;
    for (std::size_t i = 0; i < want.size(); ++i) {
      for (const char* key : {"loss", "train_loss", "validation_loss", "test_loss", "learning_rate"}) {
        if (!want[i].contains(key)) continue;
        const auto expected = want[i].at(key).get<double>();
        EXPECT_NEAR(got[i].at(key).get<double>(), expected, tolerance * expected) << key << " of line " << i;
      }
      EXPECT_EQ(got[i].at("iteration"), want[i].at("iteration"));
      for (const auto& [layer, rate] : want[i].at("firing_rates").items()) {
        EXPECT_NEAR(got[i].at("firing_rates").at(layer).get<double>(), rate.get<double>(), 0.02) << layer;
      }
    }
  }

  testing::TemporaryFolder folder_;
  std::string data_ = folder_.path() + "/data", cpu_run_ = folder_.path() + "/cpu",
              device_run_ = folder_.path() + "/device";
};

TEST_P(DeviceTraining, OnTheHostHasTheCpusLosses) { expect_the_cpus_training("cpu"); }

TEST_P(DeviceTraining, CudaDeviceHasTheCpusLosses) {
  if (kernels::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device";
  expect_the_cpus_training("cuda");
}

TEST_P(DeviceTraining, ResumedEqualsUninterrupted) {
  Recorder whole, first, second;
  TrainingRequest wanted = request(cpu_run_, whole);
  wanted.device_path_on_host = true;
  train(wanted, whole);
  wanted = request(device_run_, first);
  wanted.device_path_on_host = true;
  first.stop_at_iteration = 3;
  EXPECT_TRUE(train(wanted, first).interrupted);
  wanted = request(device_run_, second);
  wanted.device_path_on_host = true;
  wanted.resume = true;
  EXPECT_FALSE(train(wanted, second).interrupted);
  EXPECT_EQ(timeless_metrics(device_run_), timeless_metrics(cpu_run_));
  EXPECT_EQ(read_tensors(device_run_ + "/model.safetensors"), read_tensors(cpu_run_ + "/model.safetensors"));
  EXPECT_EQ(read_tensors(device_run_ + "/checkpoint.safetensors"),
            read_tensors(cpu_run_ + "/checkpoint.safetensors"));
}

// Checkpoints are the same files: a training may begin on the CPU and go on on a device, and the other way
// round.
TEST_P(DeviceTraining, GoesOnOnTheOther) {
  for (const bool begins_on_device : {false, true}) {
    const std::string run = folder_.path() + (begins_on_device ? "/there" : "/here");
    Recorder first, second;
    TrainingRequest wanted = request(run, first);
    wanted.device_path_on_host = begins_on_device;
    first.stop_at_iteration = 3;
    EXPECT_TRUE(train(wanted, first).interrupted);
    wanted = request(run, second);
    wanted.resume = true;
    wanted.device_path_on_host = !begins_on_device;
    const auto result = train(wanted, second);
    EXPECT_FALSE(result.interrupted);
    EXPECT_EQ(result.iterations, 12);
  }
}

INSTANTIATE_TEST_SUITE_P(, DeviceTraining, ::testing::ValuesIn(kVariants),
                         [](const auto& variant) { return variant.param.name; });

// A set that says nothing of images, as one of recordings does.
class Plain : public data::Dataset {
 public:
  explicit Plain(std::shared_ptr<const data::Dataset> set) : set_(std::move(set)) {}
  const std::string& name() const override { return set_->name(); }
  std::int64_t size() const override { return set_->size(); }
  data::SampleShape shape() const override {
    data::SampleShape shape = set_->shape();
    shape.num_steps = 2;
    shape.is_static = false;
    return shape;
  }
  const std::vector<std::string>& class_names() const override { return set_->class_names(); }
  int label(std::int64_t index) const override { return set_->label(index); }
  void read(std::int64_t index, const data::AugmentKey* augment, float* sample) const override {
    const std::int64_t step = set_->shape().sample_size();
    set_->read(index, augment, sample);
    for (std::int64_t i = 0; i < step; ++i) sample[step + i] = 1.0f - sample[i];
  }

 private:
  std::shared_ptr<const data::Dataset> set_;
};

TEST(DeviceFeed, GivesTheLoadersBatches) {
  testing::TemporaryFolder folder;
  testing::write_pattern_set(folder.path(), 60, 20);
  const Recipe recipe = small_recipe({"data.crop_padding=3", "data.horizontal_flip=true", "data.cutout=4",
                                      "data.brightness=0.3", "data.standardize=true"});
  const auto images = data::open_dataset(recipe.data, recipe.network.num_steps, folder.path()).train;
  ASSERT_NE(images->raw_images(), nullptr);
  for (const bool as_images : {true, false}) {
    const std::shared_ptr<const data::Dataset> set = as_images ? images : std::make_shared<Plain>(images);
    data::LoaderSettings loading;
    loading.batch_size = 16;
    loading.shuffle = true;
    loading.augment = true;
    loading.seed = 5;
    loading.epoch = 3;
    loading.first_batch = 1;
    const auto shape = set->shape();
    const auto network =
        make_network(model::plan_network(recipe.network, {shape.channels, shape.height, shape.width}, 10),
                     recipe.network, 1);
    StepRunner runner(*network, recipe.optimizer, recipe.loss, 1, shape.num_steps, loading.batch_size);
    const auto on_device =
        as_images ? std::make_shared<const DeviceImages>(*set->raw_images(), at::kCPU) : nullptr;
    DeviceFeed feed(set, loading, on_device, at::kCPU, runner);
    data::Loader loader(set, loading);
    int batches = 0;
    while (const data::Batch* batch = loader.next()) {
      const engine::Batch* const got = feed.next();
      ASSERT_NE(got, nullptr);
      ASSERT_EQ(got->samples, batch->size);
      const auto values = static_cast<std::size_t>(batch->size * shape.sample_size());
      EXPECT_EQ(std::memcmp(got->input.data, batch->inputs, values * sizeof(float)), 0);
      EXPECT_EQ(std::memcmp(got->labels.data, batch->labels, got->labels.bytes()), 0);
      ++batches;
    }
    EXPECT_EQ(feed.next(), nullptr);
    EXPECT_EQ(batches, 3);
  }
}

}  // namespace
}  // namespace spikeloom::train
