// Graphs against the golden values of tools/golden_nir.py (tests/golden/README.md), written to a file and
// read back.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/nir/write.h"
#include "tests/exchange/nir_graphs.h"

namespace spikeloom::exchange {
namespace {

using Json = nlohmann::json;

Json golden() {
  return parse_json(read_text_file(std::string(SPIKELOOM_SOURCE_DIR) + "/tests/golden/nir.json"));
}

formats::NirGraph graph_of(const Json& item) {
  using formats::NirKind;
  formats::NirGraph graph;
  formats::NirNode node = testing::node("n", *formats::nir_kind_of(item.at("type").get<std::string>()), {});
  node.padding = item.at("padding").get<std::string>();
  for (const auto& [name, parameter] : item.at("parameters").items()) {
    formats::NirArray array = testing::array(parameter.at("values").get<std::vector<double>>());
    array.shape = parameter.at("shape").get<std::vector<std::int64_t>>();
    node.parameters[name] = array;
  }
  graph.nodes = {testing::node("input", NirKind::kInput, {{"shape", item.at("input_shape")}}), node,
                 testing::node("output", NirKind::kOutput, {{"shape", item.at("output_shape")}})};
  graph.edges = {{"input", "n"}, {"n", "output"}};
  graph.version = formats::kNirVersion;
  return graph;
}

TEST(NirGolden, NodesGiveWhatTheirDefinitionsSay) {
  const std::string path = "/tmp/spikeloom-golden-" + std::to_string(::getpid()) + ".nir";
  int cases = 0;
  const Json values = golden();
  for (const Json& item : values.at("cases")) {
    const std::string name = item.at("name");
    formats::write_nir(path, graph_of(item));
    NirOptions options;
    options.dt = item.at("dt");
    NirSimulator simulator(formats::read_nir(path), options);
    ASSERT_EQ(simulator.output_shape(), item.at("output_shape").get<formats::NirShape>()) << name;
    for (std::size_t t = 0; t < item.at("input").size(); ++t) {
      const auto in = item.at("input")[t].get<std::vector<double>>();
      const auto expected = item.at("output")[t].get<std::vector<double>>();
      const auto out = simulator.step(in);
      ASSERT_EQ(out.size(), expected.size()) << name;
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_NEAR(out[k], expected[k], 1e-12) << name << ", step " << t << ", value " << k;
      }
    }
    ++cases;
  }
  EXPECT_EQ(cases, 12);
  std::remove(path.c_str());
}

TEST(NirGolden, TheRecurrentBrailleGraphFiresAsItsEquationsSay) {
  const std::string folder = testing::published_graphs();
  if (folder.empty()) GTEST_SKIP() << "SPIKELOOM_NIR_FILES names no folder with published graphs";
  const Json values = golden();
  const Json& expected = values.at("braille");
  NirOptions options;
  options.dt = expected.at("dt");
  NirSimulator graph(formats::read_nir(folder + "/braille_noDelay_bias_zero.nir"), options);
  std::vector<double> in(12);
  std::int64_t hidden = 0;
  for (std::size_t t = 0; t < expected.at("output").size(); ++t) {
    for (std::size_t k = 0; k < in.size(); ++k) in[k] = (t / 16 + k) % 12 == 0 ? 1.0 : 0.0;
    std::string output;
    for (const double spike : graph.step(in)) output += spike == 0.0 ? '0' : '1';
    ASSERT_EQ(output, expected.at("output")[t]) << "step " << t;
    for (const auto& [name, count] : graph.spike_counts()) {
      if (name != "lif1.lif") continue;
      ASSERT_EQ(count - hidden, expected.at("hidden_spikes")[t].get<std::int64_t>()) << "step " << t;
      hidden = count;
    }
  }
  EXPECT_GT(hidden, 100);
  const auto v = graph.v("lif2");
  for (std::size_t k = 0; k < v.size(); ++k) EXPECT_NEAR(v[k], expected.at("v")[k].get<double>(), 1e-12);
}

}  // namespace
}  // namespace spikeloom::exchange
