#pragma once
#include <cstdint>
#include <string>

#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/event_format.h"

namespace spikeloom::formats {

enum class PropheseeFormat { kNone, kDat, kEvt2, kEvt21, kEvt3 };
enum class WordOrder { kUnsaid, kLittle, kLegacy, kBig };

/// What the text header of a Prophesee file says: lines "% KEYWORD VALUE", up to "% end" or the first bytes
/// that are no such line.
struct PropheseeHeader {
  PropheseeFormat format = PropheseeFormat::kNone;
  bool has_lines = false;
  int dat_version = -1;  ///< of "% Version N", -1 if there is none
  int width = 0,
      height = 0;  ///< of "geometry", "format", "Width" and "Height", or of the sensor that is named
  WordOrder order = WordOrder::kUnsaid;  ///< of "endianness=" in "format"
  /// Two lines that contradict each other, "'LINE' and 'LINE'", about the encoding or version and about the
  /// size; "" if there are none.
  std::string format_contradiction, size_contradiction;
};

/// Takes the header off the window. Where a raw file's header does not name the encoding (the oldest ones),
/// it is that of EVT 2.0 and EVT 3.0 of whose types all of the first words are, and kNone if they are of both
/// or of neither. Throws as ByteWindow.
PropheseeHeader read_prophesee_header(ByteWindow& window);

/// Puts the options' size in place of the header's. Throws FormatError, which says what may be given, if the
/// header contradicts itself about the format, unless the options name it, or about the size, unless the
/// options have it.
void settle_header(PropheseeHeader& header, const EventReaderOptions& options, const std::string& file);

/// read_prophesee_header() for the first bytes of a file.
PropheseeHeader peek_prophesee_header(const RecordingStart& start);

}  // namespace spikeloom::formats
