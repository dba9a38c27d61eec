#pragma once
#include "spikeloom/kernels/reference/surrogate.h"

namespace spikeloom::kernels::cpu {

// One value at a time there is nothing to speed up: the reference's own.
using reference::surrogate_derivative;
using reference::surrogate_primitive;

}  // namespace spikeloom::kernels::cpu
