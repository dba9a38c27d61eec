#pragma once
// What the device backend keeps of a stage from forward to backward. Internal to backends/device.
#include "spikeloom/backends/device/device_backend.h"

namespace spikeloom::backends {

struct DeviceBackend::NeuronState : engine::Kept {
  engine::Buffer state;      ///< bytes [T, state_bytes]: window bits or codes of v_pre; only for backward
  engine::Buffer neunorm_x;  ///< float [T, N, P]: of the NeuNorm on the edge that reads the spikes
  engine::Buffer pooled;     ///< what the reader's product takes, until it has

  std::int64_t bytes() const { return state.bytes() + neunorm_x.bytes(); }
};

}  // namespace spikeloom::backends
