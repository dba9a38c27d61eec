#pragma once
#include "spikeloom/base/errors.h"

namespace spikeloom {

/// Other processes of the same training did not come, or contact with them was lost.
class ParallelError : public Error {
 public:
  using Error::Error;
};

}  // namespace spikeloom
