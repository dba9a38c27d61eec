#include "spikeloom/exchange/nir_metadata.h"

#include <cmath>
#include <cstdlib>

namespace spikeloom::exchange {

NirMetadata metadata_of(const formats::NirGraph& graph) {
  const auto value_of = [&](const char* key) {
    const auto found = graph.metadata.find(key);
    return found == graph.metadata.end() ? std::string() : found->second;
  };
  NirMetadata metadata;
  const std::string reset = value_of("reset"), dt = value_of("dt"), steps = value_of("steps"),
                    input = value_of("input");
  if (reset == "zero" || reset == "subtract") metadata.reset = reset;
  char* end = nullptr;
  const double us = std::round(1e6 * std::strtod(dt.c_str(), &end));
  if (!dt.empty() && *end == '\0' && us >= 1.0 && us < static_cast<double>(1 << 30)) {
    metadata.step_us = static_cast<std::int64_t>(us);
  }
  const bool is_count =
      !steps.empty() && steps.size() < 7 && steps.find_first_not_of("0123456789") == std::string::npos;
  if (is_count) metadata.steps = std::stoi(steps);
  if (input == "events" || input == "image") metadata.input = input;
  return metadata;
}

}  // namespace spikeloom::exchange
