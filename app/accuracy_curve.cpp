#include "app/accuracy_curve.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "app/output.h"

namespace spikeloom::app {

bool shows_blocks(std::FILE* stream) {
  if (!is_terminal(stream)) return false;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string text = value;
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text.find("UTF-8") != std::string::npos || text.find("UTF8") != std::string::npos;
  }
  return false;
}

std::string small_curve(const std::vector<double>& values, std::size_t most, bool blocks) {
  static const std::array<const char*, 8> kBlocks = {"\u2581", "\u2582", "\u2583", "\u2584",
                                                     "\u2585", "\u2586", "\u2587", "\u2588"};
  static const std::array<const char*, 8> kPlain = {"_", ".", "-", "=", "+", "*", "#", "@"};
  const std::size_t first = values.size() > most ? values.size() - most : 0;
  if (first == values.size()) return "";
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
  const auto [least, largest] = std::minmax_element(begin, values.end());
  const double range = *largest - *least;
  std::string text;
  for (auto value = begin; value != values.end(); ++value) {
    const double share = range > 0.0 ? (*value - *least) / range : 0.5;
    const auto level = static_cast<std::size_t>(std::clamp(std::lround(7.0 * share), 0L, 7L));
    text += blocks ? kBlocks[level] : kPlain[level];
  }
  return text;
}

}  // namespace spikeloom::app
