#pragma once
// Internal to backends/cpu.
#include "spikeloom/engine/buffer.h"

namespace spikeloom::backends {

/// float <-> bfloat16, rounded to the nearest; the buffer itself where nothing is to be done.
engine::Buffer converted(const engine::Buffer& from, engine::Type type);

}  // namespace spikeloom::backends
