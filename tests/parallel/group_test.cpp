#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "spikeloom/parallel/error.h"
#include "spikeloom/parallel/gradient_exchange.h"
#include "spikeloom/parallel/launcher.h"
#include "tests/parallel/ranks.h"

namespace spikeloom::parallel {
namespace group_test {
namespace {

using testing::expect_ranks;
using testing::run_ranks;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Group, Collectives) {
  for (const int size : {2, 3, 4}) {
    expect_ranks(size, [size](Group& group) {
      Communicator& all = group.control();
      const int rank = group.rank();
      float value = rank == 0 ? 7.0f : 0.0f;
      all.broadcast(&value, sizeof value, "a test");
      EXPECT_EQ(value, 7.0f);
      std::vector<double> sums{static_cast<double>(rank), 1.0};
      all.all_reduce(sums.data(), 2, "a test");
      EXPECT_EQ(sums, (std::vector<double>{size * (size - 1) / 2.0, static_cast<double>(size)}));
      std::vector<std::int32_t> gathered(static_cast<std::size_t>(size)), sent, got(gathered.size());
      all.all_gather(&rank, sizeof rank, gathered.data(), "a test");
      for (int r = 0; r < size; ++r) {
        EXPECT_EQ(gathered[static_cast<std::size_t>(r)], r);
        sent.push_back(10 * rank + r);
      }
      all.all_to_all(sent.data(), sizeof(std::int32_t), got.data(), "a test");
      for (int r = 0; r < size; ++r) EXPECT_EQ(got[static_cast<std::size_t>(r)], 10 * r + rank);
      EXPECT_EQ(group.share(group.leads() ? "a text" : "", "a test"), "a text");
      const auto texts = group.gather(std::string(static_cast<std::size_t>(rank), 'x'), "a test");
      EXPECT_EQ(texts.back(), std::string(static_cast<std::size_t>(size - 1), 'x'));
      EXPECT_TRUE(group.any(rank == size - 1, "a test"));
      EXPECT_FALSE(group.any(false, "a test"));
      group.meet("a test");
      group.finish();
    });
  }
}

TEST(Group, WhoDoesNotComeIsSaidWithinTheTimeOut) {
  std::atomic<bool> over{false};
  const auto start = std::chrono::steady_clock::now();
  const auto errors = run_ranks(
      2,
      [&](Group& group) {
        if (group.rank() == 1) {
          while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // hangs, and is not gone
          return;
        }
        try {
          group.any(true, "whether to stop");
        } catch (const ParallelError& error) {
          over = true;
          throw;
        }
      },
      1.0);
  EXPECT_TRUE(contains(errors[0], "gave up waiting for the other processes (whether to stop): "))
      << errors[0];
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

TEST(Group, WhoWorksOnIsWaitedForAndWhoDoesNotIsNamed) {
  expect_ranks(2, [](Group& group) { group.meet("the start"); });
  const auto errors = run_ranks(
      3,
      [](Group& group) {
        if (group.rank() == 1) {  // works longer than the time-out
          for (int i = 0; i < 8; ++i) {
            group.alive();
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
          }
        }
        group.meet("the cache");
      },
      2.5);
  EXPECT_EQ(errors, std::vector<std::string>(3));
  const auto lost = run_ranks(
      2,
      [](Group& group) {
        if (group.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2500));
        group.meet("the cache");
      },
      1.0);
  EXPECT_TRUE(contains(lost[0], "gave up waiting for rank 1 (the cache): no sign of it for 1 s")) << lost[0];
}

TEST(Group, ReasonAndExitCodeOfWhoLeavesReachAllAndOneTellsThem) {
  std::atomic<int> told{0};
  const auto errors = run_ranks(3, [&](Group& group) {
    try {
      group.run([&] {
        if (group.rank() == 1) throw DataError("the disk is full");
        group.any(true, "gradients");
      });
    } catch (const std::exception& error) {
      EXPECT_EQ(exit_code_of(error), 3) << error.what();
      const auto* of_others = dynamic_cast<const ParallelError*>(&error);
      told += of_others != nullptr && of_others->is_told() ? 1 : 0;
      throw;
    }
  });
  EXPECT_EQ(told, 2);  // by rank 1
  EXPECT_EQ(errors[1], "the disk is full");
  for (const std::size_t other : {0u, 2u}) {
    EXPECT_TRUE(contains(errors[other], "rank 1 (")) << errors[other];
    EXPECT_TRUE(contains(errors[other], "has left: the disk is full")) << errors[other];
  }
}

TEST(Group, WhoGivesNoSignIsNamed) {
  std::atomic<int> over{0}, named{0};
  run_ranks(
      4,
      [&](Group& group) {
        if (group.rank() == 2) {
          while (over < 3) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // hangs
          return;
        }
        try {
          group.run([&] { group.any(true, "whether to stop"); });
        } catch (const ParallelError& error) {
          EXPECT_EQ(error.exit_code(), ParallelError::kLost);
          named += contains(error.what(), "; no sign of rank 2: ") ? 1 : 0;
          EXPECT_EQ(contains(error.what(), "no sign"), !error.is_told()) << error.what();
        }
        ++over;
      },
      1.0);
  EXPECT_EQ(named, 1);
}

/// Exit code of `launch` for three processes of a shell that run this.
int launch_shells(const std::string& script, std::vector<std::string>* said = nullptr) {
  Launch settings;
  settings.program = "/bin/sh";
  settings.command = {"sh", "-c", script};
  settings.processes = 3;
  return launch(settings, [&](const std::string& line) {
    if (said != nullptr) said->push_back(line);
  });
}

TEST(Launcher, ExitCodeDoesNotDependOnWhoEndsFirst) {
  EXPECT_EQ(launch_shells("exit 0"), 0);
  EXPECT_EQ(launch_shells("test $RANK != 2 && exit 5; sleep 0.1; exit 3"), 3);
  EXPECT_EQ(launch_shells("test $RANK = 2 && exit 4; test $RANK = 0 && exit 5; sleep 0.1; exit 2"), 2);
  EXPECT_EQ(launch_shells("test $RANK = 0 && exit 130; sleep 0.1; exit 5"), 5);
  EXPECT_EQ(launch_shells("test $RANK = 0 && exit 0; exit 130"), 130);
  std::vector<std::string> said;
  EXPECT_EQ(launch_shells("test $RANK = 1 && kill -9 $$; exit 130", &said), 5);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(contains(said[0], "rank 1 (process ")) << said[0];
  EXPECT_TRUE(contains(said[0], "was ended by signal 9")) << said[0];
}

TEST(Group, SecondJobAtTheSamePlaceIsRefused) {
  const auto store = Store::serve("127.0.0.1", 0, 5.0);
  try {
    Store::serve("127.0.0.1", store->port(), 5.0);
    FAIL() << "the port was given twice";
  } catch (const ConfigError& error) {
    EXPECT_TRUE(contains(error.what(), "is in use")) << error.what();
  }
  store->set("/spikeloom//rank/1", "rank 1 (elsewhere, process 1)");
  Placement placement;
  placement.rank = placement.local_rank = 1;
  placement.size = placement.local_size = 2;
  placement.address = "127.0.0.1";
  placement.port = store->port();
  try {
    Group::join(placement, 5.0);
    FAIL() << "a rank was taken twice";
  } catch (const ConfigError& error) {
    EXPECT_TRUE(contains(error.what(), "but rank 1 (elsewhere, process 1) has already taken its place"))
        << error.what();
  }
  EXPECT_THROW(Store::connect("127.0.0.1", 1, 1.0), ParallelError);
}

engine::Buffer buffer_of(std::vector<float>& values) {
  return engine::view_of(values.data(), static_cast<std::int64_t>(values.size()), engine::Type::kFloat);
}

std::vector<float> gradient(int rank, std::size_t slot, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = std::sin(static_cast<float>(i) * 0.37f + static_cast<float>(slot)) *
                (1.0f + static_cast<float>(rank));
  }
  return values;
}

TEST(GradientExchange, AddsUpSmallAndLargeSlotsInAnyBuckets) {
  const std::vector<std::size_t> counts = {3, 1000, 1, 64, 7, 256, 2};
  for (const std::int64_t bucket_bytes : {4, 256, 1 << 20}) {
    for (const int size : {2, 3}) {
      expect_ranks(size, [&](Group& group) {
        GradientExchange exchange(group.gradients(), GradientFormat::kFloat, bucket_bytes);
        exchange.set_step_sums([&] { return std::vector<double>{static_cast<double>(group.rank()), 1.0}; });
        for (int step = 0; step < 3; ++step) {
          std::vector<std::vector<float>> gradients;
          for (std::size_t slot = 0; slot < counts.size(); ++slot) {
            gradients.push_back(gradient(group.rank(), slot, counts[slot]));
          }
          for (std::size_t slot = 0; slot < counts.size(); ++slot) {
            exchange.ready(static_cast<int>(slot), buffer_of(gradients[slot]));
            exchange.ready(100, {});  // a slot without a gradient
          }
          exchange.wait();
          EXPECT_EQ(exchange.sums(),
                    (std::vector<double>{size * (size - 1) / 2.0, static_cast<double>(size)}));
          for (std::size_t slot = 0; slot < counts.size(); ++slot) {
            for (std::size_t i = 0; i < counts[slot]; ++i) {
              float sum = 0.0f;
              for (int r = 0; r < size; ++r) sum += gradient(r, slot, counts[slot])[i];
              ASSERT_NEAR(gradients[slot][i], sum, 1e-6) << slot << " " << i;
            }
          }
        }
      });
    }
  }
}

TEST(GradientExchange, BfloatHasTheErrorThatIsStated) {
  for (const int size : {2, 3, 4}) {
    std::vector<std::vector<float>> results(static_cast<std::size_t>(size));
    expect_ranks(size, [&](Group& group) {
      GradientExchange exchange(group.gradients(), GradientFormat::kBfloat16, 64);
      std::vector<float> values = gradient(group.rank(), 1, 501);
      exchange.ready(0, buffer_of(values));
      exchange.wait();
      results[static_cast<std::size_t>(group.rank())] = values;
    });
    double largest = 0.0;
    for (std::size_t i = 0; i < 501; ++i) {
      double sum = 0.0, sizes = 0.0;
      for (int r = 0; r < size; ++r) {
        const double value = gradient(r, 1, 501)[i];
        sum += value;
        sizes += std::abs(value);
        EXPECT_EQ(results[static_cast<std::size_t>(r)][i], results[0][i]);
      }
      const double error = std::abs(results[0][i] - sum);
      EXPECT_LE(error, 2.01 / 256.0 * sizes);
      largest = std::max(largest, error / sizes);
    }
    EXPECT_GT(largest, 1e-4);  // it is rounded
  }
}

/// In place of NCCL: what is begun is done in finish().
class LateSums : public DeviceSums {
 public:
  explicit LateSums(Communicator& communicator) : communicator_(communicator) {}
  void begin(float* values, std::int64_t count) override { begun_.emplace_back(values, count); }
  void finish(const std::string& what) override {
    for (const auto& [values, count] : begun_) communicator_.all_reduce(values, count, what);
    begun_.clear();
  }

