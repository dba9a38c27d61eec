// Whole networks: golden values, plain compositions, and what a user relies on.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "tests/reference/loss.h"
#include "tests/reference/networks.h"

namespace spikeloom::reference::test {
namespace {

using Json = nlohmann::json;

at::Tensor golden_array(const Json& values, at::IntArrayRef sizes) {
  return ops::test::tensor_of<double>(values.get<std::vector<double>>(), sizes);
}

class GoldenNetwork : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(std::string(SPIKELOOM_SOURCE_DIR) + "/tests/golden/network.json");
    ASSERT_TRUE(file.good());
    golden_ = Json::parse(file);
    settings_ = settings_of("2C3(Encoding)-AP2-3C3-Voting", golden_.at("num_steps"));
    ASSERT_EQ(golden_.at("surrogate"), "rectangular");
    ASSERT_EQ(golden_.at("reset"), "zero");
    ASSERT_EQ(golden_.at("detach_reset"), false);
    ASSERT_EQ(golden_.at("neunorm_scale"), "mean");
    settings_.neuron.decay = golden_.at("decay");
    settings_.neuron.v_threshold = golden_.at("v_threshold");
    settings_.neuron.surrogate_width = golden_.at("surrogate_width");
    settings_.neunorm.enabled = true;
    settings_.neunorm.decay = golden_.at("neunorm_decay");
    const std::int64_t batch = golden_.at("batch"), height = golden_.at("height"),
                       width = golden_.at("width");
    input_ = golden_array(golden_.at("images"), {1, batch, 1, height, width});
    labels_ = at::tensor(golden_.at("targets").get<std::vector<std::int64_t>>(), at::kLong);
  }

  /// Our parameter's name, the golden one, our shape. Fully connected columns are (h, w, c) in both.
  struct Name {
    const char *ours, *golden;
    std::vector<std::int64_t> shape;
  };
  const std::vector<Name> names_ = {{"conv1.weight", "conv1_weight", {2, 1, 3, 3}},
                                    {"conv1.bias", "conv1_bias", {2}},
                                    {"conv1.neunorm_u", "neunorm_u", {1, 6, 6}},
                                    {"conv2.weight", "conv2_weight", {3, 2, 3, 3}},
                                    {"conv2.bias", "conv2_bias", {3}},
                                    {"voting.weight", "fc_weight", {6, 27}},
                                    {"voting.bias", "fc_bias", {6}}};
  Json golden_;
  model::NetworkSettings settings_;
  at::Tensor input_, labels_;
};

// The golden numbers are doubles of an independent program; sums in another order differ by some units in the
// last place.
constexpr double kGolden = 1e-12;

TEST_F(GoldenNetwork, LossGradientsAndTenSteps) {
  for (const std::int64_t shown : {std::int64_t{1}, golden_.at("num_steps").get<std::int64_t>()}) {
    SCOPED_TRACE(shown);
    Network network = make_network(settings_, {1, 6, 6});
    ASSERT_EQ(network.parameters().size(), names_.size());
    for (const Name& name : names_) {
      ASSERT_NE(find(network, name.ours), nullptr) << name.ours;
      ASSERT_EQ(value_of(network, name.ours).sizes(), at::IntArrayRef(name.shape)) << name.ours;
      assign(network, name.ours, golden_array(golden_.at("weights").at(name.golden), name.shape));
    }
    EXPECT_TRUE(
        same(network.class_of(), at::tensor(golden_.at("class_of").get<std::vector<int>>(), at::kInt)));
    const at::Tensor input = input_.expand({shown, -1, -1, -1, -1});

    const auto rates = firing_rates(network, input);
    const auto want_rates = golden_.at("firing_rates").get<std::vector<double>>();
    ASSERT_EQ(rates.size(), want_rates.size());
    for (std::size_t i = 0; i < rates.size(); ++i) EXPECT_NEAR(rates[i], want_rates[i], 1e-15) << i;

    const auto losses = golden_.at("losses").get<std::vector<double>>();
    ASSERT_EQ(losses.size(), 11u);
    for (std::size_t step = 0; step < losses.size(); ++step) {
      clear_gradients(network);
      const at::Tensor votes = network.forward(input);
      const at::Tensor loss = mse_loss(votes, labels_, Reduction::kMean);
      ASSERT_NEAR(loss.item().toDouble(), losses[step], kGolden) << "step " << step;
      loss.backward();
      if (step == 0) {
        EXPECT_TRUE(same(votes, golden_array(golden_.at("votes"), {3, 3})));
        for (const Name& name : names_) {
          const at::Tensor want = golden_array(golden_.at("gradients").at(name.golden), name.shape);
          EXPECT_TRUE(close_to(value_of(network, name.ours).grad(), want, kGolden)) << name.ours;
          EXPECT_GT(largest(want), 1e-3) << name.ours;
        }
      }
      descend(network, golden_.at("learning_rate").get<double>());
    }
  }
}

