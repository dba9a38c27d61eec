#include "spikeloom/data/frame_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <thread>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/data/frame_packing.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCounts = 100;

TEST(FramePacking, GivesBackEveryCountOfEveryWidth) {
  for (int bits = 0; bits <= 8; ++bits) {
    for (const std::size_t size : {1u, 7u, 8u, 9u, 64u, 1001u}) {
      std::vector<std::uint8_t> counts(size);
      for (std::size_t i = 0; i < size; ++i) {
        counts[i] = static_cast<std::uint8_t>((i * 151 + i / 5 * 17) & ((1u << bits) - 1u));
      }
      counts[size / 2] = static_cast<std::uint8_t>((1u << bits) - 1u);
      EXPECT_EQ(bits_needed(counts.data(), size), bits);
      std::vector<std::uint8_t> packed;
      pack_counts(counts.data(), size, bits, packed);
      EXPECT_EQ(packed.size(), packed_size(size, bits));
      std::vector<std::uint8_t> unpacked(size, 99);
      unpack_counts(packed.data(), size, bits, unpacked.data());
      EXPECT_EQ(unpacked, counts) << bits << " bits, " << size << " counts";
    }
  }
}

/// Recordings of which every byte is a count; `made` says how often one was binned.
struct MadeRecordings {
  explicit MadeRecordings(const std::string& folder, int count) {
    for (int i = 0; i < count; ++i) {
      recordings.push_back({folder + "/r" + std::to_string(i), ""});
      write(static_cast<std::size_t>(i), i);
    }
  }
  void write(std::size_t index, int content) const { write_bytes(recordings[index].path, bytes_of(content)); }
  /// Counts of 0 and 1, or every third time larger ones; the first eight tell the recordings apart.
  static Bytes bytes_of(int content) {
    Bytes bytes(kCounts);
    for (int i = 0; i < static_cast<int>(kCounts); ++i) {
      const int count = i < 8 ? content >> i & 1 : content % 3 == 0 ? (content * 7 + i) % 200 : i % 2;
      bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(count);
    }
    return bytes;
  }
  FrameCache::Bin bin() {
    return [this](std::size_t index, std::uint8_t* counts) {
      ++made;
      const Bytes bytes = read_bytes(recordings[index].path);
      if (bytes.size() != kCounts) throw FormatError("not a recording", recordings[index].path);
      std::copy(bytes.begin(), bytes.end(), counts);
    };
  }
  std::vector<FrameCache::Recording> recordings;
  std::atomic<int> made{0};
};

Bytes read_frames(const FrameCache& cache, std::size_t index) {
  Bytes counts(kCounts, 77);
  return cache.read(index, counts.data()) ? counts : Bytes{};
}

void expect_all(const FrameCache& cache, int count) {
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(read_frames(cache, static_cast<std::size_t>(i)), MadeRecordings::bytes_of(i)) << i;
  }
}

/// Files changed in the last seconds are hashed at every opening, which some tests do not want.
void wait_until_settled() { std::this_thread::sleep_for(std::chrono::milliseconds(3100)); }

TEST(FrameCache, IsFilledOnceAndServesWhatTheFilesHold) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 50);
  std::vector<std::int64_t> progress;
  {
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    EXPECT_EQ(read_frames(cache, 0), Bytes{});
    EXPECT_TRUE(cache.fill(made.recordings, made.bin(), 3, [&](std::int64_t done, std::int64_t total) {
      EXPECT_EQ(total, 50);
      progress.push_back(done);
      return true;
    }));
    expect_all(cache, 50);
    EXPECT_EQ(read_frames(cache, 50), Bytes{});
  }
  EXPECT_EQ(made.made, 50);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 50);
  FrameCache again(folder / "cache", "x", "a", kCounts);
  EXPECT_TRUE(again.fill(made.recordings, made.bin(), 3, {}));
  expect_all(again, 50);
  EXPECT_EQ(made.made, 50) << "nothing is binned twice";
  FrameCache other(folder / "cache", "x", "b", kCounts);
  EXPECT_NE(other.path(), again.path()) << "other settings, another file";
  // A part of them in another order, as another split has them.
  std::swap(made.recordings[0], made.recordings[49]);
  made.recordings.resize(20);
  EXPECT_TRUE(again.fill(made.recordings, made.bin(), 1, {}));
  EXPECT_EQ(made.made, 50);
  EXPECT_EQ(read_frames(again, 0), MadeRecordings::bytes_of(49));
}

