#include "app/training/network_needs.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/output.h"
#include "app/process.h"
#include "app/progress_line.h"
#include "spikeloom/base/memory.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/train/network/stage_paths.h"

namespace spikeloom::app {
namespace {

/// With the precision that will be taken here.
model::NetworkSettings settled(model::NetworkSettings settings) {
  settings.compute.precision = train::settled_precision(settings, "cpu");
  return settings;
}

model::MemoryUse training_use(const train::Recipe& recipe) {
  constexpr int kLoaderBatches = 5;  // LoaderSettings::prefetch + 1
  model::MemoryUse use;
  use.batch_size = recipe.training.batch_size;
  use.static_input = !data::dataset_info(recipe.data.dataset).is_recordings;
  use.moments = recipe.optimizer.values_per_parameter();
  use.loader_batches = kLoaderBatches;
  return use;
}

model::MemoryUse evaluation_use(const train::Recipe& recipe) {
  model::MemoryUse use = training_use(recipe);
  use.batch_size = recipe.training.eval_batch_size;
  use.training = false;
  use.moments = 0;
  return use;
}

/// Samples of the published training part that the recipe trains on; 0: not known.
std::int64_t training_samples(const train::Recipe& recipe) {
  for (const auto& split : data::dataset_info(recipe.data.dataset).splits) {
    if (split.name != "train" || split.samples() <= 0) continue;
    const std::int64_t left = std::max<std::int64_t>(split.samples() - recipe.data.validation_samples, 0);
    return recipe.data.train_limit > 0 ? std::min(left, recipe.data.train_limit) : left;
  }
  return 0;
}

/// Forward pass and both gradients of each layer, at every time step.
double macs_per_epoch(const model::NetworkPlan& plan, const train::Recipe& recipe) {
  const int steps = recipe.network.kind == model::NetworkKind::kAnn ? 1 : recipe.network.num_steps;
  return 3.0 * steps * static_cast<double>(plan.macs_per_step()) *
         static_cast<double>(training_samples(recipe));
}

/// Dense-equivalent multiply-accumulates a second of a training step, as two cores of a server (EPYC, Zen 5)
/// reach on the large networks of docs/performance.md: 200 in fp32, 630 in bf16. Another machine may be
/// several times slower or faster, and small layers are slower everywhere.
double usual_macs_per_s(const train::Recipe& recipe) {
  return train::settled_precision(recipe.network, "cpu") == model::Precision::kBf16 ? 6e11 : 2e11;
}

double training_seconds(const model::NetworkPlan& plan, const train::Recipe& recipe) {
  return macs_per_epoch(plan, recipe) * recipe.training.epochs / usual_macs_per_s(recipe);
}

}  // namespace

nlohmann::ordered_json needs_json(const model::NetworkPlan& plan, const train::Recipe& recipe) {
  nlohmann::ordered_json json = {
      {"training_memory_bytes",
       model::estimate_memory(plan, settled(recipe.network), training_use(recipe)).total()},
      {"evaluation_memory_bytes",
       model::estimate_memory(plan, settled(recipe.network), evaluation_use(recipe)).total()}};
  if (training_samples(recipe) > 0) {
    json["macs_per_epoch"] = macs_per_epoch(plan, recipe);
    json["training_seconds_on_two_server_cores"] = training_seconds(plan, recipe);
  }
  return json;
}

void print_needs(const model::NetworkPlan& plan, const train::Recipe& recipe) {
  const auto training = model::estimate_memory(plan, settled(recipe.network), training_use(recipe));
  const auto evaluation = model::estimate_memory(plan, settled(recipe.network), evaluation_use(recipe));
  print_line(stdout,
             fmt::format("memory about {} to train in batches of {}, {} to evaluate, besides the data",
                         memory_text(training.total()), recipe.training.batch_size,
                         memory_text(evaluation.total())));
  if (training_samples(recipe) > 0) {
    print_line(stdout, fmt::format("work {}MAC an epoch of {}, {}MAC in all (dense, with backward pass)",
                                   with_prefix(macs_per_epoch(plan, recipe)),
                                   counted(training_samples(recipe), "sample"),
                                   with_prefix(macs_per_epoch(plan, recipe) * recipe.training.epochs)));
    print_line(stdout, fmt::format("time {} or more to train on two cores of a server ({}MAC a second)",
                                   rough_duration(training_seconds(plan, recipe)),
                                   with_prefix(usual_macs_per_s(recipe))));
  }
  if (recipe.network.kind == model::NetworkKind::kAnn) return;  // bench times spiking networks
  print_line(stdout,
             fmt::format("this machine's speed: {} bench step --net {} --input {} --batch {} "
                         "--steps {}",
                         shell_quoted(program_path()), shell_quoted(recipe.network.structure),
                         model::to_string(plan.input), recipe.training.batch_size, recipe.network.num_steps));
}

}  // namespace spikeloom::app
