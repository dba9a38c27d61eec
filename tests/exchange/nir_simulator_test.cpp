#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/exchange/nir_evaluation.h"
#include "spikeloom/exchange/nir_metadata.h"
#include "spikeloom/formats/nir/read.h"
#include "tests/exchange/nir_graphs.h"

namespace spikeloom::exchange {
namespace {

using testing::chain;
using testing::node;

TEST(NirSimulator, LifTraceOfNorse) {
  const std::string folder = testing::published_graphs();
  if (folder.empty()) GTEST_SKIP() << "SPIKELOOM_NIR_FILES names no folder with lif_norse.nir";
  NirOptions options;
  options.dt = 1e-4;
  NirSimulator graph(formats::read_nir(folder + "/lif_norse.nir"), options);
  std::ifstream csv(folder + "/lif_norse.csv");
  int steps = 0, spikes = 0;
  double in = 0.0, v = 0.0, spike = 0.0;
  char comma = 0;
  while (csv >> in >> comma >> v >> comma >> spike) {
    const double out = graph.step({&in, 1})[0];
    ASSERT_NEAR(graph.v("1")[0], v, 1e-5) << "step " << steps;
    ASSERT_EQ(out, spike) << "step " << steps;
    spikes += static_cast<int>(spike);
    ++steps;
  }
  EXPECT_EQ(steps, 1000);
  EXPECT_GT(spikes, 3);
}

/// The exact solution fires within a step and goes on from there; a simulator resets at its end. Until the
/// first spike they are the same, then they differ by what v gains in a step, and fire in the same steps.
TEST(NirSimulator, ExactTraceOfALif) {
  const std::string folder = testing::published_graphs();
  if (folder.empty()) GTEST_SKIP() << "SPIKELOOM_NIR_FILES names no folder with lif_exact.csv";
  NirOptions options;
  options.dt = 1e-4;
  options.method = NirOptions::Method::kExponential;
  NirSimulator graph(formats::read_nir(folder + "/lif_norse.nir"), options);
  std::ifstream csv(folder + "/lif_exact.csv");
  const double gain = 1.0 - std::exp(-1e-4 / 2.5e-3);  // of an input of 1, with r = 1
  int steps = 0, spikes = 0;
  double in = 0.0, v = 0.0, spike = 0.0;
  char comma = 0;
  while (csv >> in >> comma >> v >> comma >> spike) {
    const double out = graph.step({&in, 1})[0];
    ASSERT_EQ(out, spike) << "step " << steps;
    spikes += static_cast<int>(spike);
    ASSERT_NEAR(graph.v("1")[0], v, spikes == 0 ? 1e-8 : gain) << "step " << steps;
    ++steps;
  }
  EXPECT_EQ(steps, 1000);
  EXPECT_EQ(spikes, 4);
}

TEST(NirSimulator, SeveralSpikesAStep) {
  const auto graph = chain({1}, {node("n", formats::NirKind::kIf, {{"r", {1}}, {"v_threshold", {1}}})});
  NirOptions options;
  options.reset = NirOptions::Reset::kSubtract;
  options.several_spikes = true;
  NirSimulator simulator(graph, options);
  const double inputs[] = {3.5, 0.5, 0.0, -2.0, 3.0}, spikes[] = {3, 1, 0, 0, 1}, left[] = {0.5, 0, 0, -2, 0};
  for (int t = 0; t < 5; ++t) {
    EXPECT_EQ(simulator.step({&inputs[t], 1})[0], spikes[t]) << t;
    EXPECT_EQ(simulator.v("n")[0], left[t]) << t;
  }
  EXPECT_EQ(simulator.spike_counts().front().second, 5);
}

/// 30 recordings only: docs/nir.md has the whole set. The numbers are those of a program in PyTorch that
/// shares nothing with this one.
TEST(NirSimulator, ConvolutionalNetworkOfSinabsRecognisesDigits) {
  const std::string folder = testing::published_graphs();
  const char* data_dir = std::getenv("SPIKELOOM_DATA_DIR");
  if (folder.empty() || data_dir == nullptr) GTEST_SKIP() << "no published graphs, or no SPIKELOOM_DATA_DIR";
  data::DataSettings settings;
  settings.dataset = "n-mnist";
  settings.window_us = 1000;
  settings.time_origin = data::TimeOrigin::kZero;
  data::DataSplits splits;
  try {
    splits = data::open_dataset(settings, 340, data_dir);
  } catch (const DataError&) {
    GTEST_SKIP() << "no N-MNIST";
  }
  NirOptions options;
  options.reset = NirOptions::Reset::kSubtract;
  const NirSimulator graph(formats::read_nir(folder + "/cnn_sinabs.nir"), options);
  const auto result = evaluate_nir(graph, *splits.train, {30, true});
  EXPECT_EQ(result.correct, 30);
  EXPECT_EQ(result.output_spikes, 11523);
}

TEST(NirSimulator, IntegratorKeepsWhatIsAboveTheThresholdOnlyIfSubtracting) {
  const auto graph = chain({1}, {node("n", formats::NirKind::kIf, {{"r", {1}}, {"v_threshold", {1}}})});
  for (const bool subtract : {false, true}) {
    NirOptions options;
    if (subtract) options.reset = NirOptions::Reset::kSubtract;
    NirSimulator simulator(graph, options);
    const double in = 1.5;
    EXPECT_EQ(simulator.step({&in, 1})[0], 1.0);
    EXPECT_EQ(simulator.v("n")[0], subtract ? 0.5 : 0.0);
    const double small = 0.5;
    EXPECT_EQ(simulator.step({&small, 1})[0], 0.0);  // 1.0 is not above 1.0
    simulator.reset();
    EXPECT_EQ(simulator.v("n")[0], 0.0);
  }
}

TEST(NirSimulator, LowestPotential) {
  const auto graph = chain({1}, {node("n", formats::NirKind::kIf, {{"r", {1}}, {"v_threshold", {1}}})});
  NirOptions options;
  options.v_min = -1.0;
  NirSimulator bounded(graph, options), free(graph, {});
  const double in = -5.0;
  bounded.step({&in, 1});
  free.step({&in, 1});
  EXPECT_EQ(bounded.v("n")[0], -1.0);
  EXPECT_EQ(free.v("n")[0], -5.0);
}

TEST(NirSimulator, CurrentBasedNeuronByHand) {
  const auto graph = chain({1}, {node("n", formats::NirKind::kCubaLif,
                                      {{"tau_syn", {0.002}},
                                       {"tau_mem", {0.004}},
                                       {"r", {2}},
                                       {"v_leak", {0.25}},
                                       {"v_threshold", {10}},
                                       {"w_in", {3}}})});
  NirSimulator simulator(graph, {});
  const double one = 1.0, none = 0.0;
  simulator.step({&one, 1});  // i = 0.5 * 3, v = (0.25 + 2 * 1.5) / 4
  EXPECT_DOUBLE_EQ(simulator.v("n")[0], 0.8125);
  simulator.step({&none, 1});  // i = 0.75, v = 0.75 * 0.8125 + (0.25 + 1.5) / 4
  EXPECT_DOUBLE_EQ(simulator.v("n")[0], 1.046875);
}

TEST(NirSimulator, RecurrentEdgeBringsTheStepBefore) {
  using formats::NirKind;
  auto graph = chain({1}, {node("n", NirKind::kIf, {{"r", {1}}, {"v_threshold", {0.5}}})});
  graph.nodes.push_back(node("w", NirKind::kAffine, {{"weight", {0.25}}, {"bias", {0.125}}}));
  graph.nodes.back().parameters["weight"].shape = {1, 1};
  graph.edges.emplace_back("n", "w");
  graph.edges.emplace_back("w", "n");
  NirSimulator simulator(graph, {});
  const double none = 0.0, one = 1.0;
  EXPECT_EQ(simulator.step({&none, 1})[0], 0.0);
  EXPECT_EQ(simulator.v("n")[0], 0.125);  // the bias, as of neurons that are silent
  EXPECT_EQ(simulator.step({&one, 1})[0], 1.0);
  simulator.step({&none, 1});
  EXPECT_EQ(simulator.v("n")[0], 0.375);  // 0.25 * 1 + 0.125
}

// Graphs within a graph have Inputs and Outputs of their own, which hand on what comes.
TEST(NirSimulator, AGraphWithinTheGraphRunsAsItsNodes) {
  const auto scale = [](const char* name, double by) {
    return node(name, formats::NirKind::kScale, {{"scale", {by, by}}});
  };
  formats::NirNode inner;
  inner.name = "inner";
  inner.kind = formats::NirKind::kGraph;
  inner.graph = std::make_shared<formats::NirGraph>(chain({2}, {scale("a", 3.0), scale("b", 0.5)}));
  formats::NirNode outer = inner;
  outer.name = "outer";
  outer.graph = std::make_shared<formats::NirGraph>(chain({2}, {scale("first", 2.0), inner}));
  NirSimulator nested(chain({2}, {scale("before", 5.0), outer, scale("after", 7.0)}), {});
  const std::vector<double> in{1.0, -2.0};
  const auto out = nested.step({in.data(), in.size()});
  EXPECT_EQ(std::vector<double>(out.begin(), out.end()), (std::vector<double>{105.0, -210.0}));
}

TEST(NirSimulator, DelayInSteps) {
  const auto graph = chain({2}, {node("d", formats::NirKind::kDelay, {{"delay", {0.002, 0.0}}})});
  NirSimulator simulator(graph, {});
  for (int t = 0; t < 6; ++t) {
    const double in[2] = {t + 1.0, t + 1.0};
    const auto out = simulator.step({in, 2});
    EXPECT_EQ(out[0], t < 2 ? 0.0 : t - 1.0);
    EXPECT_EQ(out[1], t + 1.0);
  }
}

/// Every tap, group, stride, padding and dilation against the definition, gathered instead of scattered.
TEST(NirSimulator, ConvolutionAgainstItsDefinition) {
  using formats::NirKind;
  for (const bool same : {false, true}) {
    auto conv = node(
        "c", NirKind::kConv2d,
        {{"stride", {same ? 1.0 : 2.0, 1}}, {"dilation", {1, 2}}, {"groups", {2}}, {"bias", {1, 2, 3, 4}}});
    formats::NirArray weight;
    weight.shape = {4, 1, 2, 3};
    for (int i = 0; i < 24; ++i) weight.values.push_back(i * i % 7 - 3);
    conv.parameters["weight"] = weight;
    if (same) {
      conv.padding = "same";
    } else {
      conv.parameters["padding"] = testing::array({1, 2});
    }
    NirSimulator simulator(chain({2, 5, 6}, {conv}), {});
    std::vector<double> in(60);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<double>(i * 5 % 11);
    const auto out = simulator.step(in);
    const int height = same ? 5 : 3, width = 6, sy = same ? 1 : 2, py = same ? 0 : 1, px = 2;
    ASSERT_EQ(simulator.output_shape(), (formats::NirShape{4, height, width}));
    for (int f = 0; f < 4; ++f) {
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          double sum = f + 1;
          for (int ky = 0; ky < 2; ++ky) {
            for (int kx = 0; kx < 3; ++kx) {
              const int iy = y * sy + ky - py, ix = x + 2 * kx - px;
              if (iy < 0 || iy >= 5 || ix < 0 || ix >= 6) continue;
              sum += weight.values[static_cast<std::size_t>((f * 2 + ky) * 3 + kx)] *
                     in[static_cast<std::size_t>((f / 2 * 5 + iy) * 6 + ix)];
            }
          }
          EXPECT_EQ(out[static_cast<std::size_t>((f * height + y) * width + x)], sum)
              << f << ' ' << y << ' ' << x;
        }
      }
    }
  }
}