// A leaf equal to each parameter of a network, found by name; the forward pass of its plan, not of its
// program, by plain operators.
class PlainNetwork {
 public:
  PlainNetwork(const Network& network, model::NetworkSettings settings)
      : network_(network),
        settings_(std::move(settings)),
        plan_(model::plan_network(settings_, network.program().input, network.program().num_classes)) {
    for (const auto& parameter : network.parameters())
      leaves_.push_back({parameter.name, leaf(parameter.value)});
  }

  const std::vector<std::pair<std::string, at::Tensor>>& leaves() const { return leaves_; }

  // input [T, N, C, H, W] (T = 1 in an ANN) -> votes.
  at::Tensor forward(const at::Tensor& input) const {
    const model::NetworkSettings& settings = settings_;
    const bool ann = settings.kind == model::NetworkKind::kAnn;
    const std::int64_t num_steps = ann ? 1 : settings.num_steps, batch = input.size(1);
    at::Tensor x = input;
    for (const auto& layer : plan_.layers) {
      const auto kind = layer.spec.kind;
      if (kind == model::LayerKind::kAveragePool) {
        x = ops::test::plain_avg_pool(x, layer.spec.kernel);
      } else {
        if (kind == model::LayerKind::kConvolution) {
          x = at::conv2d(x.reshape({num_steps * batch, x.size(2), x.size(3), x.size(4)}),
                         get(layer.name + ".weight"), get(layer.name + ".bias"), layer.spec.stride,
                         layer.spec.padding);
          x = x.reshape({num_steps, batch, x.size(1), x.size(2), x.size(3)});
        } else {
          // Columns of the first fully connected layer: rows, columns, channels.
          if (x.dim() == 5) x = x.permute({0, 1, 3, 4, 2}).reshape({num_steps, batch, -1});
          x = at::matmul(x, get(layer.name + ".weight").t());
          if (settings.bias) x = x + get(layer.name + ".bias");
        }
        const bool last = &layer == &plan_.layers.back();
        if (ann) {
          if (!last) x = at::relu(x);
        } else {
          x = ops::test::plain_lif(x, scalar(layer.name + ".decay", settings.neuron.decay),
                                   scalar(layer.name + ".v_threshold", settings.neuron.v_threshold),
                                   num_steps, settings.neuron)
                  .spikes;
        }
      }
      if (layer.neunorm_after) {
        const double maps = static_cast<double>(x.size(2));
        const bool mean = settings.neunorm.scale == kernels::NeuNormScale::kMean;
        x = ops::test::plain_neunorm(x, get(layer.name + ".neunorm_u"), settings.neunorm.decay,
                                     (1 - settings.neunorm.decay) / (mean ? maps : maps * maps));
      }
    }
    return ops::test::plain_voting(x, network_.class_of(), plan_.num_classes);
  }

 private:
  at::Tensor get(const std::string& name) const {
    for (const auto& item : leaves_) {
      if (item.first == name) return item.second;
    }
    return {};
  }
  at::Tensor scalar(const std::string& name, double fixed) const {
    const at::Tensor learnable = get(name);
    return learnable.defined() ? learnable : at::scalar_tensor(fixed, at::kDouble);
  }

  const Network& network_;
  model::NetworkSettings settings_;
  model::NetworkPlan plan_;
  std::vector<std::pair<std::string, at::Tensor>> leaves_;
};

struct ComposedCase {
  const char* structure;
  void (*change)(model::NetworkSettings&);
};

