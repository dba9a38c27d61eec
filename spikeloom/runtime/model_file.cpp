#include "spikeloom/runtime/model_file.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/run/model_tensors.h"

namespace spikeloom::runtime {

bool is_hdf5_file(const std::string& path) {
  constexpr char kSignature[] = "\x89HDF\r\n\x1a\n";
  char start[8] = {};
  std::ifstream file(path, std::ios::binary);
  return file.read(start, sizeof start) && std::equal(start, start + sizeof start, kSignature);
}

Model load_model(const std::string& run_or_model, Rounding rounding) {
  Model result;
  result.path = train::find_model(run_or_model);
  if (is_hdf5_file(result.path)) {
    throw FormatError(
        "is an HDF5 file, as NIR graphs are, not a model file: one whose name ends in .nir is read as a "
        "graph "
        "(docs/nir.md)",
        result.path);
  }
  result.info = train::read_model_info(result.path);
  const auto plan = result.info.plan();
  train::check_holds_network(result.path, plan);
  model::Program program = model::make_program(plan, result.info.recipe.network, result.info.recipe.seed);
  train::ModelTensors tensors = train::read_model_tensors(result.path, program);
  program.class_of = std::move(tensors.class_of);
  const Arithmetic arithmetic =
      rounding == Rounding::kAsTrained ? arithmetic_of(result.info.recipe.network.compute) : Arithmetic();
  result.network =
      std::make_shared<const Network>(make_network(program, std::move(tensors.slots), arithmetic));
#ifdef __GLIBC__
  ::malloc_trim(0);  // what was read is freed, and glibc would keep as much of it as there are weights
#endif
  return result;
}

}  // namespace spikeloom::runtime
