#pragma once
// Measured crossovers (backends::Crossover): kept once for a machine and a network, and in a run's folder.
// Internal to train.
#include <string>
#include <vector>

#include "spikeloom/train/network/network.h"

namespace spikeloom::train {

/// Name of the file in a run's folder.
constexpr char kCrossoverFile[] = "crossovers.json";

/// Crossovers that a network has taken.
struct TakenCrossovers {
  std::vector<backends::Crossover> layers;  ///< empty where there is nothing to choose
  bool measured = false;                    ///< just now, not by an earlier call
};

/// Lets the network take the crossovers of this machine for a batch size: those of an earlier measurement
/// with the same processor, SIMD level, number of threads, LibTorch, BLAS, version of this program, layers
/// and settings, which lie in data::frame_cache_folder() as crossovers-HASH.json; else they are measured and
/// kept there, so that times, which never repeat, do not let two trainings of one recipe take different
/// paths. A file that is damaged is measured again; where none can be written, a line in the log says so.
/// `again`: measure in any case.
TakenCrossovers take_crossovers(Network& network, std::int64_t batch, bool again = false);

/// Takes the crossovers of a run's file. False if there is none, or one of another processor or number of
/// threads. Throws DataError for a file that is none.
bool read_crossovers(const std::string& path, Network& network);

/// Takes the crossovers in the text of such a file, whatever machine they are of: those of another process of
/// the same training. Throws DataError.
void apply_crossovers(const std::string& text, const std::string& path, Network& network);

/// take_crossovers, and writes them, with the machine that they are of, into a run's file; no file where
/// there is nothing to choose. Throws DataError.
void measure_crossovers(const std::string& path, Network& network, std::int64_t batch);

}  // namespace spikeloom::train
