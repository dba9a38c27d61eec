#pragma once
#include <array>
#include <string>

#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// How a chip's events are laid out in the addresses of AEDAT 1.0 and 2.0; aedat2.h has the bits.
enum class AddressLayout { kDvs128, kDavis, kSecDvs };

/// A sensor whose recordings are read. Width and height belong to the chip: columns are mirrored by its
/// width.
struct Aedat2Chip {
  const char* name;  ///< what EventReaderOptions::chip and --chip call it
  AddressLayout layout;
  int width, height;
};

/// All of them, in the order in which errors list them.
constexpr std::array<Aedat2Chip, 7> kAedat2Chips = {{{"dvs128", AddressLayout::kDvs128, 128, 128},
                                                     {"davis128", AddressLayout::kDavis, 128, 128},
                                                     {"davis208", AddressLayout::kDavis, 208, 192},
                                                     {"davis240", AddressLayout::kDavis, 240, 180},
                                                     {"davis346", AddressLayout::kDavis, 346, 260},
                                                     {"davis640", AddressLayout::kDavis, 640, 480},
                                                     {"secdvs640", AddressLayout::kSecDvs, 640, 480}}};

/// The chip of that name, upper or lower case, or null.
const Aedat2Chip* find_aedat2_chip(const std::string& name);

/// "dvs128, davis128 (128x128), ...".
std::string aedat2_chip_list();

/// Collects what the lines of a header say about the chip.
class Aedat2HeaderChip {
 public:
  void see(const std::string& line);
  /// The chip that the line "AEChip" names, else the line "HardwareInterface", else a DAVIS that another line
  /// names with its number; null if none does.
  const Aedat2Chip* chip() const { return chip_; }
  /// What the line "AEChip" has, if it is no chip known here.
  const std::string& unknown_name() const { return unknown_name_; }

 private:
  const Aedat2Chip* chip_ = nullptr;
  std::string unknown_name_;
  int weight_ = 0;
};

/// The chip of an AEDAT 2.0 recording: that of the options, else of the header, else the only one that the
/// addresses in the first 64 KiB fit, among those of the options' size if there is one. The window stands at
/// the first record. Throws ConfigError for a name that is not known, FormatError, which lists what may be
/// given, if no chip or several fit. A recording without records may be of any chip: null.
const Aedat2Chip* choose_aedat2_chip(ByteWindow& window, const Aedat2HeaderChip& header,
                                     const EventReaderOptions& options);

}  // namespace spikeloom::formats
