// Events decoded a second by one core, from a file in the page cache, in pieces of 8192 events.
//
//   bench_event_decode [NUM_EVENTS [FOLDER]]
//
// reads made-up recordings (event_recordings.h) of 20 million events, text and arrays of a fifth of it;
// --benchmark_filter=csv makes and reads those alone. They are made in the temporary folder for one run, or
// in FOLDER, where they stay and are read again. With SPIKELOOM_EVENT_FILES=FOLDER also the real EVT 3.0
// recording evt/evt3_sample.raw in it.
//
// Two builds are compared in turns and on the same files, so that both see the same machine; of the CPU times
// of each reader the least are compared:
//
//   for i in 1 2 3 4 5; do for b in BEFORE AFTER; do $b/bench_event_decode 20000000 FOLDER; done; done
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/event_recordings.h"
#include "spikeloom/formats/events/event_reader.h"

namespace {

using namespace spikeloom;
namespace fs = std::filesystem;

constexpr std::int64_t kNumEvents = 20'000'000;
constexpr std::size_t kPiece = 8192;

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
  std::string folder = argc > 2 ? argv[2] : (fs::temp_directory_path() / "spikeloom-bench-XXXXXX").string();
  if (argc < 3 && mkdtemp(folder.data()) == nullptr) return 1;
  EventRecordings recordings(folder, argc > 1 ? std::atoll(argv[1]) : kNumEvents);
  for (const std::string& reader : EventRecordings::names()) {
    benchmark::RegisterBenchmark(reader.c_str(), [&recordings, reader](benchmark::State& state) {
      try {
        decode(state, recordings.path(reader));
      } catch (const std::exception& error) {
        state.SkipWithError(error.what());
      }
    })->Unit(benchmark::kMillisecond);
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
  if (argc < 3) fs::remove_all(folder, ignored);
  return 0;
}
