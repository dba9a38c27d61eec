#include "spikeloom/formats/events/prophesee_header.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "spikeloom/base/text.h"
#include "spikeloom/formats/events/text_header.h"
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

struct NamedSensor {
  const char* name;
  int width, height;
};
// Longer names before those that they contain.
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
      if (header_.format == PropheseeFormat::kNone) take_version(value);
    } else if (key == "format") {
      take_format(value);
    } else if (key == "geometry") {
      take_size(leading_number(value), leading_number(after(value, "x")));
    } else if (key == "width") {
      header_.width = leading_number(value);
    } else if (key == "height") {
      header_.height = leading_number(value);
    } else if (key == "plugin_name") {
      is_raw_ = true;
      for (const NamedSensor& sensor : kSensors) {
        if (value.find(sensor.name) == std::string::npos) continue;
        plugin_width_ = sensor.width;
        plugin_height_ = sensor.height;
        break;
      }
    } else if (key == "integrator_name" || key == "system_id" || key == "firmware_version") {
      is_raw_ = true;
    } else if (key == "version") {
      header_.dat_version = leading_number(value);
      is_dat_ = true;
    } else if (key == "data" && starts_with(value, "file containing")) {
      is_dat_ = true;
    }
  }

  void take_version(const std::string& value) {
    if (starts_with(value, "3")) header_.format = PropheseeFormat::kEvt3;
    if (starts_with(value, "2")) header_.format = PropheseeFormat::kEvt2;
    if (starts_with(value, "2.1")) header_.format = PropheseeFormat::kEvt21;
  }

  void take_format(const std::string& value) {  // EVT3;height=720;width=1280;endianness=little
    if (starts_with(value, "EVT3")) header_.format = PropheseeFormat::kEvt3;
    if (starts_with(value, "EVT2")) header_.format = PropheseeFormat::kEvt2;
    if (starts_with(value, "EVT21")) header_.format = PropheseeFormat::kEvt21;
    take_size(leading_number(after(value, "width=")), leading_number(after(value, "height=")));
    const std::string order = after(value, "endianness=");
    if (starts_with(order, "little")) header_.order = WordOrder::kLittle;
    if (starts_with(order, "legacy")) header_.order = WordOrder::kLegacy;
    if (starts_with(order, "big")) header_.order = WordOrder::kBig;
  }

  void take_size(int width, int height) {
    if (width == 0 || height == 0) return;
    header_.width = width;
    header_.height = height;
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

PropheseeHeader peek_prophesee_header(const RecordingStart& start) {
  if (start.bytes.empty() || start.bytes[0] != '%') return {};
  ByteWindow window(memory_source(start.bytes.data(), start.bytes.size(), ""));
  return read_prophesee_header(window);
}

}  // namespace spikeloom::formats