TEST(NirSimulator, SaysFirstWhatContradictsTheInput) {
  using formats::NirKind;
  const auto wrong = [](const std::vector<double>& input, const std::vector<double>& own) {
    auto graph = chain(input, {node("c", NirKind::kConv2d,
                                    {{"input_shape", own},
                                     {"stride", {1}},
                                     {"dilation", {1}},
                                     {"groups", {1}},
                                     {"padding", {1}},
                                     {"bias", std::vector<double>(4)}})});
    graph.nodes[1].parameters["weight"] = testing::array(std::vector<double>(72));
    graph.nodes[1].parameters["weight"].shape = {4, 2, 3, 3};
    graph.nodes[2].parameters["shape"] = testing::array({4, 5, 6});
    try {
      NirSimulator(graph, {});
    } catch (const ShapeError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(wrong({2, 5, 6}, {5, 6}), "");
  EXPECT_EQ(wrong({2, 5, 6}, {7, 7}), "node 'c' (Conv2d): takes [2, 7, 7], but 'input' gives [2, 5, 6]");
  EXPECT_EQ(
      wrong({1, 2, 5, 6}, {5, 6}),
      "node 'c' (Conv2d): takes [2, 5, 6], but 'input' gives [1, 2, 5, 6]; shapes have no batch dimension");
  EXPECT_NE(wrong({2, 5, 6}, {5, 1099511627776}).find("input_shape = 1099511627776 is too large"),
            std::string::npos)
      << wrong({2, 5, 6}, {5, 1099511627776});
}

TEST(NirMetadata, AStepBeyondTauIsSaid) {
  const auto graph =
      chain({1}, {node("n", formats::NirKind::kLif,
                       {{"tau", {0.0001}}, {"r", {1}}, {"v_leak", {0}}, {"v_threshold", {1}}})});
  NirOptions options;
  const auto says = [&] {
    const auto lines = assumptions(graph, options);
    return std::count(lines.begin(), lines.end(),
                      "tau = 0.0001 s of node 'n' is shorter than a step, which forward Euler overshoots");
  };
  options.dt = 0.001;
  EXPECT_EQ(says(), 1);
  options.method = NirOptions::Method::kExponential;
  EXPECT_EQ(says(), 0);
  options.method = NirOptions::Method::kEuler;
  options.dt = 0.0001;
  EXPECT_EQ(says(), 0);
}

TEST(NirSimulator, RefusesWhatCannotBeRun) {
  using formats::NirKind;
  const auto lif = [](double tau) {
    return chain(
        {1}, {node("n", NirKind::kLif, {{"tau", {tau}}, {"r", {1}}, {"v_leak", {0}}, {"v_threshold", {1}}})});
  };
  EXPECT_NO_THROW(NirSimulator(lif(0.1), {}));
  EXPECT_THROW(NirSimulator(lif(0.0), {}), ShapeError);
  NirOptions still;
  still.dt = 0.0;
  EXPECT_THROW(NirSimulator(lif(0.1), still), ConfigError);
  EXPECT_THROW(NirSimulator(chain({1}, {node("d", NirKind::kDelay, {{"delay", {-1}}})}), {}), ShapeError);
  EXPECT_THROW(NirSimulator(chain({1}, {node("d", NirKind::kDelay, {{"delay", {1e300}}})}), {}), ShapeError);
  const auto integrator = [](double threshold) {
    return chain({1}, {node("n", NirKind::kIf, {{"r", {1}}, {"v_threshold", {threshold}}})});
  };
  NirOptions several;
  several.several_spikes = true;
  EXPECT_NO_THROW(NirSimulator(integrator(0.0), {}));
  EXPECT_THROW(NirSimulator(integrator(0.0), several), ShapeError);
  EXPECT_THROW(NirSimulator(integrator(-1.0), several), ShapeError);
  auto cut = integrator(1.0);
  cut.edges.pop_back();
  EXPECT_THROW(NirSimulator(cut, {}), ShapeError);
}

TEST(NirSimulator, AResultThatIsNotFiniteIsAnError) {
  NirSimulator simulator(chain({1}, {node("n", formats::NirKind::kI, {{"r", {1e308}}})}), {});
  const double one = 1.0;
  simulator.step({&one, 1});
  EXPECT_THROW(simulator.step({&one, 1}), NumericsError);
}

/// What a graph throws in 2000 steps of an input.
std::string numerics_error(const formats::NirGraph& graph, double input, const NirOptions& options = {}) {
  try {
    NirSimulator simulator(graph, options);
    for (int t = 0; t < 2000; ++t) simulator.step({&input, 1});
  } catch (const NumericsError& error) {
    return error.what();
  }
  return "";
}

TEST(NirSimulator, WhatOverflowsIsSaidWhateverComesAfter) {
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  };
  const auto large = node("big", formats::NirKind::kScale, {{"scale", {1e200}}});
  const auto larger = node("bigger", formats::NirKind::kScale, {{"scale", {1e200}}});
  const auto neuron = node("n", formats::NirKind::kIf, {{"r", {1}}, {"v_threshold", {1}}});
  const auto threshold = node("n", formats::NirKind::kThreshold, {{"threshold", {1}}});
  // An infinite potential always fires, one that is no number never: both would look like spikes.
  has(numerics_error(chain({1}, {large, larger, neuron}), 1.0), "v of node 'n' (IF) is not finite at step 1");
  has(numerics_error(chain({1}, {large, larger, threshold}), 1.0), "the input of node 'n' (Threshold)");
  has(numerics_error(chain({1}, {large, larger}), 1.0), "output 0 of the graph is not finite");
  // A step of more than twice the time constant lets Euler's potential grow.
  const auto leaky = node("li", formats::NirKind::kLi, {{"tau", {1e-4}}, {"r", {1}}, {"v_leak", {0}}});
  has(numerics_error(chain({1}, {leaky, neuron}), 1.0), "v of node 'li' (LI)");
  NirOptions exact;
  exact.method = NirOptions::Method::kExponential;
  EXPECT_EQ(numerics_error(chain({1}, {leaky, neuron}), 1.0, exact), "");
  const auto nan = node("big", formats::NirKind::kScale, {{"scale", {std::nan("")}}});
  has(numerics_error(chain({1}, {nan}), 1.0), "node 'big' (Scale): scale has values that are not finite");
}

TEST(NirMetadata, OddValuesAreToldApartFromMissingOnes) {
  formats::NirGraph graph =
      chain({1}, {node("n", formats::NirKind::kIf, {{"r", {1}}, {"v_threshold", {1}}})});
  EXPECT_EQ(metadata_of(graph).odd_dt + metadata_of(graph).odd_reset, "");
  EXPECT_EQ(metadata_of(graph).dt, 0.0);
  for (const char* dt : {"-1", "0", "nan", "inf", "1e-3 s", "", "fast"}) {
    graph.metadata["dt"] = dt;
    EXPECT_NE(metadata_of(graph).odd_dt, "") << dt;
    EXPECT_EQ(metadata_of(graph).step_us, 0) << dt;
  }
  const std::vector<std::tuple<const char*, double, std::int64_t>> times = {
      {"0.005000", 0.005, 5000}, {"1e-4", 1e-4, 100}, {"0.0003333", 0.0003333, 333}, {"1e-8", 1e-8, 0}};
  for (const auto& [text, dt, step_us] : times) {
    graph.metadata["dt"] = text;
    EXPECT_EQ(metadata_of(graph).odd_dt, "");
    EXPECT_DOUBLE_EQ(metadata_of(graph).dt, dt);
    EXPECT_EQ(metadata_of(graph).step_us, step_us);
  }
  graph.metadata["reset"] = "soft";
  EXPECT_NE(metadata_of(graph).odd_reset.find("'soft'"), std::string::npos);
  graph.metadata["reset"] = "subtract";
  EXPECT_EQ(metadata_of(graph).reset, "subtract");
  EXPECT_TRUE(metadata_of(graph).passed_over.empty());
  graph.metadata["steps"] = "-3";
  graph.nodes[1].metadata = {{"dt", "0.5"}, {"reset", "subtract"}};  // the second says what the graph says
  const auto passed = metadata_of(graph).passed_over;
  ASSERT_EQ(passed.size(), 2u);
  EXPECT_NE(passed[0].find("steps = '-3'"), std::string::npos);
  EXPECT_NE(passed[1].find("node 'n'"), std::string::npos);
}

TEST(NirEvaluation, StepsAsTheGraphTakesThem) {
  const auto graph = chain({2, 3}, {node("n", formats::NirKind::kScale, {{"scale", {2, 2, 2, 2, 2, 2}}})});
  auto shaped = graph;
  shaped.nodes[1].parameters["scale"].shape = {2, 3};
  NirSimulator simulator(shaped, {});
  const std::vector<float> two = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60},
                           one(two.begin(), two.begin() + 6);
  EXPECT_EQ(run_steps(simulator, {two.data(), two.size()}, 7),
            (std::vector<double>{22, 44, 66, 88, 110, 132}));
  EXPECT_EQ(simulator.steps(), 2);
  EXPECT_EQ(run_steps(simulator, {one.data(), one.size()}, 3), (std::vector<double>{6, 12, 18, 24, 30, 36}));
  EXPECT_THROW(run_steps(simulator, {two.data(), 7}, 1), ShapeError);
  EXPECT_THROW(run_steps(simulator, {two.data(), 0}, 1), ShapeError);
}

}  // namespace
}  // namespace spikeloom::exchange
