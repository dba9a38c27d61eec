// Events decoded a second by one core, from a file in the page cache, in pieces of 8192 events.
//   bench_event_decode                              made-up recordings of 20 million events in the temporary
//   folder SPIKELOOM_EVENT_FILES=FOLDER bench_event_decode  and the real EVT 3.0 recording
//   evt/evt3_sample.raw in it
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "spikeloom/base/random.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/write_events.h"

namespace {

using namespace spikeloom;
namespace fs = std::filesystem;

constexpr std::int64_t kNumEvents = 20'000'000;
constexpr std::size_t kPiece = 8192;

/// A recording as cameras make them: a little time between events, now and then some neighbours of one row at
/// once.
std::string made_up_recording(const fs::path& folder, const std::string& format, int width, int height) {
  const std::string path = (folder / (format + std::to_string(width))).string();
  formats::EventFileWriter writer(path, format, width, height);
  RandomStream random(1, RandomPurpose::kBench, 0);
  std::vector<events::Event> piece;
  events::Event event{};
  for (std::int64_t done = 0; done < kNumEvents; ++done) {
    const std::uint32_t bits = random.next_u32();
    if ((bits & 1) != 0 && event.x + 1 < width) {
      ++event.x;
    } else {
      event.t_us += bits >> 1 & 3;
      event.x = static_cast<std::uint16_t>((bits >> 3 & 0x3ff) % static_cast<std::uint32_t>(width));
      event.y = static_cast<std::uint16_t>((bits >> 13 & 0x3ff) % static_cast<std::uint32_t>(height));
      event.polarity = static_cast<std::uint8_t>(bits >> 23 & 1);
    }
    piece.push_back(event);
    if (piece.size() == kPiece) {
      writer.write(piece.data(), piece.size());
      piece.clear();
    }
  }
  writer.write(piece.data(), piece.size());
  writer.commit();
  return path;
}

void decode(benchmark::State& state, const std::string& path) {
  std::vector<events::Event> piece(kPiece);
  std::int64_t total = 0;
  for (auto _ : state) {
    const auto reader = formats::open_events(path);
    std::size_t count = 0;
    while ((count = reader->read(piece.data(), piece.size())) > 0) {
      total += static_cast<std::int64_t>(count);
      benchmark::DoNotOptimize(piece.data());
      benchmark::ClobberMemory();
    }
  }
  state.SetItemsProcessed(total);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * fs::file_size(path)));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string name = (fs::temp_directory_path() / "spikeloom-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return 1;
  const fs::path folder = name;
  struct Recording {
    const char* format;
    int width, height;
  };
  for (const Recording& recording : {Recording{"atis-bin", 34, 34},
                                     {"dat", 304, 240},
                                     {"aedat2", 128, 128},
                                     {"aedat2", 346, 260},
                                     {"evt3", 1280, 720}}) {
    const std::string path = made_up_recording(folder, recording.format, recording.width, recording.height);
    benchmark::RegisterBenchmark(
        (std::string(recording.format) + "/" + std::to_string(recording.width)).c_str(),
        [path](benchmark::State& state) { decode(state, path); })
        ->Unit(benchmark::kMillisecond);
  }
  const char* files = std::getenv("SPIKELOOM_EVENT_FILES");
  const std::string real = std::string(files == nullptr ? "" : files) + "/evt/evt3_sample.raw";
  if (files != nullptr && fs::exists(real)) {
    benchmark::RegisterBenchmark("evt3/real", [real](benchmark::State& state) {
      decode(state, real);
    })->Unit(benchmark::kMillisecond);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return 0;
}