TEST(FrameCache, SmallCountsTakeFewBits) {
  const TemporaryFolder folder;
  const auto size_with = [&](const std::string& name, std::uint8_t count) {
    write_bytes(folder / name, Bytes(1, count));
    FrameCache cache(folder / "cache", name, "", 8000);
    cache.fill({{folder / name, ""}}, [&](std::size_t, std::uint8_t* c) { std::fill_n(c, 8000, count); }, 1,
               {});
    return static_cast<std::int64_t>(fs::file_size(cache.path()));
  };
  EXPECT_EQ(size_with("one", 1), 64 + 64 + 1000);
  EXPECT_EQ(size_with("three", 3), 64 + 64 + 2000);
  EXPECT_EQ(size_with("most", 255), 64 + 64 + 8000);
  EXPECT_EQ(size_with("none", 0), 64 + 64);
}

TEST(FrameCache, IsNeverStale) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 3);
  wait_until_settled();
  const auto fill = [&] {
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    cache.fill(made.recordings, made.bin(), 2, {});
    return read_frames(cache, 1);
  };
  EXPECT_EQ(fill(), MadeRecordings::bytes_of(1));
  struct stat before {};
  ASSERT_EQ(::stat(made.recordings[1].path.c_str(), &before), 0);
  // The same size, and the old times put back: only the content differs.
  made.write(1, 40);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, made.recordings[1].path.c_str(), times, 0), 0);
  EXPECT_EQ(fill(), MadeRecordings::bytes_of(40));
  // Another file renamed over it, with its times.
  write_bytes(folder / "other", MadeRecordings::bytes_of(41));
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder / "other").c_str(), times, 0), 0);
  fs::rename(folder / "other", made.recordings[1].path);
  EXPECT_EQ(fill(), MadeRecordings::bytes_of(41));
  const int made_before = made.made;
  made.write(1, 1);
  EXPECT_EQ(fill(), MadeRecordings::bytes_of(1));
  EXPECT_EQ(made.made, made_before) << "what was there before is found by its content";
  wait_until_settled();
  EXPECT_EQ(fill(), MadeRecordings::bytes_of(1));
  made.write(1, 42);
  EXPECT_EQ(fill(), MadeRecordings::bytes_of(42)) << "a signature that was kept is compared";
}

// The one that waits goes on where the other was killed.
TEST(FrameCache, AKillLosesNothingThatWasMade) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 40);
  std::array<int, 2> begun{};
  ASSERT_EQ(::pipe(begun.data()), 0);
  const ::pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    const FrameCache::Bin bin = made.bin();
    cache.fill(made.recordings,
               [&](std::size_t index, std::uint8_t* counts) {
                 if (index == 0 && ::write(begun[1], "x", 1) != 1) ::_exit(2);
                 if (index == 25) {
                   std::this_thread::sleep_for(std::chrono::milliseconds(150));
                   ::kill(::getpid(), SIGKILL);
                 }
                 bin(index, counts);
               },
               1, {});
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(begun[0], &byte, 1), 1);
  for (const int end : begun) ::close(end);
  FrameCache cache(folder / "cache", "x", "a", kCounts);
  EXPECT_TRUE(cache.fill(made.recordings, made.bin(), 2, {}));
  EXPECT_EQ(made.made, 15) << "25 were there";
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  expect_all(cache, 40);
}

TEST(FrameCache, CutShortAnywhereItIsCompletedAgain) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 4);
  std::string path;
  {
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    cache.fill(made.recordings, made.bin(), 1, {});
    path = cache.path();
  }
  const Bytes whole = read_bytes(path);
  for (std::size_t size = 0; size < whole.size(); size += 3) {
    write_bytes(path, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    EXPECT_TRUE(cache.fill(made.recordings, made.bin(), 1, {})) << size;
    expect_all(cache, 4);
  }
}

TEST(FrameCache, NoDamagedByteGivesWrongFrames) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 3);
  std::string path;
  {
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    cache.fill(made.recordings, made.bin(), 1, {});
    path = cache.path();
  }
  const Bytes whole = read_bytes(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] ^= static_cast<std::uint8_t>(1u << at % 8);
    write_bytes(path, damaged);
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    EXPECT_TRUE(cache.fill(made.recordings, made.bin(), 1, {})) << at;
    expect_all(cache, 3);
  }
  for (const Bytes& hostile : {Bytes{}, Bytes(10000, 0), Bytes(10000, 0xFF)}) {
    write_bytes(path, hostile);
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    EXPECT_TRUE(cache.fill(made.recordings, made.bin(), 1, {}));
    expect_all(cache, 3);
  }
}

