#include "spikeloom/train/network/stage_paths.h"

#include "spikeloom/backends/torch/make_backend.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/model/program.h"
#include "spikeloom/ops/device.h"

namespace spikeloom::train {

model::Precision settled_precision(const model::NetworkSettings& settings, const std::string& device) {
  using model::Precision;
  if (settings.compute.precision != Precision::kAuto) return settings.compute.precision;
  const bool can =
      settings.kind == model::NetworkKind::kSpiking && settings.compute.state == model::StateMode::kCompact;
  const bool fast = device != "cpu" || kernels::cpu::has_fast_bfloat16();
  return can && fast ? Precision::kBf16 : Precision::kFp32;
}

std::vector<StagePath> stage_paths(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                                   const std::string& device) {
  model::ComputeSettings compute = settings.compute;
  compute.precision = settled_precision(settings, device);
  const at::Device place = ops::device_of(device);
  std::unique_ptr<engine::Backend> backend;
  if (place.is_cpu()) {
    backend = backends::make_cpu_backend(compute);
  } else {
    backend = backends::make_device_backend(compute, place);
  }
  const model::Program program = model::make_program(plan, settings, 1);
  std::vector<StagePath> result;
  for (const model::Stage& stage : program.stages) {
    StagePath path{stage.name, "", backend->refusal(program, stage)};
    if (path.refusal.empty()) path.path = backend->path(program, stage);
    result.push_back(std::move(path));
  }
  return result;
}

}  // namespace spikeloom::train