const ComposedCase kComposed[] = {
    {"4C3(Encoding)-5C3-AP2-6C3-AP2-12FC-9FC-Voting", [](model::NetworkSettings&) {}},
    {"4C3(Encoding)-AP2-5C3-Voting", [](model::NetworkSettings& s) { s.neunorm.enabled = true; }},
    {"4C3(Encoding)-5C3-AP2-6C3-AP2-12FC-Voting",
     [](model::NetworkSettings& s) {
       s.neunorm.enabled = s.neunorm.per_channel_u = s.neunorm.after_pooling = true;
       s.neunorm.u_init = 0.5;
       s.neunorm.scale = kernels::NeuNormScale::kLiteral;
       s.learn_decay = s.learn_v_threshold = true;
     }},
    {"4C3(Encoding)-AP2-5C3-12FC-Voting",
     [](model::NetworkSettings& s) {
       s.bias = false;
       s.neunorm.enabled = s.learn_v_threshold = true;
       s.neunorm.u_init = 0.25;
       s.neuron.reset = kernels::Reset::kSubtract;
       s.neuron.surrogate = kernels::Surrogate::kTriangular;
     }},
    {"4C3(Encoding)-5C3-AP2-12FC-Voting",
     [](model::NetworkSettings& s) {
       s.neuron.detach_reset = s.learn_decay = true;
       s.neuron.surrogate = kernels::Surrogate::kArctan;
       s.voting.assignment = model::VotingAssignment::kRandom;
     }},
    {"4C3(Encoding)-AP2-12FC-Voting",
     [](model::NetworkSettings& s) {
       s.neuron.smooth = s.learn_decay = s.learn_v_threshold = true;
       s.neuron.surrogate = kernels::Surrogate::kSigmoid;
     }},
    {"4C5(Encoding)-AP2-5C3-12FC-Voting",
     [](model::NetworkSettings& s) { s.kind = model::NetworkKind::kAnn; }},
};

TEST(Network, EqualsItsPlainComposition) {
  unsigned seed = 1;
  for (const ComposedCase& item : kComposed) {
    model::NetworkSettings settings = settings_of(item.structure, 4);
    item.change(settings);
    const bool ann = settings.kind == model::NetworkKind::kAnn;
    for (const bool still : {false, true}) {
      SCOPED_TRACE(testing::Message()
                   << item.structure << " " << (still ? "still" : "moving") << " case " << &item - kComposed);
      // Height and width differ, so that neither can stand for the other.
      Network network = make_network(settings, {2, 8, 10}, 3, ++seed);
      const at::Tensor input = random_normal({still ? 1 : 4, 3, 2, 8, 10}, at::kDouble, ++seed);
      const at::Tensor labels = at::tensor({2, 0, 1}, at::kLong);
      const at::Tensor votes = network.forward(input);
      mse_loss(votes, labels, Reduction::kSum).backward();

      const PlainNetwork plain(network, settings);
      const at::Tensor shown = ann ? input.mean(0, true) : input.expand({4, -1, -1, -1, -1});
      const at::Tensor want = plain.forward(shown);
      (want - at::one_hot(labels, 3)).square().sum().div(3).backward();
      EXPECT_TRUE(close_to(votes, want, 1e-12));
      EXPECT_GT(largest(want), 0.0);
      for (const auto& [name, x] : plain.leaves()) {
        const at::Tensor got = value_of(network, name).grad();
        EXPECT_TRUE(ops::test::within(got, x.grad(), 1e-12 * largest(x.grad()))) << name;
        EXPECT_GT(largest(x.grad()), 0.0) << name;
      }
    }
  }
}

