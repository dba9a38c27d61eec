#include "tests/kernels/harness/harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/simd_level.h"

namespace spikeloom::kernels::harness {

std::string Backend::name() const {
  if (kind == kReference) return "reference";
  if (kind == kCpu) return "cpu_" + simd_level;
  return queue.on_device ? "device_queue" : "host_queue";
}

std::vector<Backend> backends() {
  std::vector<Backend> all(1);
  for (const std::string& level : cpu::available_simd_levels()) all.push_back({Backend::kCpu, level, {}});
  all.push_back({Backend::kQueue, "", {}});
  if (cuda::device_count() > 0) {
    cuda::Queue device;
    device.on_device = true;
    all.push_back({Backend::kQueue, "", device});
  }
  return all;
}

Run::Run(const Backend& backend, const Setting& setting)
    : backend_(backend), setting_(setting), threads_before_(num_threads()) {
  if (backend.kind == Backend::kCpu && backend.simd_level != cpu::simd_level())
    cpu::set_simd_level(backend.simd_level);
  set_num_threads(setting.threads);
}

Run::~Run() { set_num_threads(threads_before_); }

Outputs Run::finish() {
  for (const auto& check : untouched_) EXPECT_TRUE(check()) << "an input was changed";
  untouched_.clear();
  return std::move(outputs_);
}

Outputs run(const Case& item, const Backend& backend, const Setting& setting, std::string* lacking) {
  Run one(backend, setting);
  item.run(one);
  if (lacking != nullptr) *lacking = one.lacking();
  return one.finish();
}

std::vector<double> slopes(const std::function<double()>& loss, std::vector<double>& at, double step) {
  std::vector<double> result;
  for (double& value : at) {
    const double before = value;
    value = before + step;
    const double above = loss();
    value = before - step;
    const double below = loss();
    value = before;
    result.push_back((above - below) / (2 * step));
  }
  return result;
}

namespace {

void expect_same(const Output& got, const std::vector<double>& want) {
  ASSERT_EQ(got.values.size(), want.size()) << got.name;
  // Most often all bits are equal.
  const bool all_numbers =
      std::none_of(want.begin(), want.end(), [](double value) { return std::isnan(value); });
  if (all_numbers &&
      (want.empty() || std::memcmp(got.values.data(), want.data(), want.size() * sizeof want[0]) == 0))
    return;
  const Tolerance& tolerance = got.tolerance;
  double largest = 0.0, error = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::abs(want[i]));
    error += std::pow(got.values[i] - want[i], 2);
    norm += std::pow(want[i], 2);
  }
  if (tolerance.of_norm > 0.0) {
    EXPECT_LE(std::sqrt(error), tolerance.of_norm * std::sqrt(norm)) << got.name << ", 2-norm";
    return;
  }
  const double allowed = std::max(tolerance.absolute, tolerance.of_largest * largest);
  const bool exact = tolerance.absolute == 0.0 && tolerance.of_largest == 0.0 && tolerance.of_each == 0.0;
  std::size_t count = 0, first = 0;
  for (std::size_t i = want.size(); i-- > 0;) {
    const double difference = std::abs(got.values[i] - want[i]);
    const bool close = difference <= allowed + tolerance.of_each * std::abs(want[i]);
    const bool equal = std::memcmp(&got.values[i], &want[i], sizeof want[i]) == 0;
    if (close && (!exact || equal)) continue;
    ++count;
    first = i;
  }
  if (count == 0) return;
  ADD_FAILURE() << got.name << ": " << count << " of " << want.size() << " differ by more than " << allowed
                << ", first number " << first << ": " << got.values[first] << " instead of " << want[first];
}

}  // namespace

void expect_same(const Outputs& got, const Outputs& want) {
  EXPECT_FALSE(got.empty()) << "says nothing";
  for (const Output& output : got) {
    const auto same = [&](const Output& other) { return other.name == output.name; };
    const auto found = std::find_if(want.begin(), want.end(), same);
    ASSERT_NE(found, want.end()) << output.name << " is not among what is wanted";
    expect_same(output, found->values);
  }
}

std::vector<Kernel> kernels() {
  std::vector<Kernel> all;
  for (auto family :
       {lif_kernels, compact_lif_kernels, pool_kernels, max_pool_kernels, dropout_kernels, neunorm_kernels,
        batch_norm_kernels, voting_kernels, event_kernels, window_kernels, value_kernels}) {
    for (auto& kernel : family()) all.push_back(std::move(kernel));
  }
  return all;
}

}  // namespace spikeloom::kernels::harness
