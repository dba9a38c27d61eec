#pragma once
#include "spikeloom/base/errors.h"

namespace spikeloom::formats {

/// The file ends before what it has begun: a recording that was cut off. With EventReaderOptions::partial
/// that is its end.
class CutShort : public FormatError {
 public:
  using FormatError::FormatError;
};

}  // namespace spikeloom::formats
