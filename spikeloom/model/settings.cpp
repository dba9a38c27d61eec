#include "spikeloom/model/settings.h"

namespace spikeloom::model {

std::string to_string(NormKind kind) {
  switch (kind) {
    case NormKind::kTdbn:
      return "tdBN";
    case NormKind::kTebn:
      return "TEBN";
    case NormKind::kNone:
      break;
  }
  return "";
}

std::string NetworkSettings::fixes_num_steps() const {
  return norm.kind == NormKind::kTebn ? "norm.kind = \"tebn\"" : "";
}

std::string NetworkSettings::needs_whole_batch() const {
  return norm.kind != NormKind::kNone ? "norm.kind" : "";
}

std::optional<Contradiction> contradiction(const NetworkSettings& settings, bool blocks) {
  if (settings.neuron_kind == NeuronKind::kIf && settings.learn_decay) {
    return Contradiction{"neuron", "learn_decay",
                         "neuron.kind is 'if', whose decay is 1; set it to false, or kind = \"lif\""};
  }
  if (settings.neunorm.enabled && blocks) {
    return Contradiction{"neunorm", "enabled",
                         "NeuNorm and residual blocks cannot be combined: it acts on the spikes of one layer "
                         "and a block adds those of several; set it to false ([norm] normalises currents)"};
  }
  if (settings.kind != NetworkKind::kAnn) return std::nullopt;
  if (settings.norm.kind == NormKind::kTebn) {
    return Contradiction{"norm", "kind",
                         "network.kind is 'ann', which has no steps for TEBN; set it to \"tdbn\", there "
                         "plain batch normalisation"};
  }
  if (settings.neunorm.enabled) {
    return Contradiction{"neunorm", "enabled",
                         "NeuNorm acts on spikes and network.kind is 'ann'; set it to false"};
  }
  if (settings.learn_decay || settings.learn_v_threshold) {
    return Contradiction{"neuron", settings.learn_decay ? "learn_decay" : "learn_v_threshold",
                         "network.kind is 'ann', which has no spiking neurons; set it to false"};
  }
  return std::nullopt;
}

}  // namespace spikeloom::model
