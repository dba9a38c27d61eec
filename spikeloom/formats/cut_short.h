#pragma once
#include "spikeloom/base/errors.h"

namespace spikeloom::formats {

/// The file ends before what it has begun: a recording that was cut off. With EventReaderOptions::partial
/// that is its end.
class CutShort : public FormatError {
 public:
  using FormatError::FormatError;
};

/// The file gives two sizes of its sensor: none stands in for it but the user's word
/// (EventReaderOptions::width).
class TwoSensors : public FormatError {
 public:
  using FormatError::FormatError;
};

}  // namespace spikeloom::formats
