#pragma once
#include <string>

#include "spikeloom/model/shape.h"

namespace spikeloom::app {

/// Throws StructureError, said to be found in `where` ("--net"), unless `text` is a network string.
void check_network_string(const std::string& text, const std::string& where);

/// The shape given with --input. Throws StructureError, said to be found there.
model::Shape parse_input(const std::string& text);

}  // namespace spikeloom::app
