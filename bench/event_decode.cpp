// Events decoded a second by one core, from a file in the page cache, in pieces of 8192 events.
//   bench_event_decode        made-up recordings of 20 million events in the temporary folder
//   SPIKELOOM_EVENT_FILES=FOLDER bench_event_decode        and the real EVT 3.0 recording evt/evt3_sample.raw
//   in it
// Two builds are compared in turns, so that both see the same machine:
//   for i in 1 2 3 4 5; do BEFORE/bench_event_decode --benchmark_min_time=2; AFTER/bench_event_decode
//   --benchmark_min_time=2; done
// and of the five times of each reader the medians are taken.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
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

void put(std::vector<std::uint8_t>& bytes, std::uint64_t number, int size, bool big_endian) {
  for (int k = 0; k < size; ++k) {
    bytes.push_back(static_cast<std::uint8_t>(number >> 8 * (big_endian ? size - 1 - k : k)));
  }
}

/// A recording of a format without a writer: what made_up_recording() made, read again and laid out as
/// `encode` does.
template <class Encode>
std::string laid_out_recording(const fs::path& folder, const std::string& name, const std::string& made_up,
                               const std::vector<std::uint8_t>& header, Encode encode) {
  const std::string path = (folder / name).string();
  std::ofstream file(path, std::ios::binary);
  std::vector<std::uint8_t> bytes = header;
  const auto reader = formats::open_events(made_up);
  std::vector<events::Event> piece(kPiece);
  while (const std::size_t count = reader->read(piece.data(), piece.size())) {
    for (std::size_t i = 0; i < count; ++i) encode(piece[i], bytes);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    bytes.clear();
  }
  return path;
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string es_recording(const fs::path& folder, const std::string& made_up) {
  std::vector<std::uint8_t> header = bytes_of("Event Stream");
  for (const std::uint32_t byte : {2, 0, 0, 1}) put(header, byte, 1, false);
  put(header, 1280, 2, false);
  put(header, 720, 2, false);
  std::int64_t before_us = 0;
  return laid_out_recording(folder, "es", made_up, header,
                            [&before_us](const events::Event& event, std::vector<std::uint8_t>& bytes) {
                              const auto step = static_cast<std::uint64_t>(event.t_us - before_us);
                              before_us = event.t_us;
                              bytes.insert(bytes.end(), step / 127, std::uint8_t{0xff});
                              put(bytes, step % 127 << 1 | event.polarity, 1, false);
                              put(bytes, event.x, 2, false);
                              put(bytes, event.y, 2, false);
                            });
}

std::string aedat1_recording(const fs::path& folder, const std::string& made_up) {
  return laid_out_recording(folder, "aedat1", made_up, bytes_of("#!AER-DAT1.0\r\n"),
                            [](const events::Event& event, std::vector<std::uint8_t>& bytes) {
                              put(bytes, event.y << 8 | (127u - event.x) << 1 | (1u - event.polarity), 2,
                                  true);
                              put(bytes, static_cast<std::uint64_t>(event.t_us), 4, true);
                            });
}

std::string secdvs_recording(const fs::path& folder, const std::string& made_up) {
  return laid_out_recording(folder, "secdvs640", made_up,
                            bytes_of("#!AER-DAT2.0\r\n# AEChip: SecDvs640Gen2\r\n#End Of ASCII Header\r\n"),
                            [](const events::Event& event, std::vector<std::uint8_t>& bytes) {
                              put(bytes, event.y << 11 | (639u - event.x) << 1 | event.polarity, 4, true);
                              put(bytes, static_cast<std::uint64_t>(event.t_us), 4, true);
                            });
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
  const auto add = [](const std::string& reader, const std::string& path) {
    benchmark::RegisterBenchmark(reader.c_str(), [path](benchmark::State& state) {
      decode(state, path);
    })->Unit(benchmark::kMillisecond);
  };
  std::map<std::string, std::string> made_up;
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
    add((std::string(recording.format) + "/" + std::to_string(recording.width)), path);
    made_up[recording.format + std::to_string(recording.width)] = path;
  }
  add("es/1280", es_recording(folder, made_up["evt31280"]));
  add("aedat1/128", aedat1_recording(folder, made_up["aedat2128"]));
  add("secdvs640/346", secdvs_recording(folder, made_up["aedat2346"]));
  const char* files = std::getenv("SPIKELOOM_EVENT_FILES");
  const std::string real = std::string(files == nullptr ? "" : files) + "/evt/evt3_sample.raw";
  if (files != nullptr && fs::exists(real)) {
    add("evt3/real", real);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return 0;
}
