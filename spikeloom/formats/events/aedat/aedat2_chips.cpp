#include "spikeloom/formats/events/aedat/aedat2_chips.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
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

/// What recordings call the chips, besides the names in kAedat2Chips: the classes of jAER (its packages
/// ch.unizh.ini.jaer.chip.retina, eu.seebetter.ini.chips.davis and com.sec.dvs), and the sources that
/// iniVation's AedatTools write. A class that is not here may be laid out otherwise: DVS1280x720SD,
/// DVS128andCochleaAMS1b, CDAVIS, boards of several cameras.
struct ClassName {
  const char* name;
  const char* chip;
};
constexpr ClassName kClassNames[] = {{"Tmpdiff128", "dvs128"},
                                     {"Davis128Color", "davis128"},
                                     {"Davis128Mono", "davis128"},
                                     {"Davis128Rgb", "davis128"},
                                     {"Davis208PixelParade", "davis208"},
                                     {"Davis208PixelParadeColor", "davis208"},
                                     {"Davis208Mono", "davis208"},
                                     {"Davis208Rgbw", "davis208"},
                                     {"DAVIS240A", "davis240"},
                                     {"DAVIS240B", "davis240"},
                                     {"DAVIS240C", "davis240"},
                                     {"DAVIS240BaseCamera", "davis240"},
                                     {"DVS240", "davis240"},
                                     {"Davis346A", "davis346"},
                                     {"Davis346AMono", "davis346"},
                                     {"Davis346ARgb", "davis346"},
                                     {"Davis346B", "davis346"},
                                     {"Davis346BColor", "davis346"},
                                     {"Davis346BMono", "davis346"},
                                     {"Davis346BRgb", "davis346"},
                                     {"Davis346BaseCamera", "davis346"},
                                     {"Davis346Zynq", "davis346"},
                                     {"Davis346blue", "davis346"},
                                     {"Davis346cBSI", "davis346"},
                                     {"Davis346mini", "davis346"},
                                     {"Davis346red", "davis346"},
                                     {"Davis346redColor", "davis346"},
                                     {"DAVI346", "davis346"},
                                     {"Davis640Color", "davis640"},
                                     {"Davis640Mono", "davis640"},
                                     {"Davis640Rgb", "davis640"},
                                     {"SecDvs640Gen2", "secdvs640"},
                                     {"DVS640", "secdvs640"}};

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// The only chip that is named by a word of the text, or null.
const Aedat2Chip* chip_among_words(const std::string& text) {
  const Aedat2Chip* found = nullptr;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_word_character(text[i])) {
      word += text[i];
      continue;
    }
    const Aedat2Chip* chip = aedat2_chip_of_class(word);
    word.clear();
    if (chip == nullptr) continue;
    if (found != nullptr && found != chip) return nullptr;
    found = chip;
  }
  return found;
}

/// The text after `key` and a colon, equals sign or space, if the line begins with it; else null.
std::optional<std::string> value_of(const std::string& line, const std::string& key) {
  const std::size_t begin = line.find_first_not_of("# \t");
  if (begin == std::string::npos || line.compare(begin, key.size(), key) != 0) return std::nullopt;
  const std::size_t after = begin + key.size();
  if (after < line.size() && std::string(":= \t").find(line[after]) == std::string::npos) return std::nullopt;
  const std::size_t value = line.find_first_not_of(":= \t", after);
  if (value == std::string::npos) return "";
  return line.substr(value, line.find_last_not_of(" \t") + 1 - value);
}

/// What the first addresses allow.
struct Addresses {
  std::size_t num_events = 0;      // records that are no special events of any chip
  std::size_t with_high_bits = 0;  // of bits 30-16, which a DVS128 leaves clear
  std::size_t with_low_bits = 0;   // of bits 9-0, which a DAVIS leaves clear
  std::size_t no_places_of_sec = 0;
  std::uint32_t davis_x = 0, davis_y = 0;
};

Addresses look_at_addresses(ByteWindow& window) {
  window.ensure(kRecordingStartBytes);
  Addresses addresses;
  const std::size_t count = std::min(window.size(), kRecordingStartBytes) / 8;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t address = load_big_endian_u32(window.data() + i * 8);
    if ((address & 0x80000000u) != 0) continue;
    ++addresses.num_events;
    addresses.with_high_bits += (address & 0x7fff0000u) != 0;
    addresses.with_low_bits += (address & 0x3ffu) != 0;
    addresses.no_places_of_sec +=
        address >> 20 != 0 || (address >> 1 & 0x3ff) >= 640 || (address >> 11 & 0x1ff) >= 480;
    if ((address & 0x400u) == 0) {
      addresses.davis_x = std::max(addresses.davis_x, address >> 12 & 0x3ff);
      addresses.davis_y = std::max(addresses.davis_y, address >> 22 & 0x1ff);
    }
  }
  return addresses;
}

