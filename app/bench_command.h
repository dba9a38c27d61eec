#pragma once
#include <string>

#include "spikeloom/train/benchmark/benchmark.h"

namespace spikeloom::app {

/// What `spikeloom bench` was told, and from it the request.
struct BenchOptions {
  std::string net, input, kind = "auto", precision = "auto", state = "compact", path = "auto",
                          crossover = "measured";
  train::BenchmarkRequest request;
  std::string trace;
  bool trace_to_stdout = false;
  int threads = 0;
  bool json = false, signature = false;
};

}  // namespace spikeloom::app