// A still image is convolved once; shown again at each step it must mean the same.
TEST(Network, StillImageEqualsItsRepetition) {
  model::NetworkSettings settings = settings_of("4C3(Encoding)-AP2-6C3-12FC-Voting", 5);
  settings.neunorm.enabled = true;
  Network network = make_network(settings, {3, 8, 6});
  assign(network, "conv1.neunorm_u", random_normal({1, 8, 6}, at::kDouble, 1));
  const at::Tensor image = random_normal({1, 4, 3, 8, 6}, at::kDouble, 2);
  const at::Tensor labels = at::tensor({2, 0, 1, 1}, at::kLong);
  const at::Tensor once = network.forward(image);
  mse_loss(once, labels, Reduction::kMean).backward();
  const auto gradients = gradients_of(network);
  clear_gradients(network);
  const at::Tensor repeated = network.forward(image.repeat({5, 1, 1, 1, 1}));
  mse_loss(repeated, labels, Reduction::kMean).backward();
  EXPECT_TRUE(same(once, repeated));
  const auto again = gradients_of(network);
  for (std::size_t i = 0; i < again.size(); ++i) {
    EXPECT_TRUE(close_to(gradients[i], again[i], 1e-12)) << network.parameters()[i].name;
    EXPECT_GT(largest(again[i]), 0.0);
  }
}

TEST(Network, ResultDoesNotDependOnTheMemoryOfTheInput) {
  Network network = make_network(settings_of("4C3(Encoding)-AP2-6C3-Voting", 3), {3, 8, 6});
  const at::Tensor input = random_normal({3, 4, 3, 8, 6}, at::kDouble, 2);
  const at::Tensor want = network.forward(input);
  for (const auto layout : ops::test::kLayouts) {
    EXPECT_TRUE(close_to(network.forward(ops::test::with_layout(input, layout)), want, 1e-12));
  }
}

TEST(Network, RefusesOtherInputs) {
  Network network = make_network(settings_of("4C3(Encoding)-Voting", 3), {3, 8, 6});
  for (const std::vector<std::int64_t>& sizes : std::vector<std::vector<std::int64_t>>{{3, 1, 3, 6, 8},
                                                                                       {3, 1, 3, 7, 6},
                                                                                       {3, 1, 3, 8, 7},
                                                                                       {3, 1, 2, 8, 6},
                                                                                       {2, 1, 3, 8, 6},
                                                                                       {4, 1, 3, 8, 6},
                                                                                       {1, 3, 8, 6},
                                                                                       {0, 1, 3, 8, 6},
                                                                                       {3, 0, 3, 8, 6}}) {
    std::ostringstream got;
    got << at::IntArrayRef(sizes);
    try {
      network.forward(at::zeros(sizes));
      ADD_FAILURE() << got.str();
    } catch (const ShapeError& error) {
      const std::string text = error.what();
      for (const std::string& part : {std::string("T = 3"), std::string("3x8x6"), got.str()}) {
        EXPECT_NE(text.find(part), std::string::npos) << text << " lacks " << part;
      }
    }
  }
}

TEST(Network, LearnableNeuronsAreParametersAndStayInRange) {
  model::NetworkSettings settings = settings_of("4C3(Encoding)-6FC-Voting");
  EXPECT_EQ(find(make_network(settings, {1, 4, 4}), "conv1.decay"), nullptr);
  EXPECT_EQ(find(make_network(settings, {1, 4, 4}), "conv1.v_threshold"), nullptr);
  settings.learn_decay = settings.learn_v_threshold = true;
  Network network = make_network(settings, {1, 4, 4});
  for (const std::string layer : {"conv1", "fc1", "voting"}) {
    for (const auto& [name, start] :
         {std::pair<std::string, double>{layer + ".decay", settings.neuron.decay},
          std::pair<std::string, double>{layer + ".v_threshold", settings.neuron.v_threshold}}) {
      ASSERT_NE(find(network, name), nullptr) << name;
      EXPECT_EQ(find(network, name)->role, model::Role::kNeuron);
      EXPECT_TRUE(value_of(network, name).requires_grad());
      EXPECT_EQ(value_of(network, name).item().toDouble(), start);
    }
  }
  const auto clamped = [&](const std::string& name, double value) {
    assign(network, name, at::scalar_tensor(value, at::kDouble));
    network.clamp_neuron_parameters();
    return value_of(network, name).item().toDouble();
  };
  EXPECT_EQ(clamped("fc1.decay", 1.5), 1.0);
  EXPECT_EQ(clamped("fc1.decay", -0.5), 0.0);
  EXPECT_EQ(clamped("fc1.decay", 0.5), 0.5);
  EXPECT_GT(clamped("voting.v_threshold", -1.0), 0.0);
  EXPECT_LT(clamped("voting.v_threshold", -1.0), 1e-3);
  EXPECT_EQ(clamped("voting.v_threshold", 7.0), 7.0);
  EXPECT_EQ(value_of(network, "conv1.decay").item().toDouble(), settings.neuron.decay);
}