TEST(FrameCache, DamageWhileItIsOpenIsSeen) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 2);
  FrameCache cache(folder / "cache", "x", "a", kCounts);
  cache.fill(made.recordings, made.bin(), 1, {});
  const int file = ::open(cache.path().c_str(), O_WRONLY);
  const std::uint8_t wrong = 0x5A;
  ASSERT_EQ(::pwrite(file, &wrong, 1, 64 + 64 + 3), 1);
  ::close(file);
  EXPECT_EQ(read_frames(cache, 0), Bytes{});
  EXPECT_EQ(read_frames(cache, 1), MadeRecordings::bytes_of(1));
}

TEST(FrameCache, WhatCannotBeReadIsLeftOut) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 10);
  write_bytes(made.recordings[3].path, {1, 2, 3});
  fs::remove(made.recordings[5].path);
  FrameCache cache(folder / "cache", "x", "a", kCounts);
  EXPECT_TRUE(cache.fill(made.recordings, made.bin(), 2, {}));
  EXPECT_EQ(read_frames(cache, 3), Bytes{});
  EXPECT_EQ(read_frames(cache, 5), Bytes{});
  EXPECT_EQ(read_frames(cache, 6), MadeRecordings::bytes_of(6));
}

TEST(FrameCache, PiecesOfAFileAreToldApart) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", {1, 2, 3});
  std::vector<FrameCache::Recording> pieces;
  for (int i = 0; i < 20; ++i) pieces.push_back({folder / "file", "piece " + std::to_string(i)});
  FrameCache cache(folder / "cache", "x", "a", 8);
  cache.fill(
      pieces,
      [](std::size_t i, std::uint8_t* counts) { std::fill_n(counts, 8, static_cast<std::uint8_t>(i)); }, 2,
      {});
  for (std::size_t i = 0; i < 20; ++i) {
    Bytes counts(8, 99);
    ASSERT_TRUE(cache.read(i, counts.data()));
    EXPECT_EQ(counts, Bytes(8, static_cast<std::uint8_t>(i)));
  }
}

TEST(FrameCache, StopsWhenProgressSaysSo) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 200);
  const FrameCache::Bin bin = made.bin();
  FrameCache cache(folder / "cache", "x", "a", kCounts);
  EXPECT_FALSE(cache.fill(
      made.recordings,
      [&](std::size_t i, std::uint8_t* counts) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        bin(i, counts);
      },
      1, [](std::int64_t done, std::int64_t) { return done == 0; }));
  EXPECT_GT(made.made, 0);
  EXPECT_LT(made.made, 150);
  EXPECT_EQ(read_frames(cache, 0), MadeRecordings::bytes_of(0)) << "what was made is there";
}

TEST(FrameCache, TwoProcessesShareTheWork) {
  const TemporaryFolder folder;
  MadeRecordings made(folder / "set", 60);
  const ::pid_t child = ::fork();
  ASSERT_GE(child, 0);
  const auto fill = [&] {
    const FrameCache::Bin bin = made.bin();
    FrameCache cache(folder / "cache", "x", "a", kCounts);
    cache.fill(made.recordings,
               [&](std::size_t i, std::uint8_t* counts) {
                 std::this_thread::sleep_for(std::chrono::milliseconds(2));
                 bin(i, counts);
               },
               2, {});
    for (int i = 0; i < 60; ++i) {
      if (read_frames(cache, static_cast<std::size_t>(i)) != MadeRecordings::bytes_of(i)) return 100;
    }
    return made.made.load();
  };
  if (child == 0) ::_exit(fill());
  const int mine = fill();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(mine + WEXITSTATUS(status), 60) << "each recording is binned by one of them";
}

/// Warnings of the library during a test.
class Warnings {
 public:
  Warnings() {
    set_log_sink([this](LogLevel level, const std::string& message) {
      if (level == LogLevel::kWarning) messages.push_back(message);
    });
  }
  ~Warnings() { set_log_sink({}); }
  std::vector<std::string> messages;
};

void write_small_set(const std::string& root, int count) {
  for (int i = 1; i <= count; ++i) {
    write_bytes(nmnist_path(root, "Train", i % 10, i),
                atis_bytes({{500, static_cast<std::uint8_t>(i % 34), 3, 1}, {900, 2, 2, 1}, {950, 2, 2, 1}}));
  }
}

