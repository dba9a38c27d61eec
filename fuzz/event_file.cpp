// libFuzzer target of formats that are read from a file (kFuzzFormat): npz, or "archive", which
// opens whatever is in a zip, tar or compressed file. The bytes are a file in memory. Whatever they are,
// there are events or a FormatError or DataError, and no file is written.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/format_name.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/events/event_reader.h"

namespace {

using namespace spikeloom;

constexpr std::size_t kMostEvents = std::size_t{1} << 16;
constexpr int kMostMembers = 20;

void read_all(formats::EventReader& reader) {
  std::vector<events::Event> piece(1000);
  std::size_t total = 0;
  while (const std::size_t count = reader.read(piece.data(), piece.size())) {
    for (std::size_t i = 0; i < count; ++i) {
      if (piece[i].polarity > 1 || (reader.width() > 0 && piece[i].x >= reader.width())) std::abort();
    }
    total += count;
    if (total > kMostEvents) return;
  }
}

void read_npz(const std::string& path) { read_all(*formats::open_events(path, {"npz"})); }

void read_archive(const std::string& path) {
  formats::ArchiveWalk walk(path);
  for (int i = 0; i < kMostMembers && walk.next(); ++i) {
    try {
      read_all(*formats::open_events(walk.source()));
    } catch (const Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("fuzz", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) {
    std::perror("no file in memory");
    std::abort();
  }
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  try {
    std::strcmp(kFuzzFormat, "npz") == 0 ? read_npz(path) : read_archive(path);
  } catch (const FormatError&) {
  } catch (const DataError&) {
  }
  return 0;
}
