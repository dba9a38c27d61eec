#include "app/network_memory.h"

#include <fmt/format.h>

#include "app/output.h"
#include "app/progress_line.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/memory.h"

namespace spikeloom::app {

std::string memory_line(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
  model::MemoryUse use;
  use.moments = 1;
  model::NetworkSettings one_step = settings;
  one_step.num_steps = 1;
  const auto estimate = model::estimate_memory(plan, one_step, use);
  return fmt::format(
      "memory {} of weights, {} with gradients and momentum; training keeps {}B more for each sample and "
      "step",
      memory_text(estimate.parameters), memory_text(estimate.certain),
      with_prefix(static_cast<double>(estimate.kept_state)));
}

void check_memory(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                  const model::MemoryUse& use, const std::string& option) {
  const auto estimate = model::estimate_memory(plan, settings, use);
  const MemoryLimit limit = memory_limit();
  if (estimate.certain <= limit.bytes) return;
  throw ConfigError(fmt::format("{}: its {} weights need {} of memory{}, and {} is {}; use smaller layers",
                                option, with_separators(plan.parameters()), memory_text(estimate.certain),
                                use.training ? " with gradients and optimiser" : "", limit.what,
                                memory_text(limit.bytes)));
}

}  // namespace spikeloom::app
