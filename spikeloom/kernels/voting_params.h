#pragma once
// Size of the voting layer, shared by all its kernels.
#include <cstdint>

namespace spikeloom::kernels {

/// Memory: spikes [T, N, P] -> votes [N, K]; class_of [P] holds the class in [0, K) of each voting neuron.
struct VotingSize {
  std::int64_t num_steps = 0;
  std::int64_t batch = 0;
  std::int64_t population = 0;
  std::int64_t classes = 0;
};

}  // namespace spikeloom::kernels
