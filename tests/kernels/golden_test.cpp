// Every kernel against the golden values of tools/golden.py (tests/golden/README.md).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {
namespace {

using Json = nlohmann::json;

Json read_golden(const std::string& name) {
  return parse_json(read_text_file(std::string(SPIKELOOM_SOURCE_DIR) + "/tests/golden/" + name)).at("cases");
}

template <class T>
std::vector<T> array(const Json& item, const char* key) {
  return item.at(key).get<std::vector<T>>();
}

// The golden values are doubles; float kernels may lose a few units in the last place of values around 1.
template <class T>
constexpr double tolerance() {
  return 64 * epsilon<T>();
}

Surrogate surrogate_of(const std::string& name) {
  if (name == "rectangular") return Surrogate::kRectangular;
  if (name == "triangular") return Surrogate::kTriangular;
  if (name == "sigmoid") return Surrogate::kSigmoid;
  EXPECT_EQ(name, "arctan");
  return Surrogate::kArctan;
}

template <class T>
class GoldenTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GoldenTest, Types);

TYPED_TEST(GoldenTest, Lif) {
  using T = TypeParam;
  const Json cases = read_golden("lif.json");
  EXPECT_EQ(cases.size(), 36u);
  for (const Json& item : cases) {
    NeuronParams params;
    params.decay = item.at("decay");
    params.v_threshold = item.at("v_threshold");
    params.surrogate_width = item.at("surrogate_width");
    params.surrogate = surrogate_of(item.at("surrogate"));
    params.reset = item.at("reset") == "zero" ? Reset::kZero : Reset::kSubtract;
    params.detach_reset = item.at("detach_reset");
    params.smooth = item.at("smooth");
    const LifSize size{item.at("num_steps"), item.at("neurons"), item.at("static_input")};
    const auto input = array<T>(item, "input");
    const auto grad_spikes = array<T>(item, "grad_spikes");
    for (const Backend& backend : all_backends()) {
      std::vector<T> v_pre(grad_spikes.size()), spikes(grad_spikes.size()), grad_input(input.size());
      LifParameterGradients gradients;
      backend.lif_forward<T>(size, params, input.data(), v_pre.data(), spikes.data());
      backend.lif_backward<T>(size, params, grad_spikes.data(), v_pre.data(), spikes.data(),
                              grad_input.data(), &gradients);
      SCOPED_TRACE(backend.name + " " + item.at("surrogate").get<std::string>() + " " +
                   item.at("reset").get<std::string>());
      EXPECT_EQ(mismatches(v_pre, array<T>(item, "v_pre"), tolerance<T>()), 0);
      EXPECT_EQ(mismatches(spikes, array<T>(item, "spikes"), params.smooth ? tolerance<T>() : 0.0), 0);
      EXPECT_EQ(mismatches(grad_input, array<T>(item, "grad_input"), tolerance<T>()), 0);
      EXPECT_NEAR(gradients.decay, item.at("grad_decay").get<double>(), 8 * tolerance<T>());
      EXPECT_NEAR(gradients.v_threshold, item.at("grad_v_threshold").get<double>(), 8 * tolerance<T>());
    }
  }
}

TYPED_TEST(GoldenTest, NeuNorm) {
  using T = TypeParam;
  for (const Json& item : read_golden("neunorm.json")) {
    const NeuNormSize size{item.at("num_steps"), item.at("batch"), item.at("positions"), item.at("channels"),
                           item.at("shared_u")};
    const NeuNormScale scale = item.at("scale") == "mean" ? NeuNormScale::kMean : NeuNormScale::kLiteral;
    const NeuNormParams params{item.at("decay"), neunorm_coefficient(scale, item.at("decay"), size.channels)};
    EXPECT_NEAR(params.coefficient, item.at("coefficient").get<double>(), 1e-16);
    const auto spikes = array<T>(item, "spikes");
    const auto u = array<T>(item, "u");
    const auto grad_output = array<T>(item, "grad_output");
    const auto want_x = array<T>(item, "x");
    for (const Backend& backend : all_backends()) {
      SCOPED_TRACE(backend.name);
      std::vector<T> x(want_x.size()), output(spikes.size()), grad_spikes(spikes.size()), grad_u(u.size());
      backend.neunorm_forward<T>(size, params, spikes.data(), u.data(), x.data(), output.data());
      backend.neunorm_backward<T>(size, params, grad_output.data(), u.data(), x.data(), grad_spikes.data(),
                                  grad_u.data());
      EXPECT_EQ(mismatches(x, want_x, tolerance<T>()), 0);
      EXPECT_EQ(mismatches(output, array<T>(item, "output"), tolerance<T>()), 0);
      EXPECT_EQ(mismatches(grad_spikes, array<T>(item, "grad_spikes"), tolerance<T>()), 0);
      EXPECT_EQ(mismatches(grad_u, array<T>(item, "grad_u"), tolerance<T>()), 0);
    }
  }
}

TYPED_TEST(GoldenTest, AvgPool) {
  using T = TypeParam;
  for (const Json& item : read_golden("avg_pool.json")) {
    const PoolSize size{item.at("images"), item.at("height"), item.at("width"), item.at("channels"),
                        item.at("kernel")};
    const auto input = array<T>(item, "input");
    const auto grad_output = array<T>(item, "grad_output");
    for (const Backend& backend : all_backends()) {
      std::vector<T> output(grad_output.size()), grad_input(input.size());
      backend.avg_pool_forward<T>(size, input.data(), output.data());
      backend.avg_pool_backward<T>(size, grad_output.data(), grad_input.data());
      EXPECT_EQ(mismatches(output, array<T>(item, "output"), tolerance<T>()), 0) << backend.name;
      EXPECT_EQ(mismatches(grad_input, array<T>(item, "grad_input"), tolerance<T>()), 0) << backend.name;
    }
  }
}

TYPED_TEST(GoldenTest, Voting) {
  using T = TypeParam;
  for (const Json& item : read_golden("voting.json")) {
    const VotingSize size{item.at("num_steps"), item.at("batch"), item.at("population"), item.at("classes")};
    const auto class_of = array<std::int32_t>(item, "class_of");
    const auto spikes = array<T>(item, "spikes");
    for (const Backend& backend : all_backends()) {
      std::vector<T> votes(static_cast<std::size_t>(size.batch * size.classes)), grad_spikes(spikes.size());
      backend.voting_forward<T>(size, class_of.data(), spikes.data(), votes.data());
      EXPECT_EQ(mismatches(votes, array<T>(item, "votes"), tolerance<T>()), 0) << backend.name;
      for (const char* loss : {"mse", "cross_entropy"}) {
        const auto grad_votes = array<T>(item.at(loss), "grad_votes");
        backend.voting_backward<T>(size, class_of.data(), grad_votes.data(), grad_spikes.data());
        EXPECT_EQ(mismatches(grad_spikes, array<T>(item.at(loss), "grad_spikes"), tolerance<T>()), 0)
            << backend.name;
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::test
