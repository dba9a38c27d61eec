#pragma once
// Measured crossovers (nn::LayerCrossover) in a run's folder. Internal to train.
#include <string>

#include "spikeloom/nn/network.h"

namespace spikeloom::train {

/// Name of the file.
constexpr char kCrossoverFile[] = "crossovers.json";

/// Takes the crossovers of a file. False if there is none, or one of another processor or number of threads.
/// Throws DataError for a file that is none.
bool read_crossovers(const std::string& path, nn::Network& network);

/// Measures them at a batch size and writes them, with the machine that they are of; no file where there is
/// nothing to choose. Throws DataError.
void measure_crossovers(const std::string& path, nn::Network& network, std::int64_t batch);

}  // namespace spikeloom::train
