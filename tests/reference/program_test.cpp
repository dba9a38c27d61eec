// What programs have beyond the paper's layers: neurons of every kind, normalisation, blocks, recurrence,
// readouts.
#include <gtest/gtest.h>

#include "spikeloom/kernels/reference/lif.h"
#include "tests/ops/variants.h"
#include "tests/reference/loss.h"
#include "tests/reference/networks.h"

namespace spikeloom::reference::test {
namespace {

using kernels::NeuronParams;
using kernels::Reset;

std::vector<NeuronParams> general_neurons() {
  std::vector<NeuronParams> all;
  for (NeuronParams params : ops::test::neuron_variants({false, true})) {
    all.push_back(params);
    params.current_decay = 0.25;
    all.push_back(params);
    params.current_decay = 0.0;
    if (params.reset == Reset::kZero) {
      params.v_reset = -0.25;
    } else {
      params.reset = Reset::kNone;
    }
    all.push_back(params);
    params.current_decay = 0.25;
    all.push_back(params);
  }
  return all;
}

// The loop over the steps under autograd against the recursion that kernels/reference derives.
TEST(Neurons, HaveTheGradientsOfTheirRecursion) {
  const kernels::LifSize size{6, 40, false};
  for (const NeuronParams& params : general_neurons()) {
    SCOPED_TRACE(ops::test::describe(params));
    // On the grid potentials meet threshold and window edges, where smooth mode has kinks.
    const at::Tensor x = leaf(random_normal({6, 40}, at::kDouble, 1, 1.0, !params.smooth));
    const at::Tensor outside = random_normal({6, 40}, at::kDouble, 2);
    const at::Tensor decay = leaf(at::scalar_tensor(params.decay, at::kDouble));
    const at::Tensor v_threshold = leaf(at::scalar_tensor(params.v_threshold, at::kDouble));
    const at::Tensor got = ops::test::plain_lif(x, decay, v_threshold, 6, params).spikes;
    (got * outside).sum().backward();

    std::vector<double> v_pre(240), spikes(240), grad(240);
    kernels::reference::lif_forward<double>(size, params, x.data_ptr<double>(), v_pre.data(), spikes.data());
    kernels::LifParameterGradients sums;
    kernels::reference::lif_backward<double>(size, params, outside.data_ptr<double>(), v_pre.data(),
                                             spikes.data(), grad.data(), &sums);
    EXPECT_TRUE(close_to(got, ops::test::tensor_of(spikes, {6, 40}), params.smooth ? 1e-14 : 0.0));
    EXPECT_TRUE(close_to(x.grad(), ops::test::tensor_of(grad, {6, 40}), 1e-12));
    EXPECT_NEAR(decay.grad().item().toDouble(), sums.decay, 1e-11);
    EXPECT_NEAR(v_threshold.grad().item().toDouble(), sums.v_threshold, 1e-11);
  }
}

TEST(Neurons, OfANetworkAreThoseOfItsSettings) {
  for (const auto kind : {model::NeuronKind::kLif, model::NeuronKind::kIf, model::NeuronKind::kCubaLif}) {
    for (const auto reset : {Reset::kZero, Reset::kSubtract, Reset::kNone}) {
      auto settings = settings_of("7FC-Voting", 5);
      settings.neuron_kind = kind;
      settings.neuron.reset = reset;
      settings.neuron.v_reset = reset == Reset::kZero ? -0.125 : 0.0;
      settings.neuron.current_decay = 0.5;
      Network network = make_network(settings, {2, 2, 3});
      const at::Tensor input = random_normal({5, 4, 2, 2, 3}, at::kDouble, 3);
      NeuronParams params = settings.neuron;
      if (kind == model::NeuronKind::kIf) params.decay = 1.0;
      if (kind != model::NeuronKind::kCubaLif) params.current_decay = 0.0;
      at::Tensor x = input.permute({0, 1, 3, 4, 2}).reshape({20, 12}).contiguous();
      for (const auto& [name, neurons] : {std::pair<std::string, std::int64_t>{"fc1", 7}, {"voting", 6}}) {
        x = (at::matmul(x, value_of(network, name + ".weight").t()) + value_of(network, name + ".bias"))
                .detach()
                .contiguous();
        std::vector<double> spikes(static_cast<std::size_t>(x.numel()));
        kernels::reference::lif_forward<double>({5, 4 * neurons, false}, params, x.data_ptr<double>(),
                                                nullptr, spikes.data());
        x = ops::test::tensor_of(spikes, {20, neurons});
      }
      const at::Tensor want = ops::test::plain_voting(x.view({5, 4, 6}), network.class_of(), 3);
      EXPECT_TRUE(close_to(network.forward(input), want, 1e-12));
      EXPECT_GT(largest(want), 0.0);
    }
  }
}

// One neuron at a time.
TEST(Recurrent, SpikesOfTheStepBeforeComeIn) {
  auto settings = settings_of("8RFC-Readout", 6);
  settings.neuron.decay = 0.5;
  Network network = make_network(settings, {3, 1, 1});
  for (const bool still : {false, true}) {
    const at::Tensor input = random_normal({still ? 1 : 6, 2, 3, 1, 1}, at::kDouble, 4);
    const auto x = ops::test::values_of<double>(input);
    const auto weight = ops::test::values_of<double>(value_of(network, "rfc1.weight"));
    const auto recurrent = ops::test::values_of<double>(value_of(network, "rfc1.recurrent_weight"));
    const auto out = ops::test::values_of<double>(value_of(network, "readout.weight"));
    std::vector<double> votes(2 * 3, 0.0);
    int back = 0;
    for (std::size_t n = 0; n < 2; ++n) {
      std::vector<double> v(8, 0.0), before(8, 0.0);
      for (std::size_t t = 0; t < 6; ++t) {
        std::vector<double> spikes(8, 0.0);
        for (std::size_t i = 0; i < 8; ++i) {
          double current = 0.0;
          for (std::size_t c = 0; c < 3; ++c)
            current += weight[i * 3 + c] * x[((still ? 0 : t) * 2 + n) * 3 + c];
          for (std::size_t j = 0; j < 8; ++j) current += recurrent[i * 8 + j] * before[j];
          v[i] = 0.5 * v[i] + current;
          if (v[i] < settings.neuron.v_threshold) continue;
          spikes[i] = 1.0;
          v[i] = 0.0;
          back += t < 5 ? 1 : 0;
        }
        for (std::size_t k = 0; k < 3; ++k) {
          for (std::size_t i = 0; i < 8; ++i) votes[n * 3 + k] += out[k * 8 + i] * spikes[i] / 6;
        }
        before = spikes;
      }
    }
    EXPECT_GT(back, 10);
    EXPECT_TRUE(close_to(network.forward(input), ops::test::tensor_of(votes, {2, 3}), 1e-12));
  }
}

// LibTorch's own batch normalisation has the same statistics, momentum and gradient.
TEST(Norm, IsBatchNormalisationOverStepsSamplesAndPositions) {
  for (const auto kind : {model::NormKind::kTdbn, model::NormKind::kTebn}) {
    for (const bool still : {false, true}) {
      auto settings = settings_of("4C3(Encoding)-5FC-Readout", 3);
      settings.norm.kind = kind;
      settings.norm.alpha = 1.5;
      settings.norm.momentum = 0.3;
      Network network = make_network(settings, {2, 5, 4});
      const bool tebn = kind == model::NormKind::kTebn;
      for (const auto& parameter : network.parameters()) {
        if (parameter.role != model::Role::kNorm && parameter.role != model::Role::kStatistics) continue;
        const at::Tensor start = random_normal(parameter.value.sizes(), at::kDouble, 5) * 0.2;
        assign(network, parameter.name, parameter.value.detach() + start.clamp(-0.5, 0.5));
      }
      std::vector<std::pair<std::string, at::Tensor>> leaves;
      const auto get = [&](const std::string& name) {
        for (const auto& item : leaves) {
          if (item.first == name) return item.second;
        }
        leaves.emplace_back(name, leaf(value_of(network, name)));
        return leaves.back().second;
      };
      const auto buffer = [&](const std::string& name) { return value_of(network, name).clone(); };
      const auto normalised = [&](const at::Tensor& x, const std::string& layer, at::Tensor& mean,
                                  at::Tensor& variance, bool training) {
        const double factor = tebn ? 1.0 : 1.5 * settings.neuron.v_threshold;
        const at::Tensor y =
            at::batch_norm(x.flatten(0, 1), get(layer + ".norm_scale") * factor, get(layer + ".norm_shift"),
                           mean, variance, training, 0.3, 1e-5, false)
                .view(x.sizes());
        if (!tebn) return y;
        return y * (x.dim() == 5 ? get(layer + ".norm_step_scale").view({3, 1, 1, 1, 1})
                                 : get(layer + ".norm_step_scale").view({3, 1, 1}));
      };
      const at::Tensor input = random_normal({still ? 1 : 3, 4, 2, 5, 4}, at::kDouble, 6);
      const at::Tensor labels = at::tensor({2, 0, 1, 1}, at::kLong);
      at::Tensor means[] = {buffer("conv1.norm_mean"), buffer("fc1.norm_mean")};
      at::Tensor variances[] = {buffer("conv1.norm_variance"), buffer("fc1.norm_variance")};
      for (const bool training : {true, false}) {
        SCOPED_TRACE(testing::Message() << (tebn ? "TEBN" : "tdBN") << (still ? " still" : " moving")
                                        << (training ? " training" : " inference"));
        const auto fire = [&](const at::Tensor& current) {
          return ops::test::plain_lif(current, at::scalar_tensor(settings.neuron.decay, at::kDouble),
                                      at::scalar_tensor(settings.neuron.v_threshold, at::kDouble), 3,
                                      settings.neuron)
              .spikes;
        };
        at::Tensor x =
            at::conv2d(input.flatten(0, 1), get("conv1.weight"), {}, 1, 1).unflatten(0, {still ? 1 : 3, 4});
        x = fire(normalised(x, "conv1", means[0], variances[0], training));
        x = at::matmul(x.permute({0, 1, 3, 4, 2}).reshape({3, 4, -1}), get("fc1.weight").t());
        x = fire(normalised(x, "fc1", means[1], variances[1], training));
        const at::Tensor want = (at::matmul(x, get("readout.weight").t()) + get("readout.bias")).mean(0);
        mse_loss(want, labels, Reduction::kSum).backward();
        ForwardOptions options;
        options.training = training;
        clear_gradients(network);
        const at::Tensor votes = network.forward(input, options);
        mse_loss(votes, labels, Reduction::kSum).backward();
        EXPECT_TRUE(close_to(votes, want, 1e-12));
        for (auto& [name, x_leaf] : leaves) {
          EXPECT_TRUE(close_to(value_of(network, name).grad(), x_leaf.grad(), 1e-11)) << name;
          EXPECT_GT(largest(x_leaf.grad()), 0.0) << name;
          x_leaf.mutable_grad() = at::Tensor();
        }
        EXPECT_TRUE(close_to(value_of(network, "conv1.norm_mean"), means[0], 1e-12));
        EXPECT_TRUE(close_to(value_of(network, "conv1.norm_variance"), variances[0], 1e-12));
        EXPECT_TRUE(close_to(value_of(network, "fc1.norm_mean"), means[1], 1e-12));
        EXPECT_TRUE(close_to(value_of(network, "fc1.norm_variance"), variances[1], 1e-12));
      }
    }
  }
}

// conv3 sums what conv2 gives and what came in to its block; conv4's current is added to conv5's, through a
// projection; a static current is added at every step.
TEST(Blocks, AddSpikesOrCurrents) {
  const auto settings = settings_of("3C3(Encoding)-MP2-{3C3}-[4C3-5C3S2]-[5C3]-Readout", 4);
  Network network = make_network(settings, {2, 8, 8});
  ASSERT_EQ(model::to_string(network.program()),
            "conv1  <- input  3C3 3x8x8  LIF\n"
            "conv2  <- conv1 MP2  3C3 3x4x4  LIF\n"
            "conv3  <- conv1 MP2 + conv2  4C3 4x4x4  LIF\n"
            "conv4_shortcut  <- conv1 MP2 + conv2  5C1S2 5x2x2\n"
            "conv4  <- conv3  5C3S2 5x2x2  + conv4_shortcut  LIF\n"
            "conv5  <- conv4  5C3 5x2x2  + conv4  LIF\n"
            "readout  <- conv5  3FC 3x1x1  mean\n");
  std::vector<std::pair<std::string, at::Tensor>> leaves;
  for (const auto& parameter : network.parameters())
    leaves.emplace_back(parameter.name, leaf(parameter.value));
  const auto get = [&](const std::string& name) {
    for (const auto& item : leaves) {
      if (item.first == name) return item.second;
    }
    throw std::out_of_range(name);
  };
  const auto convolved = [&](const at::Tensor& x, const std::string& name, int stride, int padding) {
    const at::Tensor y =
        at::conv2d(x.flatten(0, 1), get(name + ".weight"), get(name + ".bias"), stride, padding);
    return y.unflatten(0, {x.size(0), x.size(1)});
  };
  const auto fire = [&](const at::Tensor& current) {
    return ops::test::plain_lif(current, at::scalar_tensor(settings.neuron.decay, at::kDouble),
                                at::scalar_tensor(settings.neuron.v_threshold, at::kDouble), 4,
                                settings.neuron)
        .spikes;
  };
  for (const bool still : {false, true}) {
    const at::Tensor input = random_normal({still ? 1 : 4, 3, 2, 8, 8}, at::kDouble, 7);
    const at::Tensor conv1 =
        at::max_pool2d(fire(convolved(input, "conv1", 1, 1)).flatten(0, 1), {2, 2}).unflatten(0, {4, 3});
    const at::Tensor sum = conv1 + fire(convolved(conv1, "conv2", 1, 1));
    const at::Tensor conv3 = fire(convolved(sum, "conv3", 1, 1));
    const at::Tensor current4 = convolved(conv3, "conv4", 2, 1) + convolved(sum, "conv4_shortcut", 2, 0);
    const at::Tensor conv5 = fire(convolved(fire(current4), "conv5", 1, 1) + current4);
    const at::Tensor want =
        (at::matmul(conv5.permute({0, 1, 3, 4, 2}).reshape({4, 3, -1}), get("readout.weight").t()) +
         get("readout.bias"))
            .mean(0);
    const at::Tensor labels = at::tensor({2, 0, 1}, at::kLong);
    mse_loss(want, labels, Reduction::kSum).backward();
    clear_gradients(network);
    const at::Tensor votes = network.forward(input);
    mse_loss(votes, labels, Reduction::kSum).backward();
    EXPECT_TRUE(close_to(votes, want, 1e-12));
    for (auto& [name, x] : leaves) {
      EXPECT_TRUE(close_to(value_of(network, name).grad(), x.grad(), 1e-12)) << name;
      EXPECT_GT(largest(x.grad()), 0.0) << name;
      x.mutable_grad() = at::Tensor();
    }
  }
}

TEST(Blocks, AStaticCurrentIsAddedAtEveryStep) {
  Network network = make_network(settings_of("3C3(Encoding)-[3C3]-Voting", 4), {2, 6, 6});
  const at::Tensor image = random_normal({1, 3, 2, 6, 6}, at::kDouble, 8);
  EXPECT_TRUE(close_to(network.forward(image), network.forward(image.expand({4, -1, -1, -1, -1})), 1e-12));
  EXPECT_GT(largest(network.forward(image)), 0.0);
}

// In smooth mode every gradient is exact: that along a random direction is the loss's slope.
TEST(Network, HasTheSlopeOfItsLoss) {
  struct Case {
    const char* structure;
    void (*change)(model::NetworkSettings&);
  };
  const Case cases[] = {
      {"3C3(Encoding)-{3C3-3C3}-[4C3S2-4C3]-GAP-Readout",
       [](model::NetworkSettings& s) { s.norm.kind = model::NormKind::kTebn; }},
      {"3C3(Encoding)-AP2-[3C3]-5RFC-Voting",
       [](model::NetworkSettings& s) {
         s.norm.kind = model::NormKind::kTdbn;
         s.neuron_kind = model::NeuronKind::kCubaLif;
         s.neuron.current_decay = 0.4;
       }},
      {"3C3(Encoding)-AP2-4C3-6RFC-5FC-Voting",
       [](model::NetworkSettings& s) {
         s.neunorm.enabled = s.learn_decay = s.learn_v_threshold = true;
         s.neunorm.u_init = 0.3;
         s.neuron.v_reset = -0.2;
       }},
      {"3C3(Encoding)-4C3-5FC-Readout",
       [](model::NetworkSettings& s) {
         s.neuron_kind = model::NeuronKind::kIf;
         s.neuron.reset = Reset::kSubtract;
         s.dropout.rate = 0.3;
         s.learn_v_threshold = true;
       }},
  };
  const at::Tensor labels = at::tensor({2, 0, 1}, at::kLong);
  for (const Case& item : cases) {
    for (const bool still : {false, true}) {
      SCOPED_TRACE(testing::Message() << item.structure << (still ? " still" : " moving"));
      auto settings = settings_of(item.structure, 4);
      settings.neuron.smooth = true;
      settings.neuron.surrogate = kernels::Surrogate::kSigmoid;
      item.change(settings);
      Network network = make_network(settings, {2, 6, 6});
      const at::Tensor input = random_normal({still ? 1 : 4, 3, 2, 6, 6}, at::kDouble, 9);
      ForwardOptions options;
      options.training = true;
      const auto loss = [&] { return mse_loss(network.forward(input, options), labels, Reduction::kSum); };
      loss().backward();
      unsigned seed = 10;
      for (const auto& parameter : network.parameters()) {
        if (!parameter.trained) continue;
        const at::Tensor direction = random_normal(parameter.value.sizes(), at::kDouble, ++seed);
        const double got = (parameter.value.grad() * direction).sum().item().toDouble();
        const at::Tensor start = parameter.value.detach().clone();
        const auto at_distance = [&](double distance) {
          assign(network, parameter.name, start + distance * direction);
          return loss().item().toDouble();
        };
        // Exact to the fourth order.
        const double step = 1e-4;
        const double near = at_distance(step) - at_distance(-step);
        const double far = at_distance(2 * step) - at_distance(-2 * step);
        assign(network, parameter.name, start);
        EXPECT_NEAR(got, (8 * near - far) / (12 * step), 1e-9 + 1e-7 * std::abs(got)) << parameter.name;
        EXPECT_NE(got, 0.0) << parameter.name;
      }
    }
  }
}

TEST(Network, SaysHowMuchEachStageFires) {
  Network network = make_network(settings_of("3C3(Encoding)-[4C3]-6RFC-Readout", 4), {2, 6, 6});
  std::vector<StageActivity> activity;
  ForwardOptions options;
  options.activity = &activity;
  network.forward(random_normal({1, 3, 2, 6, 6}, at::kDouble, 9), options);
  ASSERT_EQ(activity.size(), network.program().stages.size());
  for (std::size_t i = 0; i < activity.size(); ++i) {
    const model::Stage& stage = network.program().stages[i];
    const bool fires = stage.neuron.fires();
    EXPECT_EQ(activity[i].name, stage.name);
    EXPECT_EQ(activity[i].neuron_steps, fires ? 4 * 3 * stage.product.output.size() : 0);
    EXPECT_EQ(activity[i].spike_count.item().toLong() > 0, fires) << stage.name;
  }
}

}  // namespace
}  // namespace spikeloom::reference::test
