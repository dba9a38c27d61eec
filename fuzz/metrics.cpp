// libFuzzer target of a run's metrics.jsonl. Whatever its bytes are, there is a run, of the size that
// was asked for.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "spikeloom/report/metrics_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom::report;
  static const int file = ::memfd_create("fuzz", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) {
    std::perror("no file in memory");
    std::abort();
  }
  RunRecord run;
  read_metrics("/proc/self/fd/" + std::to_string(file), {8}, run);
  if (run.epochs.size() > 17 || run.steps.size() > 17) std::abort();
  if (run.epochs_done < static_cast<std::int64_t>(run.epochs.size()) || run.iterations < 0) std::abort();
  for (const MetricsPoint& point : run.epochs)
    if (point.firing_rates.size() > run.layers.size()) std::abort();
  return 0;
}
