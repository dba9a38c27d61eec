#include "spikeloom/runtime/model_file.h"

#include <utility>

#include "spikeloom/train/run/model_tensors.h"

namespace spikeloom::runtime {

Model load_model(const std::string& run_or_model, Rounding rounding) {
  Model result;
  result.path = train::find_model(run_or_model);
  result.info = train::read_model_info(result.path);
  const auto plan = result.info.plan();
  train::check_holds_network(result.path, plan);
  model::Program program = model::make_program(plan, result.info.recipe.network, result.info.recipe.seed);
  train::ModelTensors tensors = train::read_model_tensors(result.path, program);
  program.class_of = std::move(tensors.class_of);
  const Arithmetic arithmetic =
      rounding == Rounding::kAsTrained ? arithmetic_of(result.info.recipe.network.compute) : Arithmetic();
  result.network = std::make_shared<const Network>(make_network(program, std::move(tensors.slots), arithmetic));
  return result;
}

}  // namespace spikeloom::runtime
