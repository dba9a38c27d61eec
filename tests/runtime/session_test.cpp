// The runtime against the engine that evaluates: every kind of layer and neuron, and what a session promises.
#include "spikeloom/runtime/session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/engine/engine.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/train/evaluation/trained_network.h"
#include "tests/runtime/allocations.h"
#include "tests/train/pattern_set.h"

namespace spikeloom::runtime {
namespace session_test {
namespace {

using train::ModelInfo;
using train::TrainedNetwork;

constexpr std::int64_t kSamples = 12;
constexpr int kSteps = 5;

struct Case {
  const char* name;
  const char* structure;
  void (*change)(model::NetworkSettings&) = [](model::NetworkSettings&) {};
};

void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

const Case kCases[] = {
    {"demo", "8C3(Encoding)-AP2-12C3-AP2-20FC-Voting"},
    {"subtract", "8C3(Encoding)-AP2-Voting",
     [](model::NetworkSettings& settings) { settings.neuron.reset = kernels::Reset::kSubtract; }},
    {"no_reset_if", "8C3(Encoding)-AP2-Voting",
     [](model::NetworkSettings& settings) {
       settings.neuron_kind = model::NeuronKind::kIf;
       settings.neuron.reset = kernels::Reset::kNone;
     }},
    {"cuba", "8C3(Encoding)-20FC-Voting",
     [](model::NetworkSettings& settings) {
       settings.neuron_kind = model::NeuronKind::kCubaLif;
       settings.neuron.current_decay = 0.5;
       settings.neuron.v_reset = -0.25;
     }},
    {"plif", "8C3(Encoding)-12C3-AP2-Voting",
     [](model::NetworkSettings& settings) { settings.learn_decay = settings.learn_v_threshold = true; }},
    {"tdbn_sew", "8C3(Encoding)-{8C3-8C3}-AP2-{12C3-12C3}-Voting",
     [](model::NetworkSettings& settings) { settings.norm.kind = model::NormKind::kTdbn; }},
    {"tebn_ms", "8C3(Encoding)-[8C3-8C3]-AP2-[12C3-12C3]-Readout",
     [](model::NetworkSettings& settings) { settings.norm.kind = model::NormKind::kTebn; }},
    {"neunorm", "8C3(Encoding)-AP2-12C3-8C3-Voting",
     [](model::NetworkSettings& settings) { settings.neunorm.enabled = true; }},
    {"neunorm_after", "8C3(Encoding)-AP2-12C3-8C3-Voting",
     [](model::NetworkSettings& settings) {
       settings.neunorm.enabled = settings.neunorm.after_pooling = settings.neunorm.per_channel_u = true;
     }},
    {"max_pool_stride", "8C5S2P2(Encoding)-MP2-12C3-GAP-Voting"},
    {"recurrent", "8C3(Encoding)-AP2-16RFC-Readout"},
    {"bfloat16", "8C3(Encoding)-AP2-{12C3-12C3}-AP2-20FC-Voting",
     [](model::NetworkSettings& settings) { settings.compute.precision = model::Precision::kBf16; }},
    {"event_driven", "8C3(Encoding)-AP2-12C3-12C3-AP2-20FC-16FC-Voting",
     [](model::NetworkSettings& settings) {
       settings.compute.precision = model::Precision::kBf16;
       settings.compute.path = model::Path::kEvent;
     }},
    {"ann", "8C3(Encoding)-AP2-12C3-MP2-16FC-Voting",
     [](model::NetworkSettings& settings) { settings.kind = model::NetworkKind::kAnn; }},
};

class RuntimeTest : public ::testing::TestWithParam<Case> {
 protected:
  void make(const Case& one) {
    ModelInfo info;
    info.recipe.name = "test";
    info.input = {2, 12, 12};
    info.class_names = {"a", "b", "c"};
    model::NetworkSettings& settings = info.recipe.network;
    settings.structure = one.structure;
    settings.num_steps = kSteps;
    settings.voting.neurons_per_class = 4;
    settings.voting.assignment = model::VotingAssignment::kRandom;
    settings.compute.precision = model::Precision::kFp32;
    settings.compute.path = model::Path::kDense;
    one.change(settings);
    trained_ = std::make_unique<TrainedNetwork>(TrainedNetwork::initialised(info));
    move_parameters();
    trained_->save(folder_ / "model.safetensors");
    model_ = load_model(folder_ / "model.safetensors");
  }

  // So that biases, U, statistics and what neurons learn are not what they start at.
  void move_parameters() {
    engine::Engine& engine = trained_->engine();
    RandomStream random(3, RandomPurpose::kInit);
    const auto& slots = engine.program().slots;
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      const std::string& name = slots[slot].name;
      if (slots[slot].shape.size() > 1 && name.find("neunorm_u") == std::string::npos) continue;
      std::vector<float> values = engine.read(static_cast<int>(slot));
      for (float& value : values) value += 0.3f * random.uniform();
      engine.write(static_cast<int>(slot), {values.data(), values.size()});
    }
  }

  /// [steps, N, H, W, C] of numbers in [0, 1), most of them 0 where there are steps.
  static std::vector<float> inputs(std::int64_t steps) {
    RandomStream random(7, RandomPurpose::kSimulation);
    std::vector<float> values(static_cast<std::size_t>(steps * kSamples * kSize));
    for (float& value : values) {
      value = random.uniform();
      if (steps > 1) value = value > 0.75f ? 1.0f : 0.0f;
    }
    return values;
  }

  static std::vector<float> sample(const std::vector<float>& all, std::int64_t steps, std::int64_t n) {
    std::vector<float> one;
    for (std::int64_t t = 0; t < steps; ++t) {
      const auto from = all.begin() + (t * kSamples + n) * kSize;
      one.insert(one.end(), from, from + kSize);
    }
    return one;
  }

