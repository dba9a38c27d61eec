#pragma once
#include <string>
#include <vector>

#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::train {

/// How one stage of a network would run.
struct StagePath {
  std::string stage;
  std::string path;     ///< "compact state, bf16 products"; empty if it is refused
  std::string refusal;  ///< why it is, in one line
};

/// Precision::kAuto settled for "cpu", "cuda" or "cuda:N": bf16 where its arithmetic is fast there, else
/// fp32; for exact state and artificial networks fp32. Anything else stays as it is.
model::Precision settled_precision(const model::NetworkSettings& settings, const std::string& device);

/// What a device would say to each stage of a network, before anything is made. Throws DeviceError.
std::vector<StagePath> stage_paths(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                                   const std::string& device);

}  // namespace spikeloom::train