TEST(PreparedRecordings, AreTheSameAsThoseReadFromTheFiles) {
  const TemporaryFolder folder;
  write_small_set(folder / "nmnist", 30);
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", (folder / "cache").c_str());
  DataSettings settings;
  settings.dataset = "n-mnist";
  settings.max_shift = 3;
  settings.horizontal_flip = true;
  settings.validation_samples = 5;
  const auto plain = open_dataset(settings, 2, folder.path().string());
  std::vector<std::vector<float>> expected;
  const AugmentKey key{1, 2};
  for (std::int64_t i = 0; i < 25; ++i) expected.push_back(read_sample(*plain.train, i, &key));
  const Warnings warnings;
  const auto prepared = open_dataset(settings, 2, folder.path().string());
  EXPECT_TRUE(prepared.train->prepare({}));
  EXPECT_TRUE(prepared.validation->prepare({}));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "cache"), fs::directory_iterator{}), 1)
      << "the parts of a set share a file";
  fs::remove_all(folder / "nmnist");
  for (std::int64_t i = 0; i < 25; ++i) {
    EXPECT_EQ(read_sample(*prepared.train, i, &key), expected[static_cast<std::size_t>(i)]) << i;
  }
  EXPECT_TRUE(warnings.messages.empty());
}

TEST(PreparedRecordings, OffMakesNoFile) {
  const TemporaryFolder folder;
  write_small_set(folder / "nmnist", 3);
  const ScopedVariable home("HOME", folder.path().c_str());
  const ScopedVariable cache_home("XDG_CACHE_HOME", nullptr);
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", "off");
  DataSettings settings;
  settings.dataset = "n-mnist";
  const auto splits = open_dataset(settings, 2, folder.path().string());
  EXPECT_TRUE(splits.train->prepare({}));
  EXPECT_FALSE(fs::exists(folder / ".cache"));
  EXPECT_EQ(read_sample(*splits.train, 0)[(3 * 34 + 1) * 2 + 1], 1.0f);
}

TEST(PreparedRecordings, TheUsualPlaceIsTheUsersCache) {
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", nullptr), home("HOME", "/home/me");
  {
    const ScopedVariable cache_home("XDG_CACHE_HOME", "/var/c");
    EXPECT_EQ(frame_cache_folder(), "/var/c/spikeloom");
  }
  const ScopedVariable cache_home("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(frame_cache_folder(), "/home/me/.cache/spikeloom");
}

TEST(PreparedRecordings, AFullDiskCostsOneWarningAndNoSample) {
  const TemporaryFolder folder;
  write_small_set(folder / "nmnist", 40);
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", (folder / "cache").c_str());
  DataSettings settings;
  settings.dataset = "n-mnist";
  const auto splits = open_dataset(settings, 2, folder.path().string());
  const Warnings warnings;
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 20000;  // the write fails there as on a full disk
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_TRUE(splits.train->prepare({}));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, old_handler);
  ASSERT_EQ(warnings.messages.size(), 1u);
  EXPECT_TRUE(contains(warnings.messages[0], "cannot write")) << warnings.messages[0];
  for (std::int64_t i = 0; i < 40; ++i) {
    const auto sample = read_sample(*splits.train, i);
    EXPECT_EQ(sample[static_cast<std::size_t>((3 * 34 + (i + 1) % 34) * 2 + 1)], 1.0f) << i;
    EXPECT_EQ(sample[(2 * 34 + 2) * 2 + 1], 2.0f) << i;
  }
  // With room again the file is completed.
  const auto again = open_dataset(settings, 2, folder.path().string());
  EXPECT_TRUE(again.train->prepare({}));
  EXPECT_EQ(warnings.messages.size(), 1u);
}

TEST(PreparedRecordings, APlaceThatCannotBeUsedCostsOneWarning) {
  const TemporaryFolder folder;
  write_small_set(folder / "nmnist", 4);
  write_bytes(folder / "file", {1});
  const ScopedVariable place("SPIKELOOM_CACHE_DIR", (folder / "file/cache").c_str());
  DataSettings settings;
  settings.dataset = "n-mnist";
  const auto splits = open_dataset(settings, 2, folder.path().string());
  const Warnings warnings;
  EXPECT_TRUE(splits.train->prepare({}));
  ASSERT_EQ(warnings.messages.size(), 1u);
  EXPECT_TRUE(contains(warnings.messages[0], "SPIKELOOM_CACHE_DIR"));
  EXPECT_EQ(read_sample(*splits.train, 0)[(3 * 34 + 1) * 2 + 1], 1.0f);
}

}  // namespace
}  // namespace spikeloom::data
