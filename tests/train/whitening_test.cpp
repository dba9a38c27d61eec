#include "spikeloom/train/steps/whitening.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/engine/initialise.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;

constexpr std::int64_t kSide = 9, kChannels = 2, kKernel = 3, kValues = kKernel * kKernel * kChannels;
constexpr int kFilters = 41;  // 18 pairs and 5 random directions

/// Images whose pixels depend on their neighbours and on the other channel.
class SmoothImages : public data::Dataset {
 public:
  explicit SmoothImages(bool constant = false) : constant_(constant) {}
  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return 70; }  // two of the loader's batches, the second not full
  data::SampleShape shape() const override { return {1, kChannels, kSide, kSide, true}; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(std::int64_t index) const override { return static_cast<int>(index % 2); }
  void read(std::int64_t index, const data::AugmentKey* augment, float* sample) const override {
    EXPECT_EQ(augment, nullptr);
    RandomStream stream(5, RandomPurpose::kSimulation, static_cast<std::uint64_t>(index));
    double before = 0.0;
    for (std::int64_t i = 0; i < shape().sample_size(); ++i) {
      before = 0.8 * before + stream.normal();
      sample[i] = constant_ ? 1.0f : static_cast<float>(before + 3.0);
    }
  }

 private:
  std::string name_ = "smooth";
  std::vector<std::string> class_names_ = {"a", "b"};
  bool constant_;
};

model::NetworkSettings settings_of(const std::string& structure) {
  model::NetworkSettings settings;
  settings.structure = structure;
  settings.num_steps = 1;
  return settings;
}

std::unique_ptr<Network> network_of(const model::NetworkSettings& settings) {
  return make_network(model::plan_network(settings, {kChannels, kSide, kSide}, 2), settings, 1);
}

/// [filters][k * k * C], in memory order (h, w, c).
std::vector<std::vector<double>> filters_of(const Network& network) {
  const std::vector<float> weights = network.engine().read(network.program().find_slot("conv1.weight"));
  std::vector<std::vector<double>> filters(kFilters, std::vector<double>(kValues));
  for (std::size_t f = 0; f < kFilters; ++f) {
    for (std::size_t c = 0; c < kChannels; ++c) {
      for (std::size_t place = 0; place < kKernel * kKernel; ++place) {
        // read() gives [F, C, k, k].
        filters[f][place * kChannels + c] = weights[(f * kChannels + c) * kKernel * kKernel + place];
      }
    }
  }
  return filters;
}

TEST(Whitening, CurrentsOfTheTrainingDataAreUncorrelatedAndEquallyStrong) {
  const model::NetworkSettings settings = settings_of("41C3(Encoding)-Voting");
  const auto network = network_of(settings);
  const auto images = std::make_shared<SmoothImages>();
  whiten_first_layer(*network, settings, images, 3);
  const auto filters = filters_of(*network);

  // The covariance of the currents, by plain loops.
  std::vector<double> sum(kFilters), image(kSide * kSide * kChannels);
  std::vector<std::vector<double>> products(kFilters, std::vector<double>(kFilters));
  double patches = 0.0;
  for (std::int64_t sample = 0; sample < images->size(); ++sample) {
    std::vector<float> pixels(image.size());
    images->read(sample, nullptr, pixels.data());
    for (std::int64_t y = 0; y + kKernel <= kSide; ++y) {
      for (std::int64_t x = 0; x + kKernel <= kSide; ++x, patches += 1.0) {
        std::vector<double> current(kFilters);
        for (std::size_t f = 0; f < kFilters; ++f) {
          for (std::int64_t row = 0; row < kKernel; ++row) {
            for (std::int64_t i = 0; i < kKernel * kChannels; ++i) {
              const auto from = static_cast<std::size_t>(((y + row) * kSide + x) * kChannels + i);
              current[f] +=
                  filters[f][static_cast<std::size_t>(row * kKernel * kChannels + i)] * pixels[from];
            }
          }
        }
        for (std::size_t f = 0; f < kFilters; ++f) {
          sum[f] += current[f];
          for (std::size_t g = 0; g < kFilters; ++g) products[f][g] += current[f] * current[g];
        }
      }
    }
  }
  const double wanted =
      engine::initial_standard_deviation(settings.init.gain, settings.neuron.v_threshold, 1);
  const auto covariance = [&](std::size_t f, std::size_t g) {
    return (products[f][g] / patches - sum[f] / patches * sum[g] / patches) / (wanted * wanted);
  };
  // The least variance that is added (5e-4 of the mean one) takes a little from directions with a small one.
  for (std::size_t f = 0; f < 2 * kValues; f += 2) {
    EXPECT_NEAR(covariance(f, f), 1.0, 0.01) << f;
    for (std::size_t i = 0; i < kValues; ++i) EXPECT_EQ(filters[f + 1][i], -filters[f][i]);
    for (std::size_t g = 0; g < f; g += 2) EXPECT_NEAR(covariance(f, g), 0.0, 1e-4) << f << " " << g;
  }
  for (std::size_t f = 2 * kValues; f < kFilters; ++f) EXPECT_NEAR(covariance(f, f), 1.0, 0.01) << f;
  EXPECT_LT(std::abs(covariance(2 * kValues, 2 * kValues + 1)), 0.9) << "random directions differ";
}