  static std::vector<float> copy(Span<const float> votes) { return {votes.begin(), votes.end()}; }

  static constexpr std::int64_t kSize = 2 * 12 * 12;
  const spikeloom::testing::TemporaryFolder folder_;
  std::unique_ptr<TrainedNetwork> trained_;
  Model model_;
};

// Spikes are the same here, so that votes are; what is no spike differs by the rounding of sums.
TEST_P(RuntimeTest, VotesAsTheEngineDoes) {
  make(GetParam());
  for (const std::int64_t steps : {std::int64_t{1}, std::int64_t{kSteps}}) {
    const std::vector<float> all = inputs(steps);
    const auto expected = trained_->forward({all.data(), all.size()}, kSamples, 1);
    Session session(model_.network);
    double spread = 0.0;
    std::int64_t spikes = 0;
    for (std::int64_t n = 0; n < kSamples; ++n) {
      const std::vector<float> one = sample(all, steps, n);
      session.run({one.data(), one.size()});
      for (std::size_t k = 0; k < 3; ++k) {
        EXPECT_NEAR(session.votes()[k], expected.of(n)[k], 1e-5) << "sample " << n << ", class " << k;
        spread = std::max(spread, std::fabs(double{expected.of(n)[k]} - double{expected.of(0)[0]}));
      }
      EXPECT_EQ(highest_votes(session.votes()).best, expected.best(n));
      for (const std::int64_t count : session.spike_counts()) spikes += count;
    }
    EXPECT_GT(spread, 0.01) << "the votes must tell samples apart";
    EXPECT_EQ(spikes > 100, model_.network->spiking);
  }
}

TEST_P(RuntimeTest, StepsAreTheRecordingAndStateIsTheSessions) {
  make(GetParam());
  const std::vector<float> all = inputs(kSteps);
  const std::vector<float> one = sample(all, kSteps, 0), two = sample(all, kSteps, 1);
  Session whole(model_.network), by_step(model_.network), other(model_.network);
  if (!model_.network->spiking) {
    EXPECT_THROW(whole.step({one.data(), static_cast<std::size_t>(kSize)}), ConfigError);
    return;
  }
  whole.run({one.data(), one.size()});
  const std::vector<float> first = copy(whole.votes());
  other.step({two.data(), static_cast<std::size_t>(kSize)});
  for (const int round : {0, 1}) {
    SCOPED_TRACE(round);
    for (std::int64_t t = 0; t < kSteps; ++t) {
      by_step.step({one.data() + t * kSize, static_cast<std::size_t>(kSize)});
      if (t + 1 < kSteps) other.step({two.data() + t * kSize, static_cast<std::size_t>(kSize)});
    }
    EXPECT_EQ(copy(by_step.votes()), first);
    EXPECT_EQ(by_step.steps(), kSteps);
    by_step.reset();
    other.reset();
    EXPECT_EQ(by_step.votes()[0], 0.0f);
  }
}

TEST_P(RuntimeTest, AllocatesNothing) {
  make(GetParam());
  const std::vector<float> all = inputs(kSteps), still = inputs(1);
  const std::vector<float> one = sample(all, kSteps, 0);
  Session session(model_.network);
  const std::int64_t before = spikeloom::testing::allocations();
  session.run({one.data(), one.size()});
  session.run({still.data(), static_cast<std::size_t>(kSize)});
  session.reset();
  if (model_.network->spiking) session.step({one.data(), static_cast<std::size_t>(kSize)});
  EXPECT_EQ(spikeloom::testing::allocations(), before);
}

INSTANTIATE_TEST_SUITE_P(Networks, RuntimeTest, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

class RuntimeInputTest : public RuntimeTest {};

TEST_F(RuntimeInputTest, WrongInputIsRefusedAndLosesNothing) {
  make(kCases[0]);
  Session session(model_.network), untouched(model_.network);
  std::vector<float> step(static_cast<std::size_t>(kSize), 1.0f);
  session.step({step.data(), step.size()});
  untouched.step({step.data(), step.size()});
  EXPECT_THROW(session.step({step.data(), step.size() - 1}), ShapeError);
  EXPECT_THROW(session.run({step.data(), 0}), ShapeError);
  using Limits = std::numeric_limits<float>;
  for (const float value : {Limits::quiet_NaN(), Limits::infinity(), -Limits::max(), 2e9f}) {
    step[7] = value;
    EXPECT_THROW(session.step({step.data(), step.size()}), NumericsError) << value;
  }
  step[7] = 0.0f;
  session.step({step.data(), step.size()});
  untouched.step({step.data(), step.size()});
  EXPECT_EQ(copy(session.votes()), copy(untouched.votes()));
}

TEST_F(RuntimeInputTest, StepsThatTebnDoesNotKnowAreRefused) {
  make(kCases[6]);
  Session session(model_.network);
  const std::vector<float> step(static_cast<std::size_t>(kSize), 1.0f);
  for (int t = 0; t < kSteps; ++t) session.step({step.data(), step.size()});
  EXPECT_THROW(session.step({step.data(), step.size()}), ShapeError);
}

TEST_F(RuntimeInputTest, DamagedModelsAreRefused) {
  make(kCases[0]);
  const std::string path = folder_ / "model.safetensors";
  EXPECT_THROW(load_model(folder_ / "none"), DataError);
  std::FILE* const file = std::fopen(path.c_str(), "r+b");
  std::fseek(file, -9, SEEK_END);
  std::fputc(0x55, file);
  std::fclose(file);
  EXPECT_THROW(load_model(path), CheckpointError);
}

}  // namespace
}  // namespace session_test
}  // namespace spikeloom::runtime
