#include "spikeloom/train/machine/arithmetic_scope.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cfenv>
#include <thread>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/float_mode.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/train/benchmark/benchmark.h"
#include "spikeloom/train/benchmark/signature.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

int blas_threads() {
  void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_get_num_threads");
  return symbol != nullptr ? reinterpret_cast<int (*)()>(symbol)() : 0;
}

/// Without the lowest bits, which say what has happened (a result was rounded, ...).
std::vector<unsigned> pool_modes(int threads) {
  std::vector<unsigned> modes(static_cast<std::size_t>(threads));
#pragma omp parallel num_threads(threads)
  modes[static_cast<std::size_t>(omp_get_thread_num())] = float_mode() & ~0x3fu;
  return modes;
}

/// All that a scope may change.
struct State {
  int threads = num_threads(), torch = at::get_num_threads(), blas = blas_threads();
  std::vector<unsigned> modes = pool_modes(3);
  bool operator==(const State& other) const {
    return threads == other.threads && torch == other.torch && blas == other.blas && modes == other.modes;
  }
};

/// A thread of its own, as a process starts: the other tests' are configured.
void on_a_fresh_thread(const std::function<void()>& action) {
  std::thread([&] {
#if defined(__SSE2__)
    set_float_mode(0x1f80);
#endif
    at::set_num_threads(1);
    action();
    at::set_num_threads(2);
  }).join();
}

TEST(ArithmeticScopeTest, SetsEverythingAndPutsItBack) {
  on_a_fresh_thread([] {
    const State before;
    {
      const ArithmeticScope scope(3);
      EXPECT_EQ(scope.threads(), 3);
      EXPECT_EQ(num_threads(), 3);
      EXPECT_EQ(at::get_num_threads(), 3);
      EXPECT_EQ(blas_threads(), before.blas > 0 ? 3 : 0);
      EXPECT_EQ(pool_modes(3), std::vector<unsigned>(3, arithmetic_float_mode()));
      {
        const ArithmeticScope inner(1);
        EXPECT_EQ(num_threads(), 1);
        EXPECT_EQ(at::get_num_threads(), 1);
      }
      EXPECT_EQ(num_threads(), 3);
      EXPECT_EQ(at::get_num_threads(), 3);
      EXPECT_EQ(pool_modes(3), std::vector<unsigned>(3, arithmetic_float_mode()));
    }
    EXPECT_TRUE(State() == before);
  });
}

TEST(ArithmeticScopeTest, ZeroIsTheDefaultAndAWrongNumberChangesNothing) {
  on_a_fresh_thread([] {
    const State before;
    EXPECT_EQ(ArithmeticScope().threads(), num_threads());
    for (const int wrong : {-1, 1025}) {
      EXPECT_TRUE(contains(message_of<ConfigError>([&] { const ArithmeticScope scope(wrong); }),
                           "between 1 and 1024, not " + std::to_string(wrong)));
    }
    EXPECT_TRUE(State() == before);
  });
}

/// What a caller's process may have set must not reach the bits: one thread, another rounding, denormals
/// kept.
TEST(ArithmeticScopeTest, ATrainingHasTheSameBitsInAnyProcess) {
  const TemporaryFolder folder;
  testing::write_pattern_set(folder / "data", 60, 20);
  testing::Recorder recorder;
  const auto configured =
      testing::run_training(testing::small_recipe(), folder / "configured", folder / "data", recorder);
  EvaluationRequest evaluation;
  evaluation.model = configured.model_path;
  evaluation.data_dir = folder / "data";
  const auto evaluated = evaluate_model(evaluation).result;
  BenchmarkRequest bench;
  bench.network.structure = "8C3(Encoding)-AP2-8C3-Voting";
  bench.input = {1, 12, 12};
  bench.threads = 2;
  bench.iterations = 3;
  const std::string signature = training_signature(bench);
  on_a_fresh_thread([&] {
    std::fesetround(FE_TOWARDZERO);
    set_num_threads(1);
    const State before;
    TrainingRequest request;
    request.recipe = testing::small_recipe();
    request.run_path = folder / "plain";
    request.data_dir = folder / "data";
    request.threads = 2;
    TrainingObserver silent;
    const auto plain = train(request, silent);
    EXPECT_EQ(testing::read_tensors(plain.model_path), testing::read_tensors(configured.model_path));
    EXPECT_EQ(plain.test_accuracy, configured.test_accuracy);
    EXPECT_EQ(plain.test_loss, configured.test_loss);
    evaluation.threads = 2;
    const auto again = evaluate_model(evaluation).result;
    EXPECT_EQ(again.loss, evaluated.loss);
    EXPECT_EQ(again.firing_rates, evaluated.firing_rates);
    EXPECT_EQ(training_signature(bench), signature);
    benchmark_step(bench);
    EXPECT_TRUE(State() == before);
    set_num_threads(2);
  });
}

TEST(ArithmeticScopeTest, IsLeftAfterAnError) {
  on_a_fresh_thread([] {
    const State before;
    TrainingRequest request;
    request.recipe = testing::small_recipe();
    request.run_path = "/nowhere/run";
    request.data_dir = "/nowhere";
    request.threads = 3;
    TrainingObserver silent;
    EXPECT_THROW(train(request, silent), Error);
    EXPECT_TRUE(State() == before);
  });
}

}  // namespace
}  // namespace spikeloom::train
