#pragma once
// What differs between LibTorch versions (1.13 ... 2.14) is told apart here and nowhere else.
#include <torch/version.h>

#define SPIKELOOM_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))
