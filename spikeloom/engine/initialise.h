#pragma once
#include <cstdint>

#include "spikeloom/engine/engine.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::engine {

/// The threshold for which a gain of 2 was found.
constexpr double kReferenceThreshold = 0.75;

/// Standard deviation of the initial weights: gain * (v_threshold / 0.75) * sqrt(2 / fan_in).
///
/// Kaiming-normal keeps the variance of ReLU layers; LIF layers with the paper's threshold of 0.75 starve on
/// it (from the third layer on nothing fires and no gradient flows). A gain of 2 gives firing rates of 0.2
/// ... 0.4 in all layers. A LIF layer whose weights and threshold are scaled alike fires alike, hence the
/// second factor. An artificial network has no threshold: that of the reference leaves the gain alone.
double initial_standard_deviation(double gain, double v_threshold, std::int64_t fan_in);

/// Weights of each stage normal, of mean 0 and the standard deviation above, from random streams of (seed,
/// number of the stage) in memory order; every other slot where it starts. The same for any number of
/// threads.
void initialise(Engine& engine, const model::NetworkSettings& settings, std::uint64_t seed);

}  // namespace spikeloom::engine
