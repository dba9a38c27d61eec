// What inference computes for a sample depends on the weights and the settings alone: not on what else is in
// the batch, on the parts a batch is run in, on densities that were measured, or on threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "spikeloom/backends/torch/tensor.h"
#include "tests/backends/engines.h"

namespace spikeloom::backends::test {
namespace {

using reference::test::largest;
using reference::test::random_normal;
using reference::test::settings_of;

constexpr std::int64_t kSamples = 200;

at::Tensor votes_by(engine::Engine& engine, const at::Tensor& input, std::int64_t batch) {
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < kSamples; first += batch) {
    const at::Tensor part = input.narrow(1, first, std::min(batch, kSamples - first));
    parts.push_back(votes_of(engine, TestBatch(part, at::zeros({part.size(1)}, at::kLong))));
  }
  return at::cat(parts);
}

/// Samples that differ in how much they fire, so that each batch has another density.
at::Tensor uneven_samples(const model::Shape& shape) {
  const at::Tensor images =
      random_normal({1, kSamples, shape.channels, shape.height, shape.width}, at::kFloat, 7)
          .to(at::kFloat)
          .abs();
  return images * at::linspace(0.1, 3.0, kSamples, at::kFloat).view({1, kSamples, 1, 1, 1});
}

struct InferenceCase {
  const char* structure;
  model::Precision precision;
  model::Path path;
};

class Inference : public ::testing::TestWithParam<InferenceCase> {};

TEST_P(Inference, DoesNotDependOnBatchWorkingSetOrDensities) {
  auto settings = settings_of(GetParam().structure, 4);
  settings.compute.precision = GetParam().precision;
  settings.compute.path = GetParam().path;
  const model::Shape shape{2, 12, 12};
  const at::Tensor input = uneven_samples(shape);
  const auto engine = make_engine(settings, shape);
  const at::Tensor votes = votes_by(*engine, input, kSamples);
  EXPECT_GT(votes.max().item().toDouble(), 0.0);
  for (const std::int64_t batch : {1, 7, 96}) {
    EXPECT_TRUE(at::equal(votes_by(*engine, input, batch), votes)) << "batches of " << batch;
  }
  for (const double megabytes : {0.0, 0.05, 1.0}) {
    settings.compute.working_set_mb = megabytes;
    const auto parted = make_engine(settings, shape);
    EXPECT_TRUE(at::equal(votes_by(*parted, input, kSamples), votes)) << "working_set_mb " << megabytes;
  }
  for (const double below : {0.001, 100.0}) {
    const auto other = make_engine(settings, shape);
    dynamic_cast<CpuBackend&>(other->backend()).set_crossovers({{"conv2", {below, below, below}}});
    EXPECT_TRUE(at::equal(votes_by(*other, input, 96), votes)) << "crossover " << below;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Inference,
                         ::testing::Values(InferenceCase{"8C3(Encoding)-128C3-AP2-128C3-AP2-40FC-Voting",
                                                         model::Precision::kBf16, model::Path::kAuto},
                                           InferenceCase{"8C3(Encoding)-128C3-AP2-32C3-AP2-40FC-Voting",
                                                         model::Precision::kBf16, model::Path::kEvent},
                                           InferenceCase{"8C3(Encoding)-AP2-64C3-AP2-48C3-40FC-Voting",
                                                         model::Precision::kBf16, model::Path::kAuto},
                                           InferenceCase{"8C3(Encoding)-AP2-32C3-AP2-256FC-100FC-Voting",
                                                         model::Precision::kBf16, model::Path::kAuto},
                                           InferenceCase{"8C3(Encoding)-128C3-AP2-40FC-Voting",
                                                         model::Precision::kFp32, model::Path::kAuto},
                                           InferenceCase{"16C3(Encoding)-AP2-32C3-AP2-256FC-Voting",
                                                         model::Precision::kFp32, model::Path::kDense}));

/// A fully connected product in inference: x [rows, values], weight [F, values], bias [F].
at::Tensor product_of(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  model::Product product;
  product.kind = model::Product::kFullyConnected;
  product.input = {weight.size(1), 1, 1};
  product.output = {weight.size(0), 1, 1};
  const engine::Buffer y = TorchProducts().forward(product, x.size(0), buffer_of(x.contiguous()),
                                                   buffer_of(weight), buffer_of(bias), true);
  return tensor_of(y, {x.size(0), weight.size(0)}, at::kCPU).clone();
}

// at::linear gives a row other bits with another number of rows.
TEST(Inference, RowsOfAProductDoNotDependOnHowManyThereAre) {
  constexpr std::int64_t kRows = 400;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto& [values, filters] :
         {std::pair<std::int64_t, std::int64_t>{1024, 256}, {784, 30}, {100, 6}}) {
      const at::Tensor x = random_normal({kRows, values}, at::kFloat, 1).gt(0.8).to(dtype);
      const at::Tensor weight = random_normal({filters, values}, at::kFloat, 2).to(dtype);
      const at::Tensor bias = random_normal({filters}, at::kFloat, 3).to(dtype);
      const at::Tensor whole = product_of(x, weight, bias);
      const double scale = largest(whole.to(at::kDouble));
      EXPECT_TRUE(ops::test::within(whole.to(at::kDouble), at::linear(x, weight, bias).to(at::kDouble),
                                    (dtype == at::kFloat ? 1e-5 : 1e-2) * scale));
      for (const std::int64_t rows : {5, 35, 150}) {
        for (std::int64_t first = 0; first < kRows; first += rows) {
          const std::int64_t here = std::min(rows, kRows - first);
          ASSERT_TRUE(
              at::equal(product_of(x.narrow(0, first, here), weight, bias), whole.narrow(0, first, here)))
              << dtype << ", " << values << " to " << filters << ", " << rows << " rows from " << first;
          if (rows == 5 && first > 50) break;
        }
      }
    }
  }
}

TEST(Inference, PathFollowsFromTheSettings) {
  struct Expected {
    double below;
    model::Precision precision;
    bool event;
  };
  for (const auto& [below, precision, event] :
       {Expected{0.45, model::Precision::kBf16, true}, Expected{0.0, model::Precision::kBf16, false},
        Expected{0.45, model::Precision::kFp32, false}}) {
    auto settings = settings_of("8C3(Encoding)-128C3-24C3-40FC-Voting", 4);
    settings.compute.precision = precision;
    settings.compute.event_forward_below = below;
    const auto engine = make_engine(settings, {1, 12, 12});
    std::vector<engine::StageCost> costs;
    engine::Pass pass;
    pass.costs = &costs;
    const at::Tensor x = random_normal({1, 2, 1, 12, 12}, at::kFloat, 5);
    votes_of(*engine, TestBatch(x, at::zeros({2}, at::kLong)), pass);
    const auto rounds = [&](std::size_t stage) {
      const engine::Path path = costs.at(stage).forward;
      return path == engine::Path::kEvent || path == engine::Path::kIntegers;
    };
    EXPECT_EQ(rounds(1), event) << engine::describe_path(costs.at(1));
    EXPECT_FALSE(rounds(2)) << "too few filters";
    EXPECT_FALSE(rounds(3)) << "fully connected";
  }
}

}  // namespace
}  // namespace spikeloom::backends::test