TEST(Whitening, TheFirstFiltersAreThoseOfTheLargestVariance) {
  // Fewer filters than pairs: the strongest directions; a smooth image varies most in its mean.
  const model::NetworkSettings settings = settings_of("41C3(Encoding)-Voting");
  const auto network = network_of(settings);
  whiten_first_layer(*network, settings, std::make_shared<SmoothImages>(), 3);
  const auto filters = filters_of(*network);
  const auto norm = [&](std::size_t f) {
    double squares = 0.0;
    for (const double value : filters[f]) squares += value * value;
    return squares;
  };
  for (std::size_t f = 2; f < 2 * kValues; f += 2) EXPECT_GE(norm(f), norm(f - 2)) << f;
  for (const double value : filters[0]) EXPECT_GT(value, 0.0);
}

TEST(Whitening, RefusesWhatCannotBeWhitened) {
  const auto images = std::make_shared<SmoothImages>();
  const auto whiten = [&](const std::string& structure, bool constant) {
    const model::NetworkSettings settings = settings_of(structure);
    const auto network = network_of(settings);
    return message_of<ConfigError>(
        [&] { whiten_first_layer(*network, settings, std::make_shared<SmoothImages>(constant), 3); });
  };
  EXPECT_TRUE(contains(whiten("8FC-Voting", false), "fc1, is no convolution"));
  EXPECT_TRUE(contains(whiten("8C3(Encoding)-Voting", true), "are the same at every place"));
  EXPECT_TRUE(contains(whiten("8C11(Encoding)-Voting", false), "no patch of conv1 lies inside"));
}

TEST(Whitening, ARecipeAsksForItAndMayKeepItAsItIs) {
  const testing::TemporaryFolder folder;
  const std::string data = folder / "data";
  testing::write_pattern_set(data, 60, 20);
  const auto weight_of = [&](const std::string& run, const std::vector<std::string>& changes) {
    testing::Recorder recorder;
    testing::run_training(testing::small_recipe(changes), folder / run, data, recorder);
    return testing::read_tensors(folder / run + "/model.safetensors").at("conv1.weight");
  };
  const auto kept = weight_of("kept", {"init.encoding=whitened", "optimizer.encoding_rate_factor=0"});
  const auto longer = weight_of(
      "longer", {"init.encoding=whitened", "optimizer.encoding_rate_factor=0", "training.epochs=3"});
  const auto trained = weight_of("trained", {"init.encoding=whitened"});
  const auto normal = weight_of("normal", {"optimizer.encoding_rate_factor=0"});
  EXPECT_EQ(kept, longer);
  EXPECT_NE(kept, trained);
  EXPECT_NE(kept, normal);
}

}  // namespace
}  // namespace spikeloom::train
