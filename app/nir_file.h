#pragma once
// What the program does with graphs of NIR: `info FILE.nir`, `eval FILE.nir`.
#include <cstdint>
#include <optional>
#include <string>

namespace spikeloom::app {

/// By its suffix .nir.
bool is_nir_file(const std::string& path);

/// Prints nodes, shapes, parameters and edges of a graph. Throws what formats::read_nir throws.
int info_nir(const std::string& path, bool json);

/// Options of `eval` that only graphs have: files do not store them.
struct NirEvalOptions {
  double dt = 0.0;  ///< seconds; 0: as long as a bin
  std::string reset = "zero", method = "euler";
  std::int64_t bin_us = 1000;
  std::optional<double> v_min;
};

struct NirEvalRequest {
  std::string path, dataset, folder, split, data_dir;
  int steps = 0, threads = 0;
  std::int64_t limit = 0;
  NirEvalOptions options;
  bool json = false;
};

/// Runs a graph over a data set and prints accuracy and spikes. Throws as exchange::evaluate_nir and
/// data::open_dataset do, ConfigError without a data set.
int eval_nir(const NirEvalRequest& request);

}  // namespace spikeloom::app