TEST(Network, ParametersAreThoseOfThePlan) {
  for (const bool bias : {false, true}) {
    model::NetworkSettings settings = settings_of("4C3(Encoding)-AP2-5C3-6FC-Voting");
    settings.bias = bias;
    settings.neunorm.enabled = settings.neunorm.per_channel_u = true;
    settings.neunorm.u_init = 0.25;
    const Network network = make_network(settings, {2, 6, 4});
    std::int64_t count = 0;
    for (const auto& parameter : network.parameters()) {
      count += parameter.value.numel();
      const bool convolution = parameter.name.rfind("conv", 0) == 0;
      const bool u = parameter.name == "conv1.neunorm_u";
      EXPECT_EQ(parameter.role, u             ? model::Role::kNeuNorm
                                : convolution ? model::Role::kConvolution
                                              : model::Role::kFullyConnected)
          << parameter.name;
      if (parameter.name.find(".bias") != std::string::npos) {
        EXPECT_EQ(largest(parameter.value), 0.0);
      }
    }
    EXPECT_EQ(count, model::plan_network(settings, {2, 6, 4}, 3).parameters());
    EXPECT_TRUE(same(value_of(network, "conv1.neunorm_u").detach(), at::full({4, 6, 4}, 0.25, at::kDouble)));
    EXPECT_EQ(find(network, "voting.bias") != nullptr, bias);
  }
}

// Dropout: only in training, before every layer but the first and the last, fresh for each iteration.
TEST(Network, Dropout) {
  ForwardOptions training;
  training.training = true;
  const auto votes = [&](const std::string& structure, const ForwardOptions& options) {
    model::NetworkSettings settings = settings_of(structure, 4);
    settings.dropout.rate = 0.5;
    Network network = make_network(settings, {2, 6, 6}, 5);
    return network.forward(random_normal({1, 6, 2, 6, 6}, at::kDouble, 1), options).detach();
  };
  EXPECT_TRUE(same(votes("8C3(Encoding)-Voting", training), votes("8C3(Encoding)-Voting", {})));
  for (const std::string structure : {"8C3(Encoding)-8C3-Voting", "8C3(Encoding)-40FC-Voting"}) {
    const at::Tensor first = votes(structure, training);
    EXPECT_TRUE(same(first, votes(structure, training)));
    EXPECT_FALSE(at::equal(first, votes(structure, {})));
    ForwardOptions other = training;
    other.iteration = 1;
    EXPECT_FALSE(at::equal(first, votes(structure, other)));
    other = training;
    other.seed = 1;
    EXPECT_FALSE(at::equal(first, votes(structure, other)));
  }
}

std::vector<at::Tensor> trained(std::uint64_t seed, at::ScalarType dtype) {
  model::NetworkSettings settings = settings_of("8C3(Encoding)-AP2-16C3-20FC-Voting", 3);
  settings.neunorm.enabled = settings.learn_decay = true;
  settings.dropout.rate = 0.2;
  Network network = make_network(settings, {3, 10, 12}, 4, seed, dtype);
  const at::Tensor input = random_normal({1, 6, 3, 10, 12}, dtype, 1);
  const at::Tensor labels = at::tensor({2, 0, 1, 1, 3, 0}, at::kLong);
  ForwardOptions options;
  options.training = true;
  options.seed = seed;
  for (; options.iteration < 4; ++options.iteration) {
    clear_gradients(network);
    cross_entropy_loss(network.forward(input, options), labels, 10.0).backward();
    descend(network, 0.1);
    network.clamp_neuron_parameters();
  }
  return values_of(network);
}

TEST(Network, SameSeedAndThreadsGiveTheSameBits) {
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      const auto first = trained(5, dtype), second = trained(5, dtype), third = trained(6, dtype);
      for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_TRUE(same(first[i], second[i])) << i << " threads " << threads;
      }
      EXPECT_FALSE(at::equal(first[0], third[0]));
    }
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace spikeloom::reference::test