 private:
  Communicator& communicator_;
  std::vector<std::pair<float*, std::int64_t>> begun_;
};

TEST(GradientExchange, OfDevicesAddsUpGradientsAndTheNumbersOfAStep) {
  expect_ranks(3, [](Group& group) {
    LateSums device(group.gradients());
    DeviceGradientExchange exchange(device, group.gradients());
    exchange.set_step_sums([&] { return std::vector<double>{static_cast<double>(group.rank()), 1.0}; });
    for (int step = 0; step < 2; ++step) {
      std::vector<float> first(5, 1.0f + static_cast<float>(group.rank())), second(3, 2.0f);
      exchange.ready(0, buffer_of(first));
      exchange.ready(1, {});  // a slot without a gradient
      exchange.ready(2, buffer_of(second));
      exchange.wait();
      EXPECT_EQ(first, std::vector<float>(5, 6.0f));
      EXPECT_EQ(second, std::vector<float>(3, 6.0f));
      EXPECT_EQ(exchange.sums(), (std::vector<double>{3.0, 3.0}));
    }
  });
}

TEST(GradientExchange, ErrorsComeOutOfWait) {
  const auto errors = run_ranks(2, [](Group& group) {
    if (group.rank() == 1) return;  // gone
    GradientExchange exchange(group.gradients());
    std::vector<float> values(10, 1.0f);
    exchange.ready(0, buffer_of(values));
    exchange.wait();
  });
  EXPECT_TRUE(contains(errors[0], "gave up waiting for the other processes (gradients)")) << errors[0];
}

}  // namespace
}  // namespace group_test
}  // namespace spikeloom::parallel
