#include "spikeloom/engine/cost.h"

namespace spikeloom::engine {
namespace {

const char* name_of(Path path) {
  switch (path) {
    case Path::kDenseFp32:
      return "dense fp32";
    case Path::kDenseBf16:
      return "dense bf16";
    case Path::kIntegers:
      return "integers";
    case Path::kEvent:
      break;
  }
  return "event";
}

}  // namespace

std::string describe_path(const StageCost& cost) {
  std::string text = name_of(cost.forward);
  if (cost.weight_gradient != cost.forward)
    text += std::string(", gradient ") + name_of(cost.weight_gradient);
  if (cost.input_gradient == Path::kIntegers) text += ", input integers";
  if (cost.open_windows_only) text += ", open windows";
  return text;
}

}  // namespace spikeloom::engine
