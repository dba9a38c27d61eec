#include "spikeloom/formats/events/prophesee/prophesee_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/events/records/text_header.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

/// A number of at most five digits at the start of a text, else 0.
int leading_number(const std::string& text) {
  int value = 0;
  for (std::size_t i = 0; i < text.size() && i < 5 && text[i] >= '0' && text[i] <= '9'; ++i) {
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// The text behind `key`, or "" if it is not in the text.
std::string after(const std::string& text, const char* key) {
  const std::size_t at = text.find(key);
  return at == std::string::npos ? "" : text.substr(at + std::string(key).size());
}

/// Whether a text has `word` with no letter or digit beside it.
bool has_word(const std::string& text, const std::string& word) {
  const auto is_part = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) return true;
  }
  return false;
}

struct NamedSensor {
  const char* name;
  int width, height;
};
constexpr NamedSensor kSensors[] = {{"genx320", 320, 320}, {"gen31", 640, 480},   {"gen3", 640, 480},
                                    {"gen41", 1280, 720},  {"gen4", 1280, 720},   {"imx636", 1280, 720},
                                    {"imx646", 1280, 720}, {"gen_x320", 320, 320}};

class HeaderBuilder {
 public:
  /// False if the line ends the header.
  bool see(const std::string& line) {
    header_.has_lines = true;
    std::size_t at = line.find_first_not_of("% \t");
    if (at == std::string::npos) return true;
    const std::string text = line.substr(at);
    const std::size_t key_end = std::min(text.find_first_of(" \t"), text.size());
    std::string key = text.substr(0, key_end);
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    at = text.find_first_not_of(" \t", key_end);
    line_ = line;
    take(key, at == std::string::npos ? "" : text.substr(at));
    return key != "end";
  }

  PropheseeHeader finish(const ByteWindow& window) {
    if (header_.format == PropheseeFormat::kNone && is_dat_) header_.format = PropheseeFormat::kDat;
    if (header_.format == PropheseeFormat::kNone && is_raw_) header_.format = format_by_words(window);
    if (header_.width == 0 || header_.height == 0) {
      header_.width = plugin_width_;
      header_.height = plugin_height_;
    }
    return header_;
  }

 private:
  void take(const std::string& key, const std::string& value) {
    if (key == "evt") {
      take_encoding(encoding_of_version(value), false);
    } else if (key == "format") {
      take_format(value);
    } else if (key == "geometry") {
      take_size(leading_number(value), leading_number(after(value, "x")));
    } else if (key == "width") {
      take_side(leading_number(value), &header_.width, &width_line_);
    } else if (key == "height") {
      take_side(leading_number(value), &header_.height, &height_line_);
    } else if (key == "plugin_name") {
      is_raw_ = true;
      for (const NamedSensor& sensor : kSensors) {
        if (!has_word(value, sensor.name)) continue;
        plugin_width_ = sensor.width;
        plugin_height_ = sensor.height;
        break;
      }
    } else if (key == "integrator_name" || key == "system_id" || key == "firmware_version") {
      is_raw_ = true;
    } else if (key == "version") {
      const int version = leading_number(value);
      if (header_.dat_version >= 0 && header_.dat_version != version) contradict(format_line_);
      header_.dat_version = version;
      format_line_ = line_;
      is_dat_ = true;
    } else if (key == "data" && starts_with(value, "file containing")) {
      is_dat_ = true;
    }
  }

  static PropheseeFormat encoding_of_version(const std::string& value) {
    if (starts_with(value, "2.1")) return PropheseeFormat::kEvt21;
    if (starts_with(value, "2")) return PropheseeFormat::kEvt2;
    return starts_with(value, "3") ? PropheseeFormat::kEvt3 : PropheseeFormat::kNone;
  }

  static PropheseeFormat encoding_of_format(const std::string& value) {
    if (starts_with(value, "EVT21") || starts_with(value, "EVT2.1")) return PropheseeFormat::kEvt21;
    if (starts_with(value, "EVT2")) return PropheseeFormat::kEvt2;
    return starts_with(value, "EVT3") ? PropheseeFormat::kEvt3 : PropheseeFormat::kNone;
  }

  void take_encoding(PropheseeFormat encoding, bool replaces) {
    if (encoding == PropheseeFormat::kNone) return;
    if (header_.format != PropheseeFormat::kNone && header_.format != encoding) contradict(format_line_);
    if (header_.format != PropheseeFormat::kNone && !replaces) return;
    header_.format = encoding;
    format_line_ = line_;
  }

