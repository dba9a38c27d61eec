#pragma once
// The networks that are run in several ways: every kind of layer and neuron once.
#include <string>
#include <vector>

#include "tests/reference/networks.h"

namespace spikeloom::reference::test {

struct Named {
  const char* name;
  model::NetworkSettings settings;
  double tolerance;  ///< of the gradient with compact state against exact state
};

inline std::vector<Named> networks() {
  const char* structure = "16C3(Encoding)-AP2-24C3-AP2-32C3-20FC-Voting";
  std::vector<Named> all;
  auto plain = settings_of(structure, 4);
  all.push_back({"rectangular", plain, 2e-3});
  auto detached = plain;
  detached.neuron.detach_reset = true;
  all.push_back({"detached", detached, 1e-5});
  auto subtract = plain;
  subtract.neuron.reset = kernels::Reset::kSubtract;
  all.push_back({"subtract", subtract, 1e-5});
  auto arctan = plain;
  arctan.neuron.surrogate = kernels::Surrogate::kArctan;
  all.push_back({"arctan", arctan, 5e-2});
  auto dropout = detached;
  dropout.dropout.rate = 0.3;
  all.push_back({"dropout", dropout, 1e-5});
  auto neunorm = detached;
  neunorm.neunorm.enabled = true;
  all.push_back({"neunorm", neunorm, 1e-5});
  auto after = neunorm;
  after.neunorm.after_pooling = true;
  after.neunorm.per_channel_u = true;
  all.push_back({"neunorm after pooling", after, 1e-5});
  auto no_bias = detached;
  no_bias.bias = false;
  no_bias.structure = "8C3(Encoding)-AP2-AP2-12FC-Voting";
  all.push_back({"two poolings, no bias", no_bias, 1e-5});
  auto fully = detached;
  fully.structure = "30FC-20FC-Voting";
  all.push_back({"fully connected", fully, 1e-5});
  return all;
}

}  // namespace spikeloom::reference::test
