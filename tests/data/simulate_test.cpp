#include "spikeloom/data/simulate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/registry.h"
#include "tests/data/made_sets.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

SimulateSettings mnist_of(const TemporaryFolder& folder) {
  write_idx_set(folder / "mnist", 12, 3);
  SimulateSettings settings;
  settings.dataset = "mnist";
  settings.data_dir = folder.path().string();
  return settings;
}

TEST(SimulateTest, WritesNMnistsLayoutWhichOpensAsThatSet) {
  const TemporaryFolder folder;
  auto settings = mnist_of(folder);
  settings.first = 3;
  settings.count = 8;
  std::int64_t last_done = 0, all = 0;
  const auto result =
      simulate_dataset(settings, folder / "out/nmnist", [&](std::int64_t done, std::int64_t of) {
        EXPECT_EQ(done, last_done + 1);
        last_done = done;
        all = of;
      });
  EXPECT_EQ(result.recordings, 8);
  EXPECT_EQ(result.format, "atis-bin");
  EXPECT_EQ(last_done, 8);
  EXPECT_EQ(all, 8);
  EXPECT_GT(result.on, 0);
  EXPECT_LT(result.on, result.events);
  // Labels of the made set are i % 10: number k shows image k - 1.
  std::int64_t bytes = 0;
  for (int number = 3; number <= 10; ++number) {
    const auto path = nmnist_path(folder / "out/nmnist", "Train", (number - 1) % 10, number);
    ASSERT_TRUE(fs::exists(path)) << path;
    bytes += static_cast<std::int64_t>(fs::file_size(path));
  }
  EXPECT_EQ(bytes, 5 * result.events);

  settings.test_part = true;
  settings.first = 1;
  settings.count = 0;
  EXPECT_EQ(simulate_dataset(settings, folder / "out/nmnist", nullptr).recordings, 3);
  DataSettings data;
  data.dataset = "n-mnist";
  const auto splits = open_dataset(data, 10, folder / "out");
  ASSERT_EQ(splits.train->size(), 8);
  ASSERT_EQ(splits.require_test()->size(), 3);
  EXPECT_EQ(splits.train->label(0), 2);
  EXPECT_TRUE(splits.simulated);
  EXPECT_EQ(splits.description.rfind("simulated recordings: ", 0), 0u) << splits.description;
  fs::remove(folder / "out/nmnist/SIMULATED.txt");
  EXPECT_FALSE(open_dataset(data, 10, folder / "out").simulated);
  float sum = 0;
  for (const float count : read_sample(*splits.train, 0)) sum += count;
  EXPECT_GT(sum, 0);
}

TEST(SimulateTest, BytesDependOnTheSettingsOnly) {
  const TemporaryFolder folder;
  auto settings = mnist_of(folder);
  const int before = num_threads();
  set_num_threads(4);
  simulate_dataset(settings, folder / "a", nullptr);
  set_num_threads(1);
  settings.first = 7;
  settings.count = 2;
  simulate_dataset(settings, folder / "b", nullptr);
  settings.seed = 2;
  simulate_dataset(settings, folder / "c", nullptr);
  set_num_threads(before);
  for (const int number : {7, 8}) {
    const auto bytes = read_bytes(nmnist_path(folder / "a", "Train", number - 1, number));
    EXPECT_EQ(bytes, read_bytes(nmnist_path(folder / "b", "Train", number - 1, number)));
    EXPECT_NE(bytes, read_bytes(nmnist_path(folder / "c", "Train", number - 1, number)));
  }
}

TEST(SimulateTest, WritesDvsCifar10sLayout) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 4, 2);
  SimulateSettings settings;
  settings.dataset = "cifar10";
  settings.data_dir = folder.path().string();
  settings.count = 2;
  EXPECT_EQ(simulate_dataset(settings, folder / "out", nullptr).recordings, 2);
  DataSettings data;
  data.dataset = "dvs-cifar10";
  const auto splits = open_dataset(data, 10, folder / "out");
  EXPECT_EQ(splits.train->size(), 2);
}

TEST(SimulateTest, NoteSaysThatItIsSimulatedAndHow) {
  const TemporaryFolder folder;
  auto settings = mnist_of(folder);
  settings.first = 2;
  settings.count = 3;
  settings.seed = 5;
  simulate_dataset(settings, folder / "out", nullptr);
  const auto bytes = read_bytes(folder / "out/SIMULATED.txt");
  const std::string note(bytes.begin(), bytes.end());
  EXPECT_TRUE(contains(note, "SIMULATED")) << note;
  EXPECT_TRUE(contains(note, "--dataset mnist --first 2 --count 3 --seed 5")) << note;
}

