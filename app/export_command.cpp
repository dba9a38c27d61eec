#include <fmt/format.h>

#include <filesystem>

#include "app/commands.h"
#include "app/nir_options.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/output_target.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/events/transforms/chain.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/nir/write.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/nir_export.h"

namespace spikeloom::app {
namespace {

constexpr int kComparedSamples = 4;

struct ExportOptions {
  std::string model, output;
  bool force = false, json = false;
};

/// Of a recording's network a step of the training; images have none.
std::int64_t step_us_of(const train::ModelInfo& info) {
  const auto& data = info.recipe.data;
  const bool has_step = data::dataset_info(data.dataset).is_recordings &&
                        data.slicing == data::Slicing::kWindow && data.overlap_us == 0;
  return has_step ? data.window_us : 1000;
}

/// Keys of the recipe that change what the network is given, and that a graph has no place for; "" without
/// any.
std::string keys_left_out(const train::ModelInfo& info) {
  const data::DataSettings& data = info.recipe.data;
  const bool is_recordings = data::dataset_info(data.dataset).is_recordings;
  const bool is_window = data.slicing == data::Slicing::kWindow;
  const std::pair<bool, const char*> changed[] = {
      {is_recordings && !is_window, "data.slicing"},
      {is_recordings && is_window && data.overlap_us > 0, "data.overlap_us"},
      {is_recordings && is_window && data.time_origin == data::TimeOrigin::kZero, "data.time_origin"},
      {is_recordings && data.binary_bins, "data.binary_bins"},
      {is_recordings && data.downsample > 1, "data.downsample"},
      {is_recordings && !events::TransformChain(data.transforms).fixed_text().empty(), "data.transforms"},
      {!is_recordings && data.standardize, "data.standardize"}};
  std::string keys;
  for (const auto& [is_changed, key] : changed) {
    if (is_changed) keys += (keys.empty() ? "" : ", ") + std::string(key);
  }
  return keys;
}

int run_export(const ExportOptions& options) {
  if (!is_nir_file(options.output))
    throw ConfigError(options.output + ": the name of a NIR graph ends in .nir");
  resolve_output(options.output);
  std::error_code ignored;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(options.output, ignored));
  if (exists && !options.force) {
    throw ConfigError(options.output + " already exists: choose another name, or --force to replace it");
  }
  const runtime::Model model = runtime::load_model(options.model, runtime::Rounding::kNone);
  const std::int64_t step_us = step_us_of(model.info);
  const int num_steps = model.info.recipe.network.num_steps;
  const double dt = 1e-6 * static_cast<double>(step_us);
  formats::NirGraph graph = runtime::nir_graph(*model.network, dt);
  graph.metadata["input"] =
      data::dataset_info(model.info.recipe.data.dataset).is_recordings ? "events" : "image";
  graph.metadata["steps"] = std::to_string(num_steps);
  formats::write_nir(options.output, graph);
  // What was written is what is compared.
  const runtime::NirComparison compared =
      runtime::compare_with_nir(model.network, formats::read_nir(options.output), dt, kComparedSamples);
  const bool subtracts =
      runtime::nir_options(*model.network, dt).reset == exchange::NirOptions::Reset::kSubtract;
  const std::string how =
      fmt::format("--reset {} --bin-us {} --steps {}", subtracts ? "subtract" : "zero", step_us, num_steps);
  if (options.json) {
    print_json({{"model", model.path},
                {"output", options.output},
                {"step_us", step_us},
                {"reset", subtracts ? "subtract" : "zero"},
                {"steps", num_steps},
                {"compared_steps", compared.steps},
                {"compared_spikes", compared.spikes},
                {"different_spikes", compared.different_spikes},
                {"largest_vote_difference", compared.largest_vote_difference}});
    return kOk;
  }
  print_line(stdout, fmt::format("{}: graph of {} (run it with {})", one_line(options.output),
                                 one_line(model.path), how));
  print_line(stdout,
             fmt::format("read back and run beside the network on {} of made-up input: {}, {} "
                         "different; votes differ by {:.2g} at most",
                         counted(compared.steps, "step"), counted(compared.spikes, "spike"),
                         with_separators(compared.different_spikes), compared.largest_vote_difference));
  if (const std::string keys = keys_left_out(model.info); !keys.empty()) {
    print_warning("a graph does not say what the training does to its data before the network sees it (" +
                  keys + "): who runs the graph has to do the same");
  }
  if (model.info.recipe.network.compute.precision != model::Precision::kFp32) {
    print_warning(
        "the training rounds to bfloat16, which a graph does not: its votes may differ a little from "
        "those of eval");
  }
  return kOk;
}

}  // namespace

void add_export(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<ExportOptions>();
  auto* command = program.add_subcommand("export", "Write a trained network as a graph of NIR (docs/nir.md)");
  command->add_option("model", options->model, "Run folder, model file or checkpoint")
      ->required()
      ->type_name("RUN_OR_MODEL")
      ->check(CLI::Validator(
          [](const std::string& path) {
            return is_nir_file(path)
                       ? path + " is a NIR graph already; trained networks of Spikeloom are exported"
                       : std::string();
          },
          ""));
  command->add_option("output", options->output, "File to write")->type_name("OUT.nir")->required();
  command->add_flag("--force", options->force, "Replace OUT.nir if it exists");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("What NIR cannot express is refused, with the layer's name; docs/nir.md lists it.");
  command->callback([options, &chosen] { chosen = [options] { return run_export(*options); }; });
}

}  // namespace spikeloom::app
