#include "app/nir_options.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/exchange/nir_metadata.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::app {
namespace {

/// What `make` gives. A graph that is wrong is a file that is wrong, and every message names it.
template <class Make>
auto of_file(const std::string& path, const Make& make) {
  try {
    return make();
  } catch (const ShapeError& error) {
    throw FormatError(error.what(), path);
  } catch (const NumericsError& error) {
    throw NumericsError(path + ": " + error.what());
  }
}

constexpr std::int64_t kDefaultBinUs = 1000;

/// Numbers that are finite and, if `positive`, above 0: CLI11's PositiveNumber lets inf and nan pass.
CLI::Validator finite_number(bool positive) {
  return CLI::Validator(
      [positive](const std::string& text) {
        char* end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        const bool is_number = !text.empty() && *end == '\0' && std::isfinite(value);
        if (is_number && (!positive || value > 0.0)) return std::string();
        return fmt::format("'{}' is not a finite number{}", text, positive ? " above 0" : "");
      },
      "");
}

}  // namespace

bool is_nir_file(const std::string& path) { return std::filesystem::path(path).extension() == ".nir"; }

NirStepOptions NirStepOptions::settled(const formats::NirGraph& graph, const std::string& path) const {
  NirStepOptions result = *this;
  const exchange::NirMetadata said = exchange::metadata_of(graph);
  if (reset.empty()) {
    if (!said.odd_reset.empty()) {
      throw DataError(fmt::format("{}: its metadata: {}; --reset zero or --reset subtract settles it", path,
                                  said.odd_reset));
    }
    result.reset = said.reset.empty() ? "zero" : said.reset;
  }
  if (bin_us == 0) {
    if (!said.odd_dt.empty()) {
      throw DataError(fmt::format("{}: its metadata: {}; --bin-us N settles it", path, said.odd_dt));
    }
    if (said.dt > 0.0 && said.step_us == 0) {
      throw DataError(fmt::format(
          "{}: its metadata: dt = {} s is no length of a bin (1 us to 1073 s); --bin-us N says how long a "
          "step of a recording is, --dt {} keeps the graph's own",
          path, said.dt, said.dt));
    }
    result.bin_us = said.step_us > 0 ? said.step_us : kDefaultBinUs;
    if (dt == 0.0) result.dt = said.dt;
  }
  result.from_metadata = !said.reset.empty() && said.dt > 0.0;
  result.trained_steps = said.steps;
  result.passed_over = said.passed_over;
  return result;
}

std::vector<formats::NirNodeShapes> shapes_of_file(const formats::NirGraph& graph, const std::string& path) {
  return of_file(path, [&] { return formats::nir_shapes(graph); });
}

exchange::NirSimulator NirStepOptions::simulator(const formats::NirGraph& graph,
                                                 const std::string& path) const {
  return of_file(path, [&] { return exchange::NirSimulator(graph, simulator_options()); });
}

exchange::NirOptions NirStepOptions::simulator_options() const {
  exchange::NirOptions options;
  options.dt = dt > 0.0 ? dt : 1e-6 * static_cast<double>(bin_us);
  if (reset == "subtract") options.reset = exchange::NirOptions::Reset::kSubtract;
  if (method == "exponential") options.method = exchange::NirOptions::Method::kExponential;
  options.v_min = v_min;
  options.several_spikes = several_spikes;
  return options;
}

std::string NirStepOptions::assumed(const formats::NirGraph& graph) const {
  std::string text =
      fmt::format("bins of {} us from {} on", bin_us, time_origin == "zero" ? "time 0" : "the first event");
  for (const std::string& line : exchange::assumptions(graph, simulator_options())) text += ", " + line;
  return text;
}

std::vector<const CLI::Option*> add_nir_options(CLI::App& command, NirStepOptions& options) {
  std::vector<const CLI::Option*> all;
  const auto add = [&](CLI::Option* option) {
    all.push_back(option);
    return option;
  };
  add(command.add_option(
          "--bin-us", options.bin_us,
          "Of a NIR graph: microseconds of the recording in each step (default: dt of the graph's metadata, "
          "else 1000)"))
      ->check(CLI::Range(1, 1 << 30));
  add(command.add_option("--time-origin", options.time_origin,
                         "Of a NIR graph: where the first bin begins: first-event, or zero (time 0 of the "
                         "recording)"))
      ->check(CLI::IsMember({"first-event", "zero"}))
      ->capture_default_str();
  add(command.add_option("--dt", options.dt, "Of a NIR graph: seconds in each step (default: that of a bin)"))
      ->check(finite_number(true));
  add(command.add_option(
          "--reset", options.reset,
          "Of a NIR graph: what a spike does to v: zero (v = v_reset), subtract (default: as the graph's "
          "metadata says, else zero)"))
      ->check(CLI::IsMember({"zero", "subtract"}));
  add(command.add_flag("--several-spikes", options.several_spikes,
                       "Of a NIR graph: a neuron fires as often in a step as v reaches its threshold, "
                       "Sinabs's MultiSpike"));
  add(command.add_option("--v-min", options.v_min,
                         "Of a NIR graph: lowest v of a neuron, Sinabs's min_v_mem (default: none)"))
      ->check(finite_number(false));
  add(command.add_option("--method", options.method, "Of a NIR graph: how v leaks: euler, exponential"))
      ->check(CLI::IsMember({"euler", "exponential"}))
      ->capture_default_str();
  return all;
}

std::string NirStepOptions::warning(const formats::NirGraph& graph) const {
  std::string text =
      std::string(from_metadata ? "stepped as the graph's metadata says, else by default: "
                                : "the graph's file does not store how it is stepped; taken: ") +
      assumed(graph) + " (--bin-us, --time-origin, --dt, --reset, --method, --several-spikes, --v-min)";
  for (const std::string& line : passed_over) text += "; " + line;
  return text;
}

bool takes_events(const formats::NirGraph& graph, const formats::NirShape& input) {
  if (input.size() != 2 && input.size() != 3) return false;
  const std::string kind = exchange::metadata_of(graph).input;
  return kind == "events" ? input[0] <= 2 : kind != "image" && input[0] == 2;
}

void check_takes_events(const std::string& path, const formats::NirGraph& graph,
                        const formats::NirShape& input) {
  if (takes_events(graph, input)) return;
  std::string why;
  if (input.size() == 3) {
    why = fmt::format(", still images of {}", counted(input[0], "channel"));
  } else if (input.size() == 2) {
    why = fmt::format(", signals of {}", counted(input[0], "channel"));
  } else {
    why = ", which are not frames";
  }
  throw ShapeError(
      fmt::format("{}: the graph takes {}{}; events come in 2 channels, off and on: a graph of [2, height, "
                  "width] would fit; spikeloom predict gives this one .npy arrays of what it takes",
                  path, formats::nir_shape_text(input), why));
}

void refuse_given(const std::vector<const CLI::Option*>& options, const std::string& what) {
  for (const CLI::Option* option : options) {
    if (option->count() > 0)
      throw ConfigError(option->get_name() + " does not apply to " + what + "; leave it out");
  }
}

}  // namespace spikeloom::app