TEST(SimulateTest, NeverWritesAmongRealRecordings) {
  const TemporaryFolder folder;
  const auto settings = mnist_of(folder);
  const auto real = nmnist_path(folder / "real", "Train", 0, 1);
  write_bytes(real, atis_bytes({{1, 2, 3, 1}}));
  const auto message = message_of<DataError>([&] { simulate_dataset(settings, folder / "real", nullptr); });
  EXPECT_TRUE(contains(message, "SIMULATED.txt")) << message;
  EXPECT_EQ(read_bytes(real).size(), 5U);
  EXPECT_FALSE(fs::exists(folder / "real/SIMULATED.txt"));
}

TEST(SimulateTest, GoesOnWithTheSameSimulationOnly) {
  const TemporaryFolder folder;
  auto settings = mnist_of(folder);
  settings.count = 3;
  const std::string out = folder / "out";
  simulate_dataset(settings, out, nullptr);
  const auto note = read_bytes(out + "/SIMULATED.txt");
  const auto bytes = read_bytes(nmnist_path(out, "Train", 0, 1));
  fs::remove(nmnist_path(out, "Train", 0, 1));
  simulate_dataset(settings, out, nullptr);
  EXPECT_EQ(read_bytes(out + "/SIMULATED.txt"), note);
  EXPECT_EQ(read_bytes(nmnist_path(out, "Train", 0, 1)), bytes);
  const auto refused = [&](const std::function<void(SimulateSettings&)>& change) {
    auto other = settings;
    change(other);
    const auto message = message_of<DataError>([&] { simulate_dataset(other, out, nullptr); });
    EXPECT_TRUE(contains(message, "--dataset mnist --first 1 --count 3 --seed 1")) << message;
    EXPECT_FALSE(contains(message, "\n"));
    EXPECT_EQ(read_bytes(out + "/SIMULATED.txt"), note);
  };
  refused([](auto& s) { s.seed = 2; });
  refused([](auto& s) { s.count = 4; });
  refused([](auto& s) { s.first = 2; });
  refused([](auto& s) { s.sensor_per_recording = true; });
  refused([](auto& s) {
    s.test_part = true;
    s.seed = 2;
  });
  // The other part, which has a folder of its own, joins it, and is then as settled.
  settings.test_part = true;
  settings.count = 2;
  simulate_dataset(settings, out, nullptr);
  const auto both = read_bytes(out + "/SIMULATED.txt");
  const std::string text(both.begin(), both.end());
  EXPECT_TRUE(contains(text, "--dataset mnist --first 1 --count 3 --seed 1")) << text;
  EXPECT_TRUE(contains(text, "--dataset mnist --test --first 1 --count 2 --seed 1")) << text;
  simulate_dataset(settings, out, nullptr);
  EXPECT_EQ(read_bytes(out + "/SIMULATED.txt"), both);
  settings.count = 3;
  EXPECT_THROW(simulate_dataset(settings, out, nullptr), DataError);
}

TEST(SimulateTest, PartsWithoutFoldersOfTheirOwnAreNotMixed) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 4, 2);
  SimulateSettings settings;
  settings.dataset = "cifar10";
  settings.data_dir = folder.path().string();
  settings.count = 1;
  simulate_dataset(settings, folder / "out", nullptr);
  settings.test_part = true;
  EXPECT_THROW(simulate_dataset(settings, folder / "out", nullptr), DataError);
}

TEST(SimulateTest, RefusesWhatIsNotThere) {
  const TemporaryFolder folder;
  const auto refuses = [&](const std::function<void(SimulateSettings&)>& change) {
    auto settings = mnist_of(folder);
    change(settings);
    EXPECT_THROW(simulate_dataset(settings, folder / "out", nullptr), ConfigError);
    EXPECT_FALSE(fs::exists(folder / "out"));
  };
  refuses([](auto& s) { s.dataset = "n-mnist"; });
  refuses([](auto& s) { s.first = 0; });
  refuses([](auto& s) { s.first = 13; });
  refuses([](auto& s) { s.count = 13; });
  refuses([](auto& s) { s.count = -1; });
}

}  // namespace
}  // namespace spikeloom::data