bool fits(const Aedat2Chip& chip, const Addresses& addresses) {
  // So many events are not all in row 0 and the last 16 columns of a DAVIS, with bits that it does not use.
  constexpr std::size_t kEnough = 16;
  switch (chip.layout) {
    case AddressLayout::kDvs128:
      return addresses.with_high_bits == 0;
    case AddressLayout::kSecDvs:
      return addresses.no_places_of_sec == 0;
    case AddressLayout::kDavis:
      return addresses.davis_x < static_cast<std::uint32_t>(chip.width) &&
             addresses.davis_y < static_cast<std::uint32_t>(chip.height) &&
             !(addresses.with_high_bits == 0 && addresses.num_events >= kEnough &&
               addresses.with_low_bits * 2 > addresses.num_events);
  }
  return false;
}

/// Whether all but a few strays, fewer than 1 %, are places of a DVS128, and too many to be strays are none
/// of any other chip.
bool is_dvs128_with_strays(const Addresses& addresses) {
  return addresses.with_high_bits * 100 < addresses.num_events &&
         addresses.with_low_bits * 2 > addresses.num_events &&
         addresses.no_places_of_sec * 10 > addresses.num_events;
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

const Aedat2Chip* aedat2_chip_of_class(const std::string& name) {
  const std::string wanted = in_upper_case(name.substr(name.rfind('.') + 1));
  if (const Aedat2Chip* chip = find_aedat2_chip(wanted)) return chip;
  for (const ClassName& known : kClassNames) {
    if (in_upper_case(known.name) == wanted) return find_aedat2_chip(known.chip);
  }
  return nullptr;
}

void Aedat2HeaderChip::take(Weight weight, const Aedat2Chip* chip, const std::string& unknown_name,
                            const std::string& line) {
  if (weight < weight_) return;
  const bool differs = chip != chip_ || (chip == nullptr && unknown_name != unknown_name_);
  if (weight == weight_) {
    if (differs && contradiction_.empty()) {
      contradiction_ = fmt::format("'{:.120}' and '{:.120}'", line_, line);
    }
    return;
  }
  contradiction_.clear();
  weight_ = weight;
  chip_ = chip;
  unknown_name_ = unknown_name;
  line_ = line;
}

void Aedat2HeaderChip::see(const std::string& line) {
  // A chip that is mentioned elsewhere (a note, a viewer's settings) need not be that of the recording.
  if (const auto name = value_of(line, "AEChip")) {
    const Aedat2Chip* chip = aedat2_chip_of_class(*name);
    take(kClass, chip, chip != nullptr ? "" : name->empty() ? "(no name)" : *name, line);
  } else if (const auto interface = value_of(line, "HardwareInterface")) {
    if (const Aedat2Chip* chip = chip_among_words(*interface)) take(kInterface, chip, "", line);
  } else if (const auto faked = value_of(line, "This function fakes the format of")) {
    const Aedat2Chip* chip = aedat2_chip_of_class(faked->substr(0, faked->find(' ')));
    if (chip != nullptr) take(kConverter, chip, "", line);
  }
}

const Aedat2Chip* choose_aedat2_chip(ByteWindow& window, const Aedat2HeaderChip& header,
                                     const EventReaderOptions& options) {
  if (!options.chip.empty()) {
    if (const Aedat2Chip* chip = find_aedat2_chip(options.chip)) return chip;
    throw ConfigError(fmt::format("chip '{}' is not known; there are {}", options.chip, aedat2_chip_list()));
  }
  if (!header.contradiction().empty()) {
    throw FormatError(fmt::format("the header names two chips, {}: say which it is (--chip NAME, data.chip), "
                                  "one of {}",
                                  header.contradiction(), aedat2_chip_list()),
                      window.name(), 0);
  }
  if (header.chip() != nullptr) return header.chip();
  if (!window.ensure(8)) return nullptr;
  const bool sized = options.width > 0 && options.height > 0;
  if (!header.unknown_name().empty() && !sized) {
    throw FormatError(
        fmt::format("a recording of the chip '{:.80}', which is not known here: if it is laid out as one "
                    "of {}, give that (--chip NAME, data.chip) or the size (--sensor WxH, data.sensor)",
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
  if (!sized && is_dvs128_with_strays(addresses)) {
    if (options.drop_outside) return find_aedat2_chip("dvs128");
    throw FormatError(
        fmt::format(
            "the header names no chip, and {} of the first {} addresses are not those of a DVS128: if "
            "they are strays, leave them out (--drop-outside, data.drop_outside), else give the chip "
            "(--chip NAME, data.chip), one of {}",
            addresses.with_high_bits, addresses.num_events, aedat2_chip_list()),
        window.name(), window.offset());
  }
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
                                names_of(possible), sized ? "" : " or the size (--sensor WxH, data.sensor)"),
                    window.name(), window.offset());
}

}  // namespace spikeloom::formats
