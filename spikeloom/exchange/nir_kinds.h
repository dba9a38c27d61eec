#pragma once
// What nodes of a kind are, for whoever runs them.
#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::exchange {

inline bool fires(formats::NirKind kind) {
  using Kind = formats::NirKind;
  return kind == Kind::kIf || kind == Kind::kLif || kind == Kind::kCubaLif;
}
inline bool has_synapse(formats::NirKind kind) {
  return kind == formats::NirKind::kCubaLi || kind == formats::NirKind::kCubaLif;
}
inline bool is_integrator(formats::NirKind kind) {
  return kind == formats::NirKind::kI || kind == formats::NirKind::kIf;
}
inline bool is_leaky(formats::NirKind kind) {
  return kind == formats::NirKind::kLi || kind == formats::NirKind::kLif || has_synapse(kind);
}
inline bool has_v(formats::NirKind kind) { return is_leaky(kind) || is_integrator(kind); }

}  // namespace spikeloom::exchange
