// Every kernel on every backend that has it: {match, gradient} x kernels x backends.
#include "tests/kernels/harness/harness.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "spikeloom/kernels/cpu/simd_level.h"

namespace spikeloom::kernels::harness {
namespace {

bool has(const Kernel& kernel, Backend::Kind kind) {
  return kind == Backend::kReference ||
         std::find(kernel.on.begin(), kernel.on.end(), kind) != kernel.on.end();
}

std::vector<Setting> settings(const Backend& backend) {
  if (backend.kind == Backend::kReference) return {{1, 0, 0x5a}};
  if (backend.kind == Backend::kCpu) return {{1, 0, 0xff}, {3, 1, 0xff}};
  return {{3, 0, 0xff}, {3, 1, 0xff}};
}

// False once something is wrong: one case says enough.
bool check(const Case& item, const Outputs& want, const Backend& backend) {
  SCOPED_TRACE(backend.name() + ", " + item.name);
  Outputs first;
  for (const Setting& setting : settings(backend)) {
    SCOPED_TRACE(std::to_string(setting.threads) + " threads, shift " + std::to_string(setting.shift));
    std::string lacking;
    const Outputs got = run(item, backend, setting, &lacking);
    if (!lacking.empty()) return true;
    expect_same(got, want);
    if (backend.kind == Backend::kCpu && !first.empty()) {
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].values, first[i].values) << got[i].name << " depends on threads or alignment";
      }
    }
    first = got;
    if (testing::Test::HasFailure()) return false;
  }
  return true;
}

// Every case on every backend that has the kernel; the reference itself where something else is wanted of it.
void check(const Kernel& kernel, const std::vector<Case>& cases) {
  ASSERT_FALSE(cases.empty());
  const std::vector<Backend> everywhere = backends();
  for (const Case& item : cases) {
    const Outputs want = item.want ? item.want() : run(item, everywhere.front(), {1, 0, 0x5a});
    for (const Backend& backend : everywhere) {
      if (!has(kernel, backend.kind) || (!item.want && backend.kind == Backend::kReference)) continue;
      if (!check(item, want, backend)) return;
    }
  }
}

class Harness : public testing::TestWithParam<Kernel> {
 protected:
  ~Harness() override { cpu::set_simd_level(cpu::available_simd_levels().front()); }
};
class MatchTest : public Harness {};
class GradientTest : public Harness {};

TEST_P(MatchTest, EqualsTheReference) { check(GetParam(), GetParam().match()); }
TEST_P(GradientTest, IsTheDerivative) { check(GetParam(), GetParam().gradient()); }

std::vector<Kernel> with_gradient() {
  std::vector<Kernel> all;
  for (const Kernel& kernel : kernels()) {
    if (kernel.gradient) all.push_back(kernel);
  }
  return all;
}

std::string kernel_name(const testing::TestParamInfo<Kernel>& info) {
  std::string name = info.param.name;
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kernels, MatchTest, testing::ValuesIn(kernels()), kernel_name);
INSTANTIATE_TEST_SUITE_P(Kernels, GradientTest, testing::ValuesIn(with_gradient()), kernel_name);

TEST(HarnessTable, SaysWhatABackendHasNot) {
  for (const Kernel& kernel : kernels()) {
    const bool everywhere = has(kernel, Backend::kCpu) && has(kernel, Backend::kQueue);
    EXPECT_EQ(everywhere, kernel.elsewhere.empty()) << kernel.name;
    EXPECT_EQ(static_cast<bool>(kernel.gradient), kernel.no_gradient.empty()) << kernel.name;
  }
}

using OneRun = Run;  // tests have a Run of their own

// The harness itself: what it must not let through.
Case doubling(const std::function<void(Run&, const float*, float*)>& function) {
  return {"doubles", [function](Run& run) {
            const float* in = run.input(std::vector<float>{1.0f, 2.0f, 3.0f});
            auto& out = run.output<float>(3);
            function(run, in, out.data());
            run.gives("out", out);
          }};
}

int failures_of(const Case& item) {
  testing::TestPartResultArray failures;
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    expect_same(run(item, backends().back(), {1, 1, 0xff}), run(item, backends().front(), {1, 0, 0x5a}));
  }
  return failures.size();
}

TEST(HarnessTable, SeesWhatGoesWrong) {
  const auto twice = [](OneRun&, const float* in, float* out) {
    for (int i = 0; i < 3; ++i) out[i] = 2.0f * in[i];
  };
  if (backends().back().queue.on_device) GTEST_SKIP() << "these functions are the host's";
  EXPECT_EQ(failures_of(doubling(twice)), 0);
  EXPECT_GT(failures_of(doubling([&](OneRun& run, const float* in, float* out) {
              twice(run, in, out);
              if (!run.on(Backend::kReference)) out[1] = std::nextafter(out[1], 9.0f);
            })),
            0)
      << "another bit";
  EXPECT_GT(failures_of(doubling([&](OneRun&, const float* in, float* out) { out[0] = 2.0f * in[0]; })), 0)
      << "unwritten, by the reference, too";
  EXPECT_GT(failures_of(doubling([&](OneRun& run, const float* in, float* out) {
              twice(run, in, out);
              const_cast<float*>(in)[2] = 0.0f;
            })),
            0)
      << "an input changed";
  EXPECT_GT(failures_of(doubling([&](OneRun& run, const float* in, float* out) {
              twice(run, in, out);
              out[-1] = 1.0f;
            })),
            0)
      << "written before the beginning";
#ifndef __SANITIZE_ADDRESS__
  EXPECT_GT(failures_of(doubling([&](OneRun& run, const float* in, float* out) {
              twice(run, in, out);
              out[3] = 1.0f;
            })),
            0)
      << "written after the end";
#endif
}

}  // namespace
}  // namespace spikeloom::kernels::harness
