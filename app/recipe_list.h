#pragma once

namespace spikeloom::app {

/// What `train --list` shows of the recipes that can be named.
enum class RecipeListing {
  kTable,  ///< a line each, of at most 80 columns: name and description
  kNames,  ///< a line each: the name
  kJson    ///< a list of objects: name, file, description
};

/// Writes them to standard output. A recipe that cannot be read is listed with the reason.
void list_recipes(RecipeListing listing);

}  // namespace spikeloom::app