  void take_format(const std::string& value) {  // EVT3;height=720;width=1280;endianness=little
    take_encoding(encoding_of_format(value), true);
    take_size(leading_number(after(value, "width=")), leading_number(after(value, "height=")));
    const std::string order = after(value, "endianness=");
    if (starts_with(order, "little")) header_.order = WordOrder::kLittle;
    if (starts_with(order, "legacy")) header_.order = WordOrder::kLegacy;
    if (starts_with(order, "big")) header_.order = WordOrder::kBig;
  }

  void take_size(int width, int height) {
    if (width == 0 || height == 0) return;
    take_side(width, &header_.width, &width_line_);
    take_side(height, &header_.height, &height_line_);
  }

  void take_side(int side, int* known, std::string* known_line) {
    if (side == 0) return;
    if (*known > 0 && *known != side && header_.size_contradiction.empty()) {
      header_.size_contradiction = both_lines(*known_line);
    }
    *known = side;
    *known_line = line_;
  }

  std::string both_lines(const std::string& before) const {
    return fmt::format("'{:.120}' and '{:.120}'", before, line_);
  }

  void contradict(const std::string& before) {
    if (header_.format_contradiction.empty()) header_.format_contradiction = both_lines(before);
  }

  static PropheseeFormat format_by_words(const ByteWindow& window) {
    constexpr std::uint32_t kEvt2Types =
        1u << 0x0 | 1u << 0x1 | 1u << 0x8 | 1u << 0xa | 1u << 0xe | 1u << 0xf;
    constexpr std::uint32_t kNoEvt3Types = 1u << 0x1 | 1u << 0x9 | 1u << 0xb | 1u << 0xc | 1u << 0xd;
    constexpr std::size_t kLookedAt = 1024;
    if (window.size() < 2) return PropheseeFormat::kEvt2;  // nothing to be read
    bool evt2 = true, evt3 = true;
    for (std::size_t i = 0; i < std::min(window.size() / 4, kLookedAt); ++i) {
      const std::uint32_t word = load_little_endian_u32(window.data() + i * 4);
      evt2 = evt2 && (kEvt2Types >> (word >> 28) & 1) != 0;
      evt3 = evt3 && (kNoEvt3Types >> (word >> 28) & 1) == 0 && (kNoEvt3Types >> (word >> 12 & 0xf) & 1) == 0;
    }
    if (evt2 == evt3) return PropheseeFormat::kNone;
    return evt2 ? PropheseeFormat::kEvt2 : PropheseeFormat::kEvt3;
  }

  PropheseeHeader header_;
  std::string line_;  ///< that is being read
  std::string format_line_, width_line_, height_line_;
  bool is_raw_ = false, is_dat_ = false;
  int plugin_width_ = 0, plugin_height_ = 0;
};

}  // namespace

PropheseeHeader read_prophesee_header(ByteWindow& window) {
  HeaderBuilder builder;
  std::string line;
  while (next_header_line(window, '%', &line)) {
    if (!builder.see(line)) break;
  }
  window.ensure(kRecordingStartBytes / 4);
  return builder.finish(window);
}

void settle_header(PropheseeHeader& header, const EventReaderOptions& options, const std::string& file) {
  const bool is_named = options.format != "auto" && options.format != "dat" && options.format != "DAT";
  if (!header.format_contradiction.empty() && !is_named) {
    throw FormatError(
        fmt::format("the header contradicts itself, {}: say which it is (--format evt2, evt2.1, "
                    "evt3, dat-v1 or dat-v2; data.format)",
                    header.format_contradiction),
        file, 0);
  }
  if (!header.size_contradiction.empty() && (options.width == 0 || options.height == 0)) {
    throw FormatError(fmt::format("the header gives two sizes of the sensor, {}: say which it is "
                                  "(--sensor WxH, data.sensor)",
                                  header.size_contradiction),
                      file, 0);
  }
  if (options.width > 0) header.width = options.width;
  if (options.height > 0) header.height = options.height;
}

PropheseeHeader peek_prophesee_header(const RecordingStart& start) {
  if (start.bytes.empty() || start.bytes[0] != '%') return {};
  ByteWindow window(memory_source(start.bytes.data(), start.bytes.size(), ""));
  return read_prophesee_header(window);
}

}  // namespace spikeloom::formats
