#pragma once
#include <memory>
#include <string>

#include "spikeloom/formats/events/columns/column_words.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// Events of one array: a structured one, or one of two dimensions whose columns `texts` name or their values
/// tell. Throws FormatError if they do not, or if `texts` leave it open or contradict the fields, unless
/// EventReaderOptions::columns says it.
std::unique_ptr<EventReader> open_npy_array(const char* format, std::unique_ptr<ByteSource> source,
                                            const EventReaderOptions& options, const ColumnTexts& texts = {});

/// Throws FormatError: what an array has instead of events, and what was expected.
[[noreturn]] void refuse_npy(const std::string& file, const std::string& what);

}  // namespace spikeloom::formats
