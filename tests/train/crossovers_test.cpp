// Crossovers are measured once for a machine and a network, so that times do not decide about a training's
// bits.
#include "spikeloom/train/network/crossovers.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "spikeloom/base/files.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/train/benchmark/benchmark.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::Recorder;
using testing::small_recipe;
namespace fs = std::filesystem;

class KeptCrossovers : public ::testing::Test {
 protected:
  KeptCrossovers() {
    const char* const before = std::getenv("SPIKELOOM_CACHE_DIR");
    if (before != nullptr) before_ = before;
    had_ = before != nullptr;
    ::setenv("SPIKELOOM_CACHE_DIR", cache().c_str(), 1);
  }
  ~KeptCrossovers() override {
    if (had_) {
      ::setenv("SPIKELOOM_CACHE_DIR", before_.c_str(), 1);
    } else {
      ::unsetenv("SPIKELOOM_CACHE_DIR");
    }
  }

  std::string cache() const { return folder_ / "cache"; }

  // The files in it; there is one for each machine and network.
  std::vector<std::string> files() const {
    std::vector<std::string> paths;
    if (!fs::exists(cache())) return paths;
    for (const auto& entry : fs::directory_iterator(cache())) paths.push_back(entry.path().string());
    return paths;
  }

  static std::unique_ptr<Network> network(const std::vector<std::string>& overrides = {}) {
    std::vector<std::string> all = {"network.structure=4C3(Encoding)-128C3-16FC-Voting",
                                    "compute.precision=bf16"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    const Recipe recipe = small_recipe(all);
    return make_network(model::plan_network(recipe.network, {1, 16, 16}, 4), recipe.network, 1);
  }

  static bool same(const TakenCrossovers& a, const TakenCrossovers& b) {
    if (a.layers.size() != b.layers.size()) return false;
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
      const auto &one = a.layers[i].limits, &other = b.layers[i].limits;
      if (a.layers[i].stage != b.layers[i].stage || one.forward_below != other.forward_below ||
          one.gradient_below != other.gradient_below ||
          one.input_gradient_below != other.input_gradient_below ||
          one.integer_currents != other.integer_currents ||
          one.integer_weight_gradient != other.integer_weight_gradient ||
          one.integer_input_gradient != other.integer_input_gradient) {
        return false;
      }
    }
    return true;
  }

  testing::TemporaryFolder folder_;

 private:
  std::string before_;
  bool had_ = false;
};

TEST_F(KeptCrossovers, AreMeasuredOnceForAMachineAndANetwork) {
  const auto first = network(), second = network();
  const auto measured = take_crossovers(*first, 16), kept = take_crossovers(*second, 16);
  EXPECT_TRUE(measured.measured);
  EXPECT_FALSE(kept.measured);
  ASSERT_EQ(measured.layers.size(), 1u);
  EXPECT_TRUE(same(measured, kept));
  EXPECT_EQ(files().size(), 1u);
  EXPECT_TRUE(take_crossovers(*second, 16, true).measured) << "asked for";
  EXPECT_EQ(files().size(), 1u);
  EXPECT_TRUE(take_crossovers(*second, 8).measured) << "another batch size";
  const auto steps = network({"network.num_steps=3"});
  EXPECT_TRUE(take_crossovers(*steps, 16).measured) << "another number of steps";
  const int threads = num_threads();
  set_num_threads(threads + 1);
  EXPECT_TRUE(take_crossovers(*second, 16).measured) << "another number of threads";
  set_num_threads(threads);
  EXPECT_EQ(files().size(), 4u);
}

TEST_F(KeptCrossovers, ADamagedFileIsMeasuredAgain) {
  const auto net = network();
  take_crossovers(*net, 16);
  const std::string file = files().at(0), whole = read_text_file(file);
  auto changed = nlohmann::json::parse(whole);
  changed["layers"][0]["event_gradient_below"] = 0.03125;
  auto other = nlohmann::json::parse(whole);
  other["key"]["batch"] = 99;
  for (const std::string& damaged :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("[]"), std::string("{\"key\": 3}"),
        changed.dump(), other.dump(), std::string("\xff\x00zz", 4)}) {
    write_text_file(file, damaged);
    EXPECT_TRUE(take_crossovers(*net, 16).measured) << damaged.substr(0, 80);
    EXPECT_FALSE(take_crossovers(*net, 16).measured);
  }
}

TEST_F(KeptCrossovers, WhereNoneCanBeKeptTheyAreMeasuredEachTime) {
  const auto net = network();
  ::setenv("SPIKELOOM_CACHE_DIR", "off", 1);
  EXPECT_TRUE(take_crossovers(*net, 16).measured);
  EXPECT_TRUE(take_crossovers(*net, 16).measured);
  write_text_file(folder_ / "file", "");
  ::setenv("SPIKELOOM_CACHE_DIR", (folder_ / "file/cache").c_str(), 1);
  EXPECT_TRUE(take_crossovers(*net, 16).measured);
  const auto narrow = network({"network.structure=4C3(Encoding)-8C3-Voting"});
  EXPECT_FALSE(take_crossovers(*narrow, 16).measured) << "nothing to choose";
  EXPECT_TRUE(files().empty());
}

TEST_F(KeptCrossovers, TwoTrainingsOfOneRecipeGiveTheSameBits) {
  const std::string data = folder_ / "data";
  testing::write_pattern_set(data, 60, 20);
  const Recipe recipe =
      small_recipe({"network.structure=4C3(Encoding)-128C3-16FC-Voting", "compute.precision=bf16"});
  Recorder first, second;
  testing::run_training(recipe, folder_ / "a", data, first);
  testing::run_training(recipe, folder_ / "b", data, second);
  EXPECT_EQ(read_text_file(folder_ / "a/crossovers.json"), read_text_file(folder_ / "b/crossovers.json"));
  EXPECT_EQ(testing::read_tensors(folder_ / "a/model.safetensors"),
            testing::read_tensors(folder_ / "b/model.safetensors"));
}

TEST_F(KeptCrossovers, BenchSaysWhereTheyComeFrom) {
  BenchmarkRequest request;
  request.network.structure = "4C3(Encoding)-128C3-Voting";
  request.network.compute.precision = model::Precision::kBf16;
  request.input = {1, 16, 16};
  request.iterations = 1;
  EXPECT_EQ(benchmark_step(request).crossovers, BenchmarkResult::kMeasuredNow);
  EXPECT_EQ(benchmark_step(request).crossovers, BenchmarkResult::kMeasuredBefore);
  request.measure_again = true;
  EXPECT_EQ(benchmark_step(request).crossovers, BenchmarkResult::kMeasuredNow);
  request.network.compute.crossover = model::Crossover::kFixed;
  EXPECT_EQ(benchmark_step(request).crossovers, BenchmarkResult::kFixed);
}

}  // namespace
}  // namespace spikeloom::train
