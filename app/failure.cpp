#include "app/failure.h"

#include <fmt/format.h>

#include <cstdlib>
#include <new>
#include <stdexcept>

#include "app/commands.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/model/structure.h"
#include "spikeloom/parallel/error.h"

namespace spikeloom::app {
namespace {

/// LibTorch has no type for it: the CPU's allocator, a device's and sizes that overflow only say it.
bool says_out_of_memory(const std::string& text) {
  for (const char* part : {"can't allocate memory", "out of memory", "not enough memory",
                           "Storage size calculation", "numel: integer multiplication overflow"}) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string out_of_memory(const std::string& text, const std::string& command) {
  std::string message = "out of memory";
  const std::string tried = "tried to allocate ";
  const std::size_t at = text.find(tried);
  const double bytes = at == std::string::npos ? 0.0 : std::strtod(text.c_str() + at + tried.size(), nullptr);
  if (bytes > 0.0) message += fmt::format(": {}B were asked for at once", with_prefix(bytes));
  if (command == "train") {
    return message +
           "; use a smaller training.batch_size, network.num_steps or network (spikeloom info RECIPE shows "
           "the "
           "memory that a recipe needs)";
  }
  if (command == "eval") return message + "; use a smaller --batch";
  if (command == "bench") return message + "; use a smaller --batch, --steps or --net";
  return message + "; what was asked for is too large for this machine";
}

}  // namespace

Failure describe_failure(const std::exception& error, const std::string& command) {
  const std::string text = error.what();
  if (const auto* known = dynamic_cast<const Error*>(&error)) {
    const auto* of_others = dynamic_cast<const ParallelError*>(&error);
    if (of_others != nullptr && of_others->is_told()) return {"", "", of_others->exit_code()};
    const auto* structure = dynamic_cast<const model::StructureError*>(&error);
    return {text, structure != nullptr ? structure->caret() : "", parallel::exit_code_of(*known)};
  }
  const bool no_memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                         dynamic_cast<const std::length_error*>(&error) != nullptr ||
                         says_out_of_memory(text);
  if (no_memory) return {out_of_memory(text, command), "", kUsage};
  return {"internal error: " + first_line(text), "", kInternal};
}

}  // namespace spikeloom::app
