#pragma once
#include <memory>

#include "spikeloom/formats/byte_source.h"

namespace spikeloom::formats {

/// A source that ends where `source` is damaged or cut, instead of throwing FormatError: all bytes before
/// that are given (a compressed file is read again up to there, in small pieces). For
/// EventReaderOptions::partial. Its size is what `source` says, so there may be fewer bytes.
std::unique_ptr<ByteSource> partial_source(std::unique_ptr<ByteSource> source);

}  // namespace spikeloom::formats
