#pragma once
#include <cstddef>
#include <string_view>

#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/text/csv_text.h"

namespace spikeloom::formats {

constexpr std::size_t kMaxCsvColumns = 64;

/// What the beginning of a text says about its rows.
struct CsvHead {
  char separator = ',';
  ColumnPlaces places{};
  TimeUnit time_unit = TimeUnit::kMicroseconds;
  bool order_is_by_value = false;  ///< places are what ColumnOrderFinder found
  int width = 0, height = 0;       ///< of the sensor; 0: not said
};

/// Reads it; the text then stands at its first row. Throws FormatError if the order of the columns or the
/// unit of the times is not sure, or a first row is none; ConfigError if the options do not fit.
CsvHead read_csv_head(CsvText& text, const EventReaderOptions& options);

/// Whether the bytes begin as a text of events does.
bool begins_as_csv(std::string_view text, bool cut);

}  // namespace spikeloom::formats
