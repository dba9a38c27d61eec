#include "app/network_arguments.h"

#include "spikeloom/model/structure.h"

namespace spikeloom::app {

void check_network_string(const std::string& text, const std::string& where) {
  try {
    model::parse_structure(text);
  } catch (const model::StructureError& error) {
    throw error.at(where, 0, "");
  }
}

model::Shape parse_input(const std::string& text) {
  try {
    return model::parse_shape(text);
  } catch (const model::StructureError& error) {
    throw error.at("--input", 0, "");
  }
}

}  // namespace spikeloom::app
