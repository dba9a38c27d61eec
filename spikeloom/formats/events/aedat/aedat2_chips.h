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

/// The chip that a recording names, or null: the last component of a Java name ("...davis.Davis346red"),
/// upper or lower case, must be one of the names in aedat2_chips.cpp, whole.
const Aedat2Chip* aedat2_chip_of_class(const std::string& name);

/// "dvs128, davis128 (128x128), ...".
std::string aedat2_chip_list();

/// Collects what the lines of a header say about the chip: "AEChip: CLASS"; else a chip's name among the
/// words of "HardwareInterface: TEXT"; else the line of a converter, "This function fakes the format of CHIP
/// ...".
class Aedat2HeaderChip {
 public:
  void see(const std::string& line);
  /// Null if no line names a known chip.
  const Aedat2Chip* chip() const { return chip_; }
  /// What the line "AEChip" has, if it is no chip known here.
  const std::string& unknown_name() const { return unknown_name_; }
  /// Two lines that name different chips, "'LINE' and 'LINE'"; "" if there are none.
  const std::string& contradiction() const { return contradiction_; }

 private:
  enum Weight { kNone, kConverter, kInterface, kClass };
  void take(Weight weight, const Aedat2Chip* chip, const std::string& unknown_name, const std::string& line);

  const Aedat2Chip* chip_ = nullptr;
  std::string unknown_name_, line_, contradiction_;
  Weight weight_ = kNone;
};

/// The chip of an AEDAT 2.0 recording: that of the options, else of the header, else the only one that the
/// addresses in the first 64 KiB fit, among those of the options' size if there is one. With
/// EventReaderOptions::drop_outside fewer than 1 % of them may be strays that no DVS128 has. The window
/// stands at the first record. Throws ConfigError for a name that is not known, FormatError, which lists what
/// may be given, if no chip or several fit or the header contradicts itself. A recording without records may
/// be of any chip: null.
const Aedat2Chip* choose_aedat2_chip(ByteWindow& window, const Aedat2HeaderChip& header,
                                     const EventReaderOptions& options);

}  // namespace spikeloom::formats
