#include "spikeloom/model/settings.h"

#include <utility>

namespace spikeloom::model {

std::string to_string(NormKind kind) {
  if (kind == NormKind::kNone) return "";
  return kind == NormKind::kTdbn ? "tdBN" : "TEBN";
}

std::string NetworkSettings::fixes_num_steps() const {
  return norm.kind == NormKind::kTebn ? "norm.kind = \"tebn\"" : "";
}

std::string NetworkSettings::needs_whole_batch() const {
  return norm.kind != NormKind::kNone ? "norm.kind" : "";
}

std::optional<Contradiction> contradiction(const NetworkSettings& settings, bool blocks) {
  const bool ann = settings.kind == NetworkKind::kAnn;
  const char* const no_neurons = "network.kind is 'ann', which has no spiking neurons; set it to false";
  const std::pair<bool, Contradiction> all[] = {
      {settings.neuron_kind == NeuronKind::kIf && settings.learn_decay,
       {"neuron", "learn_decay",
        "neuron.kind is 'if', whose decay is 1; set it to false, or kind = \"lif\""}},
      {settings.neunorm.enabled && blocks,
       {"neunorm", "enabled",
        "NeuNorm and residual blocks cannot be combined: it acts on the spikes of one layer and a block adds "
        "those of several; set it to false ([norm] normalises currents)"}},
      {ann && settings.norm.kind == NormKind::kTebn,
       {"norm", "kind",
        "network.kind is 'ann', which has no steps for TEBN; set it to \"tdbn\", there plain batch "
        "normalisation"}},
      {ann && settings.neunorm.enabled,
       {"neunorm", "enabled", "NeuNorm acts on spikes and network.kind is 'ann'; set it to false"}},
      {ann && settings.learn_decay, {"neuron", "learn_decay", no_neurons}},
      {ann && settings.learn_v_threshold, {"neuron", "learn_v_threshold", no_neurons}}};
  for (const auto& [holds, wrong] : all) {
    if (holds) return wrong;
  }
  return std::nullopt;
}

}  // namespace spikeloom::model
