#include "spikeloom/formats/events/aedat2_chips.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/event_format.h"
#include "spikeloom/formats/events/event_reader_options.h"

namespace spikeloom::formats {
namespace {

std::string in_upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return text;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

/// The chip that a header line names, or null.
const Aedat2Chip* chip_named(const std::string& line) {
  const std::string text = in_upper_case(line);
  // Two cameras in one recording: their addresses are others.
  if (contains(text, "STEREO")) return nullptr;
  // DAVIS first: an address space like "DAVIS640" is never written for a DVS128.
  for (std::size_t at = text.find("DAVIS"); at != std::string::npos; at = text.find("DAVIS", at + 1)) {
    const int number = std::atoi(text.substr(at + 5, 3).c_str());
    for (const Aedat2Chip& chip : kAedat2Chips) {
      if (chip.layout == AddressLayout::kDavis && chip.width == number) return &chip;
    }
  }
  if (contains(text, "SECDVS640")) return find_aedat2_chip("secdvs640");
  if (contains(text, "DVS128") || contains(text, "TMPDIFF128")) return find_aedat2_chip("dvs128");
  return nullptr;
}

/// What the first addresses allow.
struct Addresses {
  std::size_t num_events = 0;  // records that are no special events of any chip
  bool low_bits_only = true;   // bits 16-30 are clear
  std::uint32_t davis_x = 0, davis_y = 0;
  bool sec = true;  // all are places of a SecDvs640Gen2
};

Addresses look_at_addresses(ByteWindow& window) {
  window.ensure(kRecordingStartBytes);
  Addresses addresses;
  const std::size_t count = std::min(window.size(), kRecordingStartBytes) / 8;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t address = load_big_endian_u32(window.data() + i * 8);
    if ((address & 0x80000000u) != 0) continue;
    ++addresses.num_events;
    if ((address & 0x7fff0000u) != 0) addresses.low_bits_only = false;
    if ((address & 0x400u) == 0) {
      addresses.davis_x = std::max(addresses.davis_x, address >> 12 & 0x3ff);
      addresses.davis_y = std::max(addresses.davis_y, address >> 22 & 0x1ff);
    }
    if (address >> 20 != 0 || (address >> 1 & 0x3ff) >= 640 || address >> 11 >= 480) addresses.sec = false;
  }
  return addresses;
}

bool fits(const Aedat2Chip& chip, const Addresses& addresses) {
  // So many events are not all in row 0 and the last 16 columns of a DAVIS.
  constexpr std::size_t kEnough = 16;
  switch (chip.layout) {
    case AddressLayout::kDvs128:
      return addresses.low_bits_only;
    case AddressLayout::kSecDvs:
      return addresses.sec;
    case AddressLayout::kDavis:
      return addresses.davis_x < static_cast<std::uint32_t>(chip.width) &&
             addresses.davis_y < static_cast<std::uint32_t>(chip.height) &&
             !(addresses.low_bits_only && addresses.num_events >= kEnough);
  }
  return false;
}

std::string names_of(const std::vector<const Aedat2Chip*>& chips) {
  std::string names;
  for (const Aedat2Chip* chip : chips) {
    names += fmt::format("{}{} ({}x{})", names.empty() ? "" : ", ", chip->name, chip->width, chip->height);
  }
  return names;
}

}  // namespace

const Aedat2Chip* find_aedat2_chip(const std::string& name) {
  const std::string wanted = in_upper_case(name);
  for (const Aedat2Chip& chip : kAedat2Chips) {
    if (in_upper_case(chip.name) == wanted) return &chip;
  }
  return nullptr;
}

std::string aedat2_chip_list() {
  std::vector<const Aedat2Chip*> all;
  for (const Aedat2Chip& chip : kAedat2Chips) all.push_back(&chip);
  return names_of(all);
}

std::vector<std::string> event_chip_names() {
  std::vector<std::string> names;
  for (const Aedat2Chip& chip : kAedat2Chips) names.emplace_back(chip.name);
  return names;
}

void Aedat2HeaderChip::see(const std::string& line) {
  const std::size_t mark = line.find("AEChip");
  // A chip that is mentioned elsewhere (a note, a viewer's settings) need not be that of the recording,
  // unless the line speaks of its format, as those of converters do.
  const bool of_format = contains(line, "format of") || contains(line, "address space");
  const int weight = mark != std::string::npos             ? 3
                     : contains(line, "HardwareInterface") ? 2
                     : of_format                           ? 1
                                                           : 0;
  if (weight <= weight_) return;
  const Aedat2Chip* chip = chip_named(line);
  if (weight == 3) {  // final, known or not
    const std::size_t name = line.find_first_not_of(": \t", mark + 6);
    unknown_name_ = chip != nullptr ? "" : name == std::string::npos ? "(no name)" : line.substr(name);
  } else if (chip == nullptr) {
    return;
  }
  chip_ = chip;
  weight_ = weight;
}

const Aedat2Chip* choose_aedat2_chip(ByteWindow& window, const Aedat2HeaderChip& header,
                                     const EventReaderOptions& options) {
  if (!options.chip.empty()) {
    if (const Aedat2Chip* chip = find_aedat2_chip(options.chip)) return chip;
    throw ConfigError(fmt::format("chip '{}' is not known; there are {}", options.chip, aedat2_chip_list()));
  }
  if (header.chip() != nullptr) return header.chip();
  if (!window.ensure(8)) return nullptr;
  const bool sized = options.width > 0 && options.height > 0;
  if (!header.unknown_name().empty() && !sized) {
    throw FormatError(
        fmt::format("a recording of the chip '{:.80}', which is not known here: if it is laid out as one "
                    "of {}, give that (--chip NAME, data.chip) or the size (--sensor WxH)",
                    header.unknown_name(), aedat2_chip_list()),
        window.name(), 0);
  }
  const Addresses addresses = look_at_addresses(window);
  std::vector<const Aedat2Chip*> possible, so_large;
  for (const Aedat2Chip& chip : kAedat2Chips) {
    const bool size_is_right = !sized || (chip.width == options.width && chip.height == options.height);
    if (size_is_right) so_large.push_back(&chip);
    if (size_is_right && fits(chip, addresses)) possible.push_back(&chip);
  }
  // The size settles it, whatever single events say: those are strays.
  if (sized && so_large.size() == 1) return so_large[0];
  // Columns are mirrored by the chip's width, and one stray event makes addresses fit a larger chip alone:
  // without a size, addresses settle the layout of a DVS128 only, whose bits no other chip's events stay in.
  const bool settled = possible.size() == 1 && (sized || possible[0]->layout == AddressLayout::kDvs128);
  if (settled) return possible[0];
  // Of the two of 128 x 128: the addresses of a DVS128 are next to none of a DAVIS128.
  if (sized && !possible.empty() && possible[0]->layout == AddressLayout::kDvs128) return possible[0];
  const std::string what = fmt::format("the header names no chip{}, and ", sized ? " known here" : "");
  if (possible.empty()) {
    throw FormatError(
        fmt::format(
            "{}the first addresses belong to none{}: give the chip (--chip NAME, data.chip), one of {}", what,
            sized ? fmt::format(" of {}x{}", options.width, options.height) : "", aedat2_chip_list()),
        window.name(), window.offset());
  }
  throw FormatError(fmt::format("{}the addresses fit {}: give the chip (--chip NAME, data.chip){}", what,
                                names_of(possible), sized ? "" : " or the size (--sensor WxH)"),
                    window.name(), window.offset());
}

}  // namespace spikeloom::formats
