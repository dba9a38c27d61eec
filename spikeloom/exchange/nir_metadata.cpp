#include "spikeloom/exchange/nir_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "spikeloom/base/text.h"
#include "spikeloom/exchange/nir_kinds.h"

namespace spikeloom::exchange {
namespace {

using Entries = std::map<std::string, std::string>;

std::string value_of(const Entries& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

std::string entry_text(const char* key, const std::string& value) {
  return fmt::format("{} = '{:.40}'", key, one_line(value));
}

void read_dt(const Entries& entries, NirMetadata& metadata) {
  if (entries.count("dt") == 0) return;
  const std::string text = value_of(entries, "dt");
  char* end = nullptr;
  const double dt = std::strtod(text.c_str(), &end);
  constexpr double kLongest = 1e6;
  if (text.empty() || *end != '\0' || !(dt > 0.0 && dt <= kLongest)) {
    metadata.odd_dt = entry_text("dt", text) + " is no time above 0 in seconds";
    return;
  }
  metadata.dt = dt;
  const double us = std::round(1e6 * dt);
  if (us >= 1.0 && us < static_cast<double>(1 << 30)) metadata.step_us = static_cast<std::int64_t>(us);
  // What `export` writes is a number of microseconds, in decimals.
  constexpr double kRounding = 1e-9;
  if (std::abs(1e6 * dt - us) <= kRounding * us) metadata.dt = 1e-6 * us;
}

void read_reset(const Entries& entries, NirMetadata& metadata) {
  if (entries.count("reset") == 0) return;
  const std::string text = value_of(entries, "reset");
  if (text == "zero" || text == "subtract") {
    metadata.reset = text;
  } else {
    metadata.odd_reset = entry_text("reset", text) + " is neither zero nor subtract";
  }
}

void read_steps(const Entries& entries, NirMetadata& metadata) {
  if (entries.count("steps") == 0) return;
  const std::string text = value_of(entries, "steps");
  constexpr std::size_t kMostDigits = 6;
  const bool is_count = !text.empty() && text.size() <= kMostDigits &&
                        text.find_first_not_of("0123456789") == std::string::npos;
  if (is_count) metadata.steps = std::stoi(text);
  if (metadata.steps == 0)
    metadata.passed_over.push_back(entry_text("steps", text) + " is no number of steps");
}

/// Where a step is longer than a time constant, v goes beyond what it should decay to; "" where none is.
std::string overshooting(const formats::NirGraph& flat, double dt) {
  for (const formats::NirNode& node : flat.nodes) {
    for (const char* name : {"tau", "tau_mem", "tau_syn"}) {
      const formats::NirArray* const array = node.find(name);
      if (array == nullptr || array->values.empty()) continue;
      const double least = *std::min_element(array->values.begin(), array->values.end());
      if (least > 0.0 && least < dt)
        return fmt::format(
            "{} = {} s of node '{:.80}' is shorter than a step, which forward Euler overshoots", name, least,
            one_line(node.name));
    }
  }
  return "";
}

}  // namespace

NirMetadata metadata_of(const formats::NirGraph& graph) {
  NirMetadata metadata;
  read_dt(graph.metadata, metadata);
  read_reset(graph.metadata, metadata);
  read_steps(graph.metadata, metadata);
  const std::string input = value_of(graph.metadata, "input");
  if (input == "events" || input == "image") metadata.input = input;
  for (const formats::NirNode& node : graph.nodes) {
    for (const char* key : {"dt", "reset"}) {
      if (node.metadata.count(key) == 0 || value_of(node.metadata, key) == value_of(graph.metadata, key))
        continue;
      constexpr std::size_t kMostLines = 4;
      if (metadata.passed_over.size() >= kMostLines) continue;
      metadata.passed_over.push_back(fmt::format("{} in the metadata of node '{:.80}' is not read",
                                                 entry_text(key, value_of(node.metadata, key)),
                                                 one_line(node.name)));
    }
  }
  return metadata;
}

std::vector<std::string> assumptions(const formats::NirGraph& graph, const NirOptions& options) {
  bool leaky = false, integrates = false, firing = false, delays = false;
  const formats::NirGraph flat = formats::flattened(graph);
  for (const formats::NirNode& node : flat.nodes) {
    leaky = leaky || is_leaky(node.kind);
    integrates = integrates || is_integrator(node.kind);
    firing = firing || fires(node.kind);
    delays = delays || node.kind == formats::NirKind::kDelay;
  }
  std::vector<std::string> lines;
  if (firing)
    lines.push_back(options.reset == NirOptions::Reset::kSubtract ? "a spike subtracts v_threshold from v"
                                                                  : "a spike sets v to v_reset");
  if (leaky || delays || (integrates && options.integrate_dt))
    lines.push_back(fmt::format("a step is {} s", options.dt));
  if (leaky)
    lines.push_back(options.method == NirOptions::Method::kEuler ? "leaks by forward Euler"
                                                                 : "leaks by the exponential of a step");
  const bool steps_beyond = leaky && options.method == NirOptions::Method::kEuler;
  if (const std::string line = steps_beyond ? overshooting(flat, options.dt) : ""; !line.empty())
    lines.push_back(line);
  if (integrates)
    lines.push_back(options.integrate_dt ? "I and IF add dt R I a step" : "I and IF add R I a step");
  if (options.v_min && (leaky || integrates))
    lines.push_back(fmt::format("v is at least {}", *options.v_min));
  return lines;
}

}  // namespace spikeloom::exchange
